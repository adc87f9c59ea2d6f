"""One connection to the server, held by one thread: transactions on it, and a new one in its place when it is lost."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymysql
import pymysql.cursors

from storage.mysql_errors import is_lost, timed_out
from storage.mysql_packets import Later, Statement, packets
from storage.mysql_sql import filled, insert_of, inserts, update_of, updates

log = logging.getLogger(__name__)

READ_COMMITTED = "READ COMMITTED"
REPEATABLE_READ = "REPEATABLE READ"
PACKET_BYTES = 1_000_000  # of one INSERT, where the server takes that much
PACKET_HEAD_BYTES = 1024


class _Rows(pymysql.cursors.Cursor):  # type: ignore[misc]  # the driver has no types
    """All rows as a list, as every `transactions.Cursor` gives them."""

    def fetchall(self) -> list[Any]:
        return list(super().fetchall())


class MysqlConnection:
    """`connect` opens one without autocommit that takes many statements at once, and says how long a packet may be.

    Without autocommit a transaction begins with its first statement.

    What may come `later` goes with the next statement in one packet. The server does one after the other, and none
    after one that fails.

    A first statement that finds the connection lost, because the server was started anew or closed what nobody used,
    is sent again over a new one: nothing was done before it. Anything lost later ends the transaction.
    """

    def __init__(self, connect: Callable[[], tuple[Any, int]]) -> None:
        self._connect = connect
        self._raw: Any = None
        self._isolation = ""
        self._wanted = ""
        self._is_begun = False  # a statement of this transaction was sent
        self._is_proved = False  # this connection has answered before
        self._opened_at = 0.0
        self._lost: tuple[int, float] | None = None  # its number at the server, and when it was opened
        self._waiting: list[Statement] = []
        self.packet_bytes = PACKET_BYTES

    def begin(self, isolation: str) -> None:
        """The next statement begins a transaction. Raises: what `connect` raises."""
        self._wanted = isolation
        self._is_begun = False
        self._waiting = []
        if self._raw is None:
            self._open()

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> _Rows:
        return self._send(filled(sql, parameters))

    def later(self, sql: str, parameters: Sequence[Any] = (), /) -> Later:
        return self._wait([filled(sql, parameters)])

    def later_many(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Later:
        return self._wait(list(self._statements(sql, rows)))

    def _wait(self, statements: Sequence[str | bytes]) -> Later:
        later = Later(self.send, len(statements))
        self._waiting += [(statement, later) for statement in statements]
        return later

    def send(self) -> None:
        """Sends what waits."""
        waiting, self._waiting = self._waiting, []
        for packet in packets(waiting, self.packet_bytes):
            self._exchange(packet)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> _Rows:
        """Rows of an INSERT, and numbers of an UPDATE by key, travel many in a statement."""
        count = 0
        cursor = _Rows(self._raw)
        for statement in self._statements(sql, rows):
            cursor = self._send(statement)
            count += cursor.rowcount
        cursor.rowcount = count
        return cursor

    def _statements(self, sql: str, rows: Iterable[Sequence[Any]]) -> Iterable[str | bytes]:
        insert = insert_of(sql)
        if insert is not None:
            return inserts(insert, rows, self.packet_bytes)
        update, rows = update_of(sql), list(rows)
        if update is not None and (statements := updates(update, rows, self.packet_bytes)) is not None:
            return statements
        return (filled(sql, row) for row in rows)

    def commit(self) -> None:
        """Raises: pymysql.MySQLError; a lost connection leaves it unknown whether this was committed."""
        self.send()
        if not self._is_begun:
            return
        try:
            self._live().commit()
        except BaseException:
            self.discard()
            raise

    def roll_back(self) -> None:
        """Ends the transaction; a connection that cannot do even that is given up."""
        self._waiting = []
        if not self._is_begun or self._raw is None:
            return
        try:
            self._raw.rollback()
        except (pymysql.MySQLError, OSError) as error:
            log.info("roll-back failed, the connection is closed: %s", error)
            self.discard()

    def discard(self) -> None:
        """Closes it; the server undoes what was not committed. `begin` opens another one."""
        raw, self._raw = self._raw, None
        if raw is not None:
            self._lost = (raw.thread_id(), self._opened_at)
            with contextlib.suppress(pymysql.MySQLError, OSError):
                raw.close()

    def _open(self) -> None:
        opened_at = time.monotonic()
        self._raw, packet_bytes = self._connect()
        self._opened_at = opened_at
        self.packet_bytes = min(PACKET_BYTES, packet_bytes - PACKET_HEAD_BYTES)
        self._isolation = ""
        self._is_proved = False
        if self._lost is not None:
            self._end(*self._lost)
            self._lost = None

    def _end(self, number: int, opened_at: float) -> None:
        """Ends the lost connection at the server, which may not have noticed and keep what it had locked for hours."""
        with contextlib.suppress(pymysql.MySQLError):  # most often it has ended
            cursor = self._raw.cursor()
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Uptime'")
            # A server that was started since then has given the number to somebody else, perhaps to this connection.
            # It counts whole seconds: one that was started a moment before or after is taken for the same, because
            # another one of ours would be opened anew, and locks that are kept would stop everybody.
            is_same = int(cursor.fetchone()[1]) + 1 > time.monotonic() - opened_at
            if is_same and number != self._raw.thread_id():
                cursor.execute(f"KILL {number}")

    def _send(self, statement: str | bytes) -> _Rows:
        self._waiting.append((statement, None))
        waiting, self._waiting = self._waiting, []
        *before, last = packets(waiting, self.packet_bytes)
        for packet in before:
            self._exchange(packet)
        return self._exchange(last)

    def _exchange(self, packet: Sequence[Statement]) -> _Rows:
        """The cursor of the last statement."""
        is_first, self._is_begun = not self._is_begun, True
        try:
            cursor = self._ask(packet)
        except (pymysql.MySQLError, OSError) as error:
            if not is_lost(error):
                raise
            self.discard()
            if not (is_first and self._is_proved) or timed_out(error):
                raise
            log.info("the connection was lost, a new one is opened: %s", error)
            self._open()
            cursor = self._ask(packet)
        self._is_proved = True
        return cursor

    def _ask(self, packet: Sequence[Statement]) -> _Rows:
        raw = self._live()
        if self._isolation != self._wanted:
            raw.query(f"SET SESSION TRANSACTION ISOLATION LEVEL {self._wanted}")
            self._isolation = self._wanted
        cursor = _Rows(raw)
        if len(packet) == 1:
            cursor.execute(packet[0][0])
        else:
            cursor.execute(b";".join([s if isinstance(s, bytes) else s.encode() for s, _ in packet]))
        # Nothing is told before all is known: over a new connection all of it would be done again.
        answers: list[tuple[Later, int, list[Any]]] = []
        for place, (_, later) in enumerate(packet):
            if place:
                cursor.nextset()
            if later is not None:
                answers.append((later, cursor.rowcount, cursor.fetchall()))
        for later, count, rows in answers:
            later.answered(count, rows)
        return cursor

    def _live(self) -> Any:
        """Raises: pymysql.err.InterfaceError in a transaction that was lost: it must not go on with another one."""
        if self._raw is None:
            raise pymysql.err.InterfaceError(0, "the connection was lost earlier in this transaction")
        return self._raw
