"""From a URL to a store: `sqlite:///data/im.db` (relative), `sqlite:////var/lib/im.db` (absolute), `mysql://…`
(`storage.mysql_url`).

A third party adds a backend by an entry point of the group `imtornado.storage`: its name is the scheme, its object a
callable (url, clock, auto_migrate) → Store.
"""

from importlib.metadata import entry_points
from pathlib import Path

from imtornado.clock import Clock
from imtornado.errors import BadParameter
from storage import mysql_url
from storage.copying import require_whole
from storage.database import Database, Use
from storage.migrate import migrate, require_current
from storage.mysql import Mysql
from storage.sql_store import SqlStore
from storage.sqlite import Sqlite
from storage.store import Store

GROUP = "imtornado.storage"
OWN = ("mysql", "sqlite")


def open_store(
    url: str, clock: Clock, *, auto_migrate: bool = True, unsafe_durability: bool = False, connections: int = 1
) -> Store:
    """The store behind the URL, its schema brought up to date, or checked when `auto_migrate` is off.

    `connections`: how many its user may hold at once; a server that allows fewer is not fit.

    Raises: BadParameter (unknown backend or malformed URL), UnfitDatabase (a server that is set wrong; as SchemaError
    for a newer or, unless migrated, older schema), Busy (the database cannot be opened).
    """
    scheme = url.partition(":")[0]
    foreign = entry_points(group=GROUP).select(name=scheme)
    if scheme not in OWN and foreign:
        store: Store = next(iter(foreign)).load()(url, clock, auto_migrate)
        return store
    database = open_database(url, unsafe_durability=unsafe_durability, connections=connections)
    try:
        database.check_server(Use.MIGRATE if auto_migrate else Use.WORK)
        require_whole(database)
        if auto_migrate:
            migrate(database)
        else:
            require_current(database)
        return SqlStore(database, clock)
    except BaseException:
        database.close()
        raise


def sqlite_path(url: str) -> Path | None:
    """Where the file of an SQLite URL lies, None for another backend. Raises: BadParameter."""
    scheme, separator, path = url.partition(":///")
    if scheme.partition(":")[0] != "sqlite":
        return None
    if not (scheme == "sqlite" and separator and path):
        raise BadParameter("Write sqlite:///data/im.db or sqlite:////var/lib/im.db.", field="storage.url")
    return Path(path)


def check_url(url: str) -> None:
    """Looks at the form of the URL and opens nothing. Raises: BadParameter."""
    scheme = url.partition(":")[0]
    if scheme == mysql_url.SCHEME:
        mysql_url.parse(url)
    elif sqlite_path(url) is None and not entry_points(group=GROUP).select(name=scheme):
        raise _unknown_backend(url)


def open_database(
    url: str, *, unsafe_durability: bool = False, patient: bool = False, connections: int = 1
) -> Database:
    """The database behind the URL of one of our own backends, as it is. Raises: BadParameter.

    `unsafe_durability`: also on a server that may lose what it has committed. `patient`: an answer may take long.
    """
    if url.partition(":")[0] == mysql_url.SCHEME:
        address = mysql_url.parse(url)
        return Mysql(address, unsafe_durability=unsafe_durability, patient=patient, connections=connections)
    path = sqlite_path(url)
    if path is None:
        raise _unknown_backend(url)
    try:
        return Sqlite(path)
    except OSError as error:
        raise BadParameter(
            "The folder of the database cannot be made: {reason}.", field="storage.url", reason=error
        ) from error


def _unknown_backend(url: str) -> BadParameter:
    known = ", ".join(sorted({*OWN, *(point.name for point in entry_points(group=GROUP))}))
    return BadParameter(
        "There is no storage backend {backend}. Known: {known}.",
        field="storage.url",
        backend=url.partition(":")[0],
        known=known,
    )
