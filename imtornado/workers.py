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

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """`threads` threads and at most `queue` waiting calls. Called from the IOLoop only."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads + queue
        self.waiting = 0  # calls handed in and not finished, for the metrics

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, from a thread of the pool. Raises: Busy when too many calls wait.

        A caller that is cancelled leaves the call running: its place is free when the call ends.
        """
        if self.waiting >= self._limit:
            raise Busy("The server is busy. Try again in a moment.", retry_after_ms=1000)
        self.waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))
        future.add_done_callback(self._finished)
        return await asyncio.shield(future)

    def _finished(self, future: "asyncio.Future[T]") -> None:
        self.waiting -= 1
        if not future.cancelled():
            future.exception()  # taken here too, so that an abandoned call's failure is not logged as unseen

    def close(self) -> None:
        """Waits for running calls and ends the threads."""
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

    def close(self) -> None:
        self.pictures.close()
        self.files.close()
        self.passwords.close()
        self.database.close()
