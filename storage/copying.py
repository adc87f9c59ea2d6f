"""Copying a whole database into another, of whichever kind, in a way that survives being killed at any moment.

How far a copy has come stands in a table of the target, `copy_progress`, and moves in the same transactions as the
rows. As long as that table is there no server takes the target for a database; the very last act drops it.

Raises, everywhere: Busy, SchemaError, CopyRefused.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import peewee

from imtornado.errors import Conflict
from storage.database import Connection, Database, UnfitDatabase, Use
from storage.fields import ExactField, LongField
from storage.migrate import SchemaError, migrate, require_current
from storage.tables import DERIVED, TABLES, Digest, Digester, Table, existing
from storage.transactions import Row

log = logging.getLogger(__name__)

PROGRESS = "copy_progress"
HISTORY = "schema_migration"  # peewee's, of the migrations that were applied
ORIGIN = "origin"  # its row: the epoch of the source
OWN_ROWS = ("meta", "counter", *DERIVED)  # tables with rows in a database that nobody has used
DIFFERENT = "different"  # its row, where a comparison has failed: nothing in the target is to be trusted

Told = Callable[[str, int], None]  # (table, rows done of all tables and of their comparison)


class CopyRefused(UnfitDatabase):
    """The target is not for this copy; the text says why and what to do."""


class Copying:
    """One copy, on one thread. `source` is one snapshot as long as it runs."""

    def __init__(self, source: Connection, target: Database) -> None:
        self._source = source
        self._target = target
        self._told: Told = lambda _table, _done: None
        self._done = 0

    def steps(self) -> int:
        """Up to which number `told` counts: every row is copied, and read once more on both sides."""
        return 3 * sum(table.count(self._source) for table in TABLES)

    def run(self, told: Told) -> dict[str, Digest]:
        """Copies what is missing and compares all; {table: what both hold}.

        Afterwards the target is whole, but for `release`, which makes it a database that can be served.
        """
        self._told, self._done = told, 0
        with self._target.reading() as target:
            cursors = _cursors(target)
        for table in TABLES:
            self._copy(table, cursors.get(table.name))
        digests, different = {}, []
        with self._target.reading() as target:
            for table in TABLES:
                mine, theirs = self._digest(self._source, table), self._digest(target, table)
                digests[table.name] = theirs
                if mine != theirs:
                    different.append(f"{table.name} ({mine.rows} and {theirs.rows} rows)")
        if different:
            _write(self._target, DIFFERENT, "yes")
            raise CopyRefused(
                f"the two databases differ in {', '.join(different)}: did somebody write to one of them? "
                "The same command begins anew"
            )
        return digests

    def _copy(self, table: Table, cursor: Row | None) -> None:
        if cursor is None:
            with self._target.writing() as target:
                target.execute(f"DELETE FROM `{table.name}`")  # what the migrations put there
        else:
            with self._target.reading() as target:
                self._tell(table, table.count(target))
        for page in table.pages(self._source, cursor):
            try:
                with self._target.writing() as target:
                    table.insert(target, page)
                    _move(target, table.name, table.key_of(page[-1]))
            except (Conflict, self._target.failure) as error:  # no outage: those are Busy
                raise CopyRefused(
                    f"the target does not take a row of {table.name}: {error.__cause__ or error}"
                ) from error
            self._tell(table, len(page))

    def _digest(self, connection: Connection, table: Table) -> Digest:
        digester = Digester()
        for page in table.pages(connection):
            digester.add(page)
            self._tell(table, len(page))
        return digester.digest()

    def _tell(self, table: Table, rows: int) -> None:
        self._done += rows
        self._told(table.name, self._done)


@contextmanager
def opened(source: Database, target: Database) -> Iterator[Copying]:
    """A copy, begun or gone on with; the target is made ready for it.

    Raises: CopyRefused where the target holds anything else than the beginning of this copy.
    """
    require_current(source, Use.READ)
    with source.reading() as connection:
        _prepare(target, _epoch(connection))
        yield Copying(connection, target)


def release(target: Database) -> None:
    """Makes a finished copy a database that can be served. The last act."""
    with _schema_errors():
        target.orm.drop_tables([_progress_of(target)])


def is_unfinished(database: Database) -> bool:
    """It holds a part of a copy and nothing that can be used."""
    with database.reading():
        pass  # a database that cannot be opened is Busy, here as everywhere
    return bool(database.orm.table_exists(PROGRESS))


def require_whole(database: Database) -> None:
    """Raises: SchemaError for a database into which a copy or a restore has not come to its end."""
    if is_unfinished(database):
        raise SchemaError(
            "This database is a copy that is not finished. Run the same `imtornado copy` or `imtornado restore` again: "
            "it goes on, or begins anew."
        )


def clear(database: Database) -> None:
    """Removes everything of ours from a database; one that is interrupted here is an unfinished copy."""
    with _schema_errors():
        database.orm.create_tables([_progress_of(database)])
    _write(database, DIFFERENT, "yes")
    names = [*(table.name for table in reversed(existing(database))), HISTORY]
    with _schema_errors():
        for name in names:
            database.orm.execute_sql(f"DROP TABLE IF EXISTS `{name}`")  # type: ignore[no-untyped-call]
    with database.writing() as connection:
        connection.execute(f"DELETE FROM `{PROGRESS}` WHERE name <> ?", (DIFFERENT,))


def is_empty(database: Database) -> bool:
    """Nobody has used it: no table of ours, or no row that the program did not make by itself."""
    with database.reading() as connection:
        return all(table.name in OWN_ROWS or table.is_empty(connection) for table in existing(database))


def _prepare(target: Database, epoch: str) -> None:
    target.check_server(Use.MIGRATE)
    if is_unfinished(target):
        with target.reading() as connection:
            rows = dict(connection.execute(f"SELECT name, value FROM `{PROGRESS}`").fetchall())
        if DIFFERENT in rows:
            log.info("the target holds a copy that is to be thrown away: beginning anew")
            clear(target)
        elif ORIGIN in rows and rows[ORIGIN] != epoch:
            raise CopyRefused("the target holds an unfinished copy of another database; name an empty one")
    elif not is_empty(target):
        raise CopyRefused("the target has data already; name an empty database")
    # Before the first of its tables, so that no server can begin to use what is to be filled.
    with _schema_errors():
        target.orm.create_tables([_progress_of(target)])
    migrate(target)
    with target.writing() as connection:
        connection.execute(f"DELETE FROM `{PROGRESS}` WHERE name = ?", (DIFFERENT,))
    _write(target, ORIGIN, epoch)


@contextmanager
def _schema_errors() -> Iterator[None]:
    try:
        yield
    except peewee.PeeweeException as error:
        raise SchemaError(f"The tables of the target cannot be changed: {error}") from error


def _progress_of(database: Database) -> type[peewee.Model]:
    orm = database.orm

    class CopyProgress(peewee.Model):
        name = ExactField(max_length=64, primary_key=True)
        value = LongField(default="")

        class Meta:
            table_name = PROGRESS
            database = orm

    return CopyProgress


def _cursors(target: Connection) -> dict[str, Row]:
    """{table: key of the row that was copied last}."""
    rows = target.execute(f"SELECT name, value FROM `{PROGRESS}` WHERE name <> ?", (ORIGIN,)).fetchall()
    return {name: tuple(msgspec.json.decode(value)) for name, value in rows}


def _move(target: Connection, table: str, key: Row) -> None:
    value = msgspec.json.encode(key).decode()
    if not target.execute(f"UPDATE `{PROGRESS}` SET value = ? WHERE name = ?", (value, table)).rowcount:
        target.execute(f"INSERT INTO `{PROGRESS}` (name, value) VALUES (?, ?)", (table, value))


def _write(database: Database, name: str, value: str) -> None:
    with database.writing() as connection:
        connection.execute(f"DELETE FROM `{PROGRESS}` WHERE name = ?", (name,))
        connection.execute(f"INSERT INTO `{PROGRESS}` (name, value) VALUES (?, ?)", (name, value))


def _epoch(connection: Connection) -> str:
    return str(connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()[0])
