"""Everything that is particular to MySQL and MariaDB: connections held by their threads, and what they are told.

Readers have one snapshot (REPEATABLE READ: it is taken by the first statement). Writers see what was committed before
each statement (READ COMMITTED): after a lock was waited for, the look-up of a cid must find what its holder stored.
"""

import hashlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import peewee
import pymysql
from pymysql.constants import CLIENT

from storage.database import Connection, UnfitDatabase, Use
from storage.mysql_advice import advice
from storage.mysql_checks import collation_of, durability_problems, problems
from storage.mysql_connection import READ_COMMITTED, REPEATABLE_READ, MysqlConnection
from storage.mysql_errors import busy, commit_translated, errors_translated
from storage.mysql_url import Address

log = logging.getLogger(__name__)

MIGRATION_ANSWER_S = 3600.0
LOCK_WAIT_S = 1  # MySQL looks once a second: up to 2 s
# More than the wait for a lock. Whoever waits for a batch has been told by then, by the writer's own clock, and a link
# that was lost without a word must be noticed while service is still to be back within 3 s. A commit that takes longer,
# on a slow disk, is settled by the next connection and acknowledged late.
BATCH_ANSWER_S = 2.2
IDLE_S = 60  # between two statements of a transaction; a tool that works on another database meanwhile may take longer
REST_S = 0.5  # after a connection could not be opened nobody tries for so long
MIGRATION_TURN_S = 5
_SETTINGS = (
    "default_storage_engine = 'InnoDB'",
    "foreign_key_checks = 1",
    "unique_checks = 1",
)
_FIELD_TYPES = {"EXACT": "VARCHAR", "LONG": "MEDIUMTEXT", "PACKED": "MEDIUMBLOB", "KEY": "BIGINT"}


class _Orm(peewee.MySQLDatabase):
    """peewee's database, for schema and tools, on connections of its own that commit each statement."""

    field_types = peewee.MySQLDatabase.field_types | _FIELD_TYPES

    def __init__(self, name: str, connect: Callable[[], Any]) -> None:
        self._open_one = connect
        super().__init__(name)

    def _connect(self) -> Any:
        return self._open_one()


class Mysql:
    """A database on a server. Opens nothing by itself."""

    many_writers = True
    for_update = " FOR UPDATE"
    for_share = " LOCK IN SHARE MODE"
    for_update_free = " FOR UPDATE SKIP LOCKED"
    insert_new = "INSERT IGNORE"
    half_migrated = "What was done of it stays; it goes on from there when it is run again."
    duplicate: type[Exception] = pymysql.err.IntegrityError
    failure: type[Exception] = pymysql.err.Error

    def __init__(
        self, address: Address, *, unsafe_durability: bool = False, patient: bool = False, connections: int = 1
    ) -> None:
        """`patient`: for tools that read whole tables and have nobody who waits for each answer.

        `connections`: how many may be open at once.
        """
        self.address = address
        self._unsafe_durability = unsafe_durability
        self._patient = patient
        self._connections = connections
        self._fit_for: Use | None = None
        self._held = threading.local()  # .connections: {often: MysqlConnection} of a thread
        self._all: weakref.WeakSet[MysqlConnection] = weakref.WeakSet()
        self._all_lock = threading.Lock()
        self._rests_until = 0.0
        self.orm: peewee.Database = _Orm(address.name, self._connect_for_migrations)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        connection = self._connection(often=False)
        with errors_translated():
            connection.begin(REPEATABLE_READ)
            try:
                yield connection
            finally:
                connection.roll_back()

    @contextmanager
    def writing(self, *, often: bool = False, answer_s: float = 0.0) -> Iterator[Connection]:
        connection = self._own(answer_s) if answer_s else self._connection(often=often)
        with errors_translated():
            connection.begin(READ_COMMITTED)
            try:
                yield connection
                with commit_translated():
                    connection.commit()
            except BaseException:
                connection.roll_back()
                raise
            finally:
                if answer_s:
                    connection.discard()

    def check_server(self, use: Use) -> None:
        """On a bare connection: an old server does not know what the others ask for."""
        if self._fit_for is not None and self._fit_for >= use:
            return
        with self._opening():
            raw = self._bare(self.address.answer_s, autocommit=True)
            with closing(raw), raw.cursor() as cursor:
                found = list(problems(cursor, use, self._connections))
                weak = list(durability_problems(cursor)) if use >= Use.WORK else []
        for problem in weak if self._unsafe_durability else ():
            log.warning("%s (accepted by storage.unsafe_durability)", problem)
        if weak and not self._unsafe_durability:
            found += [f"{problem} Or accept it: storage.unsafe_durability = yes." for problem in weak]
        if found:
            raise UnfitDatabase("\n".join(found))
        self._fit_for = use

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """The lock belongs to peewee's connection of this thread, which makes the changes too."""
        name = "imtornado " + hashlib.sha256(self.address.name.encode()).hexdigest()[:40]  # at most 64 characters
        with self.reading() as connection:
            connection.execute("SELECT 1")  # soon Busy where the server is away: migrations are patient
        try:
            while not self._ask("SELECT GET_LOCK(%s, %s)", name, MIGRATION_TURN_S):
                log.info("another process brings the schema up to date; waiting for it")
            yield
        finally:
            self.orm.close()  # the lock goes with the connection

    def collate(self) -> None:
        """New tables compare texts byte for byte. By peewee's connection of this thread."""
        collation = collation_of(str(self._ask("SELECT VERSION()")))
        sql = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = database()"
        if self._ask(sql) != collation:
            name = self.address.name.replace("`", "``").replace("%", "%%")
            self._ask(f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE {collation}")

    def checkpoint(self) -> None:
        """Nothing to do: InnoDB purges old versions by itself."""

    def close(self) -> None:
        with self._all_lock:
            for connection in list(self._all):
                connection.discard()
        self.orm.close()

    def _ask(self, sql: str, *parameters: object) -> Any:
        """The only column of the only row, by peewee's connection. Raises: Busy, as all others do."""
        try:
            row = self.orm.execute_sql(sql, parameters).fetchone()  # type: ignore[no-untyped-call]
        except peewee.PeeweeException as error:
            log.error("database out of order: %s", error)
            raise busy() from error
        return row[0] if row else None

    def _connection(self, *, often: bool) -> MysqlConnection:
        """That of this thread."""
        held: dict[bool, MysqlConnection] | None = getattr(self._held, "connections", None)
        if held is None:
            held = self._held.connections = {}
        if often not in held:
            answer_s = (
                MIGRATION_ANSWER_S
                if self._patient
                else max(self.address.answer_s, BATCH_ANSWER_S)
                if often
                else self.address.answer_s
            )
            held[often] = self._own(answer_s)
        return held[often]

    def _own(self, answer_s: float) -> MysqlConnection:
        """One that its caller holds."""
        connection = MysqlConnection(lambda: self._connect_to_work(answer_s))
        with self._all_lock:
            self._all.add(connection)
        return connection

    def _connect_to_work(self, answer_s: float) -> tuple[Any, int]:
        """A connection and the longest packet it takes. Raises: Busy; at once where the server was away just now."""
        if time.monotonic() < self._rests_until:
            raise busy()
        with self._opening():
            raw = self._connect(answer_s, autocommit=False)
            with raw.cursor() as cursor:
                cursor.execute("SELECT @@max_allowed_packet")
                (packet_bytes,) = cursor.fetchone()
        self._rests_until = 0.0
        return raw, packet_bytes

    @contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            yield
        except (pymysql.err.Error, OSError, RuntimeError) as error:  # RuntimeError: `cryptography` is needed, it says
            self._rests_until = time.monotonic() + REST_S
            log.error("no connection to %r: %s. %s", self.address, error, advice(error, self.address))
            raise busy() from error

    def _connect_for_migrations(self) -> Any:
        return self._connect(MIGRATION_ANSWER_S, autocommit=True)

    def _bare(self, answer_s: float, *, autocommit: bool) -> Any:
        options = {
            **self.address.driver_options,
            "database": self.address.name,
            "autocommit": autocommit,
            "connect_timeout": self.address.answer_s,
            "read_timeout": answer_s,
            "write_timeout": answer_s,
            # An UPDATE counts the rows that it met, changed or not, as SQLite's does. Connections with transactions may
            # send several statements in a packet: texts of ours with values that were quoted, nothing else.
            "client_flag": CLIENT.FOUND_ROWS | (0 if autocommit else CLIENT.MULTI_STATEMENTS),
            "program_name": "imtornado",
            "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",  # for the checks too: it changes what SHOW shows
        }
        try:
            return pymysql.connect(**options)
        except RuntimeError:  # MySQL 8's log-in wants either TLS or the package `cryptography`
            if not options.pop("ssl_disabled", False):
                raise
            return pymysql.connect(**options)

    def _connect(self, answer_s: float, *, autocommit: bool) -> Any:
        raw = self._bare(answer_s, autocommit=autocommit)
        patience_s = MIGRATION_ANSWER_S if autocommit else LOCK_WAIT_S
        waits = (f"{name} = {patience_s:.0f}" for name in ("lock_wait_timeout", "innodb_lock_wait_timeout"))
        raw.query(f"SET NAMES utf8mb4 COLLATE {collation_of(raw.get_server_info())}")
        raw.query(f"SET SESSION {', '.join((*_SETTINGS, *waits))}")
        if "mariadb" in raw.get_server_info().lower() and not autocommit:
            # A process that was stopped in the middle of something keeps its locks no longer than that.
            raw.query(f"SET SESSION idle_transaction_timeout = {max(IDLE_S, answer_s):.0f}")
        return raw
