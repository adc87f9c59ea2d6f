"""Transactions as the storage modules see them: SQL with `?`, rows as tuples, events written at the end.

Transactions   opens a transaction, writes the events that were told in it, hands them on after the commit
Tx             an open transaction
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from time import perf_counter
from types import CodeType
from typing import Any

import msgspec

from imtornado.clock import Clock
from imtornado.records import Event
from imtornado.timings import Timings
from storage.database import Connection, Database, Later, TryAgain
from storage.message_ids import BLOCK, MessageIds

log = logging.getLogger(__name__)

Row = tuple[Any, ...]
# SQLite allows 32,766 parameters, MySQL 65,535; short lists also keep the number of different statements small.
LIST_LIMIT = 512


@cache
def _filled(sql: str, places: int) -> str:
    return sql.format(",".join("?" * places))


def rows_of(parts: Iterable[Later]) -> Iterator[Row]:
    """For `Tx.among_later`."""
    for part in parts:
        yield from part.fetchall()


class Tx:
    """An open transaction; used by one thread, gone with its `with` block."""

    __slots__ = ("_ids", "database", "execute", "executemany", "later", "later_many", "now_ms", "told")

    def __init__(self, connection: Connection, database: Database, now_ms: int, ids: MessageIds) -> None:
        self._ids = ids
        self.database = database
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.later = connection.later
        self.later_many = connection.later_many
        self.now_ms = now_ms
        self.told: list[tuple[int, int, str, str]] = []  # (user_id, community_id, kind, data)

    def one(self, sql: str, *parameters: object) -> Row | None:
        """The first row."""
        row: Row | None = self.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, *parameters: object) -> list[Row]:
        return self.execute(sql, parameters).fetchall()

    def number(self, sql: str, *parameters: object) -> int:
        """The only column of the only row, 0 for NULL and for no row."""
        row = self.execute(sql, parameters).fetchone()
        return (row[0] if row else 0) or 0

    def change(self, sql: str, *parameters: object) -> int:
        """Number of rows that an UPDATE or DELETE met."""
        return self.execute(sql, parameters).rowcount

    def insert(self, sql: str, *parameters: object) -> int:
        """The id that the row got. Raises: `database.duplicate`."""
        return self.execute(sql, parameters).lastrowid or 0

    def among(self, sql: str, values: Iterable[object], *parameters: object) -> Iterator[Row]:
        """Rows of `sql`, whose `IN ({})` comes before its other parameters, for any number of values."""
        return rows_of(self.among_later(sql, values, *parameters))

    def among_later(self, sql: str, values: Iterable[object], *parameters: object) -> list[Later]:
        """As `among`, for `rows_of`."""
        wanted = list(values)
        parts = []
        for start in range(0, len(wanted), LIST_LIMIT):
            part = wanted[start : start + LIST_LIMIT]
            places = 1 << (len(part) - 1).bit_length()  # few different statements, so that each is prepared once
            part += part[-1:] * (places - len(part))
            parts.append(self.later(_filled(sql, places), (*part, *parameters)))
        return parts

    def next_ids(self, name: str, count: int = 1) -> int:
        """First of `count` numbers of a counter that are never given twice, also after rows were deleted."""
        if not self.change("UPDATE counter SET value = value + ? WHERE name = ?", count, name):
            self.execute("INSERT INTO counter (name, value) VALUES (?, ?)", (name, count))
        return self.number("SELECT value FROM counter WHERE name = ?", name) - count + 1

    def message_id(self) -> int:
        """For a line of ours."""
        return self._ids.take() or self.next_ids("message")

    def touch(self) -> None:
        """Writes something, so that the commit says of all that was seen here that it is synced too."""
        self.next_ids("message")

    def tell(self, user_id: int, kind: str, *, community_id: int = 0, **fields: object) -> None:
        """An event of this transaction; `fields` are its data, with wire names."""
        self.told.append((user_id, community_id, kind, msgspec.json.encode(fields).decode()))

    def write_events(self) -> list[Event]:
        """Stores what was told. Last in the transaction: their ids come from a row that every writer needs.

        It stays locked until the commit, so ids become visible in their order: who sees one has seen all before it.
        """
        if not self.told:
            return []
        first = self.next_ids("event", len(self.told))
        events = [
            Event(first + place, user_id, community_id, kind, data, self.now_ms)
            for place, (user_id, community_id, kind, data) in enumerate(self.told)
        ]
        self.executemany(
            "INSERT INTO event (id, user_id, community_id, kind, data, created_at_ms) VALUES (?, ?, ?, ?, ?, ?)",
            [(e.event_id, e.user_id, e.community_id, e.kind, e.data, e.created_at_ms) for e in events],
        )
        return events


class Transactions:
    """Where every storage module gets its transactions from. Any worker thread.

    Each is timed under the name of the method that opens it, "conversations.history", never with its parameters.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.timings = Timings()
        self._listener: Callable[[Sequence[Event]], None] | None = None
        self._ids = MessageIds()
        self._writing: dict[object, int] = {}  # {a token of each open transaction: its now_ms}
        self._writing_lock = threading.Lock()

    def on_events(self, callback: Callable[[Sequence[Event]], None]) -> None:
        """`callback` gets the events of each later `write`, on the committing thread."""
        self._listener = callback

    def settled_ms(self) -> int:
        """Every change that a transaction of this process makes at an earlier time can be seen by a read from now on.

        What somebody was given by then is complete up to here: the time to ask from next.
        """
        with self._writing_lock:
            return min(self._writing.values(), default=self.clock.now_ms())

    def read(self) -> AbstractContextManager[Tx]:
        """A snapshot. Raises: Busy."""
        # The caller's frame, as a logger does it: no name has to be written down twice, and none can be wrong.
        return self._timed(_name_of(sys._getframe(1).f_code), self.database.reading())

    def write(self) -> AbstractContextManager[Tx]:
        """Commits at the end of the block, undoes all of it on any exception. Raises: Busy, Conflict."""
        return self._write(_name_of(sys._getframe(1).f_code))

    def batch(self) -> AbstractContextManager[Tx]:
        """As `write`, for the writer, who stores and hands on the events himself."""
        return self._timed("batch", self._writing_now(often=True))

    def wait_for_sync(self, answer_s: float) -> None:
        """Returns when everything that can be seen now is on the disk. Raises: Busy, without an answer for so long.

        MySQL shows what was committed before it has synced it; the answer to a later commit says that both are.
        """
        with self._timed("sync", self._writing_now(often=False, answer_s=answer_s)) as tx:
            tx.touch()

    @contextmanager
    def _write(self, name: str) -> Iterator[Tx]:
        with self._timed(name, self._writing_now(often=False)) as tx:
            yield tx
            events = tx.write_events()
        if events and self._listener is not None:
            try:
                self._listener(events)
            except Exception:
                log.exception("the listener of events failed; they are stored and will be read later")

    @contextmanager
    def _writing_now(self, *, often: bool, answer_s: float = 0.0) -> Iterator[Connection]:
        """A transaction for writing, known to `settled_ms` until its end."""
        if self._ids.are_few:
            with self.database.writing(often=often) as connection:
                first = Tx(connection, self.database, 0, self._ids).next_ids("message", BLOCK)
            self._ids.refill(first)  # not before the commit: what is undone is given to somebody else
        token = object()
        try:
            with self.database.writing(often=often, answer_s=answer_s) as connection:
                with self._writing_lock:
                    self._writing[token] = self.clock.now_ms()
                yield connection
        finally:
            with self._writing_lock:
                self._writing.pop(token, None)

    @contextmanager
    def _timed(self, name: str, opened: AbstractContextManager[Connection]) -> Iterator[Tx]:
        asked = began = perf_counter()
        try:
            with opened as connection:
                began = perf_counter()
                yield Tx(connection, self.database, self.clock.now_ms(), self._ids)
        except TryAgain:
            name = f"{name}, done again"  # others were in its way: it is counted apart from what came through
            raise
        finally:
            self.timings.add(name, perf_counter() - asked, began - asked)


@cache
def _name_of(code: CodeType) -> str:
    """ "conversations.history" of `SqlConversations.history`."""
    noun, _, method = code.co_qualname.rpartition(".")
    return f"{noun.removeprefix('Sql').lower()}.{method.lstrip('_')}"
