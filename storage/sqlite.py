"""Everything that is particular to SQLite: one file, one writer at a time, a connection for each thread."""

import fcntl
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import peewee

from imtornado.errors import Busy
from storage.checkpoints import Checkpointer
from storage.database import Connection, Duplicate, Use
from storage.fair_lock import FairLock

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 2.0  # another process (the command line) holds the file; a client is told within 2 s
CHECKPOINT_WAIT_MS = 50
WRITER_TIMEOUT_S = 10.0  # the queue of our own threads: long only when the disk is in trouble
OFTEN_CACHE_KIB = 128_000  # what ten thousand busy conversations touch
PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # a commit is on the disk before it returns: ACK stands on this
    "foreign_keys": 1,
    "secure_delete": 1,  # recalled text does not lie on in free space; a build's default is not a promise
    "cache_size": -8_000,
    "temp_store": "memory",
    "wal_autocheckpoint": 64_000,  # pages: `Checkpointer` comes long before, unless the disk is in trouble
    "journal_size_limit": 268_435_456,
}
# Primary result codes of what the environment does to us. Everything else is a mistake of ours.
OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


class _Connection(sqlite3.Connection):
    """A connection that can be held in a weak set: those of threads that ended go with them."""

    # Nothing is won by waiting: the database is in this process.
    later = sqlite3.Connection.execute
    later_many = sqlite3.Connection.executemany


class _Orm(peewee.SqliteDatabase):
    """peewee's database, which remembers the connections of all threads so that one thread can close them."""

    def __init__(self, path: Path) -> None:
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._open_lock = threading.Lock()
        super().__init__(
            str(path),
            field_types={"EXACT": "TEXT", "LONG": "TEXT", "PACKED": "BLOB", "KEY": "INTEGER"},
            pragmas=PRAGMAS,
            timeout=BUSY_TIMEOUT_S,
            lock_type="IMMEDIATE",
            check_same_thread=False,  # each is used by one thread only; `close_all` runs on another
            cached_statements=512,
            factory=_Connection,
        )

    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc]  # peewee's own hook, not in its stubs
        with self._open_lock:
            self._open.add(connection)
        return connection

    def close_all(self) -> None:
        with self._open_lock:
            for connection in list(self._open):
                connection.close()
            self._open.clear()


class Sqlite:
    """A database file. The folder is created; a file of another program is refused by SQLite itself."""

    many_writers = False
    for_update = for_share = for_update_free = ""  # whoever writes holds the whole database
    insert_new = "INSERT OR IGNORE"
    half_migrated = "So nothing was changed."
    duplicate: type[Exception] = sqlite3.IntegrityError
    failure: type[Exception] = sqlite3.Error

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writer = FairLock()
        self._orm = _Orm(path)
        self.orm: peewee.Database = self._orm
        self._checkpointer = Checkpointer(path, self._connection, self._turn)
        self._often = threading.local()  # .connection: that of a thread that has the large cache

    def _connection(self) -> _Connection:
        try:
            connection: _Connection = self._orm.connection()  # type: ignore[no-untyped-call]
        except (peewee.DatabaseError, peewee.InterfaceError) as error:
            log.error("the database cannot be opened: %s", error)
            raise Busy("The database is busy. Please try again.", retry_after_ms=1000) from error
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        connection = self._connection()
        with _translated():
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                self._roll_back(connection)

    @contextmanager
    def writing(self, *, often: bool = False, answer_s: float = 0.0) -> Iterator[Connection]:
        with self._turn():
            connection = self._connection()
            with _translated():
                if often and getattr(self._often, "connection", None) is not connection:
                    connection.execute(f"PRAGMA cache_size = {-OFTEN_CACHE_KIB}")
                    self._often.connection = connection
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                    self._checkpointer.written()
                except BaseException:
                    self._roll_back(connection)
                    raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The only writer of this process. Raises: Busy."""
        if not self._writer.acquire(WRITER_TIMEOUT_S):
            log.error("no turn to write within %s s", WRITER_TIMEOUT_S)
            raise Busy("The database is busy. Please try again.", retry_after_ms=1000)
        try:
            yield
        finally:
            self._writer.release()

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Ends the transaction; a connection that cannot do even that is given up."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.error("roll-back failed, the connection is closed: %s", error)
            self._orm.close()

    def checkpoint(self) -> None:
        """Empties the WAL, unless a long read (a backup) needs it: then the next one will."""
        connection = self._connection()
        with self._checkpointer.alone, _translated():
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # most of the work, while others write on
        with self._checkpointer.alone, self._turn(), _translated():
            connection.execute(f"PRAGMA busy_timeout = {CHECKPOINT_WAIT_MS}")  # no writer is to wait for a reader
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")

    def copy_to(self, path: Path) -> None:
        """All pages, as they were when it began, in a new file. Raises: Busy, sqlite3.Error (of the new file)."""
        connection = self._connection()
        with closing(sqlite3.connect(path)) as target:
            connection.backup(target)  # all pages in one step: nobody who writes meanwhile makes it begin anew

    @contextmanager
    def migrating(self) -> Iterator[None]:
        descriptor = os.open(f"{self._path}.migrating", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def check_server(self, use: Use) -> None:
        """There is none, and every connection sets what it needs."""

    def collate(self) -> None:
        """Nothing to do: SQLite compares bytes unless told otherwise."""

    def close(self) -> None:
        self._checkpointer.stop()
        self._orm.close_all()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise Duplicate("This exists already.") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF not in OUTAGES:
            raise
        log.error("database out of order: %s (%s)", error, getattr(error, "sqlite_errorname", code))
        raise Busy("The database is busy. Please try again.", retry_after_ms=1000) from error
