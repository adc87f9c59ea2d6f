"""What the rest of the storage needs of a dialect; one module provides it for each (`sqlite.py`, `mysql.py`)."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, Protocol

import peewee

from imtornado.errors import Busy, Conflict


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    @property
    def lastrowid(self) -> int | None: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Later(Protocol):
    """What a statement did that may not have been sent yet. Asking sends it with all that wait, in their order.

    Raises, also for those others: what a statement raises.
    """

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """`later` and `later_many` are `execute` and `executemany` with time: they go with the next statement.

    A batch of messages is a handful of statements, most of which nobody waits for: on MySQL each way to the server and
    back is 0.1 ms, and another wait for the interpreter's lock. They are sent before the commit at the latest.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Cursor:
        """The statement with each row, as if one came after the other; `rowcount` is the sum.

        Cheap on MySQL, because the rows travel together, for an INSERT of one row, and for an UPDATE by a primary key
        of whole numbers whose rows all have other keys.
        """

    def later(self, sql: str, parameters: Sequence[Any] = ..., /) -> Later: ...

    def later_many(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Later: ...


class TryAgain(Busy):
    """The database undid the transaction, because others were in its way: nothing of it was done."""


class Duplicate(Conflict):
    """A unique index refused a row, and the code was not prepared for it."""


class CommitUnknown(Busy):
    """The connection was lost while it waited for the answer to COMMIT."""


class UnfitDatabase(Exception):
    """It must not be used as it is; each line of the text says why, and what to do."""


class Use(IntEnum):
    """What a database is opened for; who may do one of them may do those before it."""

    READ = 0
    WORK = 1  # all that a server does
    MIGRATE = 2  # make and change tables too


class Database(Protocol):
    """One dialect.

    `for_update` ends a SELECT that locks its rows, `for_share` one that only keeps others from changing them,
    `for_update_free` one that leaves out what others have locked and never waits; all are "" where a writer is alone.
    `insert_new` begins an INSERT that leaves out rows that exist.
    """

    many_writers: bool  # at once, and what they commit is seen before it is synced; otherwise whoever writes is alone
    for_update: str
    for_share: str
    for_update_free: str
    insert_new: str
    half_migrated: str  # what a migration that failed leaves, in a sentence
    duplicate: type[Exception]  # raised by a statement that a unique index refuses; the transaction goes on
    failure: type[Exception]  # base of everything that the driver raises
    orm: peewee.Database

    def reading(self) -> AbstractContextManager[Connection]:
        """One snapshot for all reads inside. Raises: Busy."""

    def writing(self, *, often: bool = False, answer_s: float = 0.0) -> AbstractContextManager[Connection]:
        """Commits at the end, rolls back on any exception.

        Raises: Busy, CommitUnknown, Duplicate where nobody caught it.

        `often`: on the thread that commits messages. `answer_s`: each answer of a server may take so long, 0 for the
        usual time.
        """

    def check_server(self, use: Use) -> None:
        """At the start, before anything else. Raises: UnfitDatabase, Busy."""

    def migrating(self) -> AbstractContextManager[None]:
        """Held by one process at a time. Raises: Busy."""

    def collate(self) -> None:
        """New tables compare texts byte for byte. While migrating."""

    def checkpoint(self) -> None:
        """Old versions of changed rows leave the journal. Raises: Busy."""

    def close(self) -> None:
        """Closes the connections of all threads."""
