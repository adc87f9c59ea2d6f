"""A database at one moment as an SQLite file that stands alone, while servers write on; and its way back to life."""

import os
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from storage.copying import Told, opened, release
from storage.database import Database, UnfitDatabase, Use
from storage.migrate import migrate, require_current
from storage.sqlite import Sqlite
from storage.tables import TABLES, Digest, Digester
from storage.uploads import KEEPING


class Damaged(UnfitDatabase):
    """What SQLite's own check found in a file."""


def snapshot(source: Database, path: Path, told: Callable[[int], Told]) -> None:
    """Writes all that was committed when it began to a new file. `told`: from the number of steps to who hears of them.

    An SQLite database is copied page by page by its own online backup, in one step: it reads one snapshot, and nobody
    waits for it. Of a MySQL database one snapshot is read, row by row.
    Raises: UnfitDatabase, Busy, sqlite3.Error (the file cannot be written), Damaged.
    """
    require_current(source, Use.READ)
    if isinstance(source, Sqlite):
        source.copy_to(path)
    else:
        with closing(Sqlite(path)) as target:
            with opened(source, target) as copying:
                copying.run(told(copying.steps()))
            release(target)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # so that the file alone is everything
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise Damaged(f"the database is damaged, and so would be its backup: {found}")


def digests(path: Path, on_page: Callable[[], None] = lambda: None) -> dict[str, Digest]:
    """{table: what it holds} of a snapshot with the current schema; `on_page` is called all along."""
    found = {}
    with closing(Sqlite(path)) as database, database.reading() as connection:
        for table in TABLES:
            digester = Digester()
            for page in table.pages(connection):
                on_page()
                digester.add(page)
            found[table.name] = digester.digest()
    return found


def renew(path: Path, *, end_sessions: bool) -> None:
    """Makes a database of a snapshot that can be served: of this program's schema, and with an epoch of its own.

    Uploads that were under way when it was taken are forgotten: what had arrived of them is in no backup.
    """
    with closing(Sqlite(path)) as database:
        migrate(database)
        with database.writing() as connection:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (str(uuid.uuid4()),))
            connection.execute("DELETE FROM meta WHERE name LIKE ?", (f"{KEEPING}%",))
            connection.execute("DELETE FROM partial_upload")
            connection.execute("UPDATE job SET until_ms = 0")  # who worked at them is gone
            if end_sessions:
                connection.execute("DELETE FROM session")
        database.checkpoint()


def put_in_place(copy: Path, path: Path, suffix: str) -> Path | None:
    """Makes the snapshot the database at `path`, in one step; where one that was used is moved to, None if none was.

    Nobody has either of them open. Raises: OSError, sqlite3.Error.
    """
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    replaced = None
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:  # its log would be taken for one of the new file
            used = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
            connection.execute("PRAGMA journal_mode = DELETE")
        if used:
            replaced = path.with_name(f"{path.name}.{suffix}")
            path.rename(replaced)
    for log in ("-wal", "-shm"):
        path.with_name(f"{path.name}{log}").unlink(missing_ok=True)
    copy.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return replaced
