"""The only door to threads: bounded pools, one for each kind of blocking work.

Separate pools, so that a storm of log-ins cannot starve SQL. A pool whose queue is full refuses at once
instead of growing: the caller is told when to come back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from imtornado.errors import Busy
from imtornado.processes import ProcessPool

CALM_LOOKS = 3
LOOK_EVERY_S = 0.01

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """`threads` threads and at most `queue` waiting calls. Called from the IOLoop only."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads + queue
        self._closed = False
        self.waiting = 0  # calls handed in and not finished, for the metrics

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, from a thread of the pool. Raises: Busy when too many wait, or at the end.

        A caller that is cancelled leaves the call running: its place is free when the call ends.
        """
        if self.waiting >= self._limit or self._closed:
            raise _busy()
        self.waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))
        future.add_done_callback(self._finished)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled():  # not the caller: the pool was closed while the call waited for its thread
                raise _busy() from None
            raise

    def _finished(self, future: "asyncio.Future[T]") -> None:
        self.waiting -= 1
        if not future.cancelled():
            future.exception()  # taken here too, so that an abandoned call's failure is not logged as unseen

    def close(self) -> None:
        """Waits for running calls and ends the threads; calls that wait are told Busy. Any thread."""
        self._closed = True
        self._executor.shutdown(wait=True, cancel_futures=True)


class Workers:
    """The pools of a process. `files` reads and writes uploads, `pictures` (processes) decodes and encodes them."""

    def __init__(
        self,
        *,
        database_threads: int,
        database_queue: int,
        password_threads: int,
        password_queue: int,
        picture_processes: int = 1,
    ) -> None:
        self.database = Pool("database", database_threads, database_queue)
        self.passwords = Pool("passwords", password_threads, password_queue)
        self.files = Pool("files", 4, 1024)
        self.pictures = ProcessPool("pictures", picture_processes, 32)

    async def rest(self, within_s: float) -> None:
        """Returns when no call is under way, also none in the next turns, or after `within_s`.

        A call comes in several hops (look up, hash, write): between two of them no pool holds it.
        """
        loop = asyncio.get_running_loop()
        until, calm = loop.time() + within_s, 0
        while calm < CALM_LOOKS and loop.time() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            waiting = sum(pool.waiting for pool in (self.database, self.passwords, self.files, self.pictures))
            calm = 0 if waiting else calm + 1

    def close(self) -> None:
        """Blocks until running calls have ended. Any thread."""
        self.pictures.close()
        self.files.close()
        self.passwords.close()
        self.database.close()


def _busy() -> Busy:
    return Busy("The server is busy. Try again in a moment.", retry_after_ms=1000)
