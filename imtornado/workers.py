"""The only door to threads: bounded pools, one for each kind of blocking work.

Separate pools, so that a storm of log-ins cannot starve SQL. A pool whose queue is full refuses at once
instead of growing: the caller is told when to come back.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, perf_counter
from typing import ParamSpec, TypeVar

from imtornado.errors import Busy
from imtornado.processes import ProcessPool
from imtornado.timings import Timings

WAIT_MS = 10_000
RETRY_AFTER_MS = 1000
CALM_LOOKS = 3
LOOK_EVERY_S = 0.01
FILE_THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """`threads` threads and at most `queue` waiting calls, none for longer than `wait_ms`. Called from the IOLoop only.

    `waits` and `work` are told, under the name, how long calls waited for their thread and how long they took it.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        queue: int,
        *,
        wait_ms: int = WAIT_MS,
        waits: Timings | None = None,
        work: Timings | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._name = name
        self._threads = threads
        self._limit = threads + queue
        self.wait_s = wait_ms / 1000
        self._closed = False
        self.waiting = 0  # calls handed in and not finished
        self.refused = 0
        self._waits = waits or Timings()
        self._work = work or Timings()

    @property
    def busy(self) -> int:
        """Threads that work."""
        return min(self.waiting, self._threads)

    @property
    def queued(self) -> int:
        """Calls that wait for a thread."""
        return self.waiting - self.busy

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, from a thread of the pool. Raises: Busy when too many wait, or at the end.

        A caller that is cancelled leaves the call running: its place is free when the call ends.
        """
        return await self.call_until(math.inf, function, *args, **kwargs)

    async def call_until(self, due_at: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, and Busy once the monotonic clock says `due_at`: what no thread has taken by then is not made.

        What a thread is at goes on, and nobody hears of it.
        """
        if self.waiting >= self._limit or self._closed:
            self.refused += 1
            raise _busy()
        self.waiting += 1
        handed_in = perf_counter()
        future = asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: self._run(handed_in, due_at, lambda: function(*args, **kwargs))
        )
        future.add_done_callback(self._finished)
        try:
            if due_at < math.inf:
                await asyncio.wait((future,), timeout=max(0.0, due_at - monotonic()))
                if not future.done():
                    raise _WaitedTooLong
            return await asyncio.shield(future)
        except _WaitedTooLong:
            self.refused += 1
            raise _busy() from None
        except asyncio.CancelledError:
            if future.cancelled():  # not the caller: the pool was closed while the call waited for its thread
                raise _busy() from None
            raise
        finally:
            del future  # it holds what it raised, whose traceback holds this frame: a circle for the collector

    def _run(self, handed_in: float, due_at: float, call: Callable[[], T]) -> T:
        """On a thread. What waited for too long is not made: its caller will ask again, or has gone."""
        began = perf_counter()
        self._waits.add(self._name, began - handed_in)
        if began - handed_in > self.wait_s or monotonic() > due_at:
            raise _WaitedTooLong
        try:
            return call()
        finally:
            self._work.add(self._name, perf_counter() - began)

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
        database_wait_ms: int = WAIT_MS,
        password_threads: int,
        password_queue: int,
        picture_processes: int = 1,
    ) -> None:
        self.waits = Timings()
        self.work = Timings()
        waits, work = self.waits, self.work
        self.database = Pool(
            "database", database_threads, database_queue, wait_ms=database_wait_ms, waits=waits, work=work
        )
        self.passwords = Pool("passwords", password_threads, password_queue, waits=waits, work=work)
        self.files = Pool("files", FILE_THREADS, 1024, waits=waits, work=work)
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


class _WaitedTooLong(Exception):
    """No thread had taken the call in time, or was done with it."""


def _busy() -> Busy:
    return Busy("The server is busy. Try again in a moment.", retry_after_ms=RETRY_AFTER_MS)
