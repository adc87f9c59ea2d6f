"""The only door to worker processes: for work on bytes that may be made to crash or exhaust whoever reads them.

Each process has bounds of memory and time, and serves one call at a time: what kills it harms no other call,
and the next call gets a fresh one. Processes are started at the first call and end with their parent, even
where that is killed: their pipe closes.
"""

import asyncio
import contextlib
import math
import multiprocessing
import os
import queue
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar, cast

import msgspec

from imtornado.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")

NICENESS = 5  # below the server, which has people waiting on their sockets


class ProcessFailed(Exception):
    """The process died or took too long; the work that it was given is to blame."""


class Bounds(msgspec.Struct, frozen=True):
    """What one process may use; `cpu_s` and `wall_s` are for one call."""

    memory_bytes: int = 1 << 30
    cpu_s: int = 20
    wall_s: float = 40.0


class ProcessPool:
    """`processes` processes and at most `queue_limit` waiting calls. Called from the IOLoop only."""

    def __init__(self, name: str, processes: int, queue_limit: int, bounds: Bounds | None = None) -> None:
        self._all = tuple(_Process(name, bounds or Bounds()) for _ in range(processes))
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()  # last in, first out: the warm one again
        for process in self._all:
            self._idle.put(process)
        self._executor = ThreadPoolExecutor(processes, thread_name_prefix=name)
        self._limit = processes + queue_limit
        self.waiting = 0  # calls handed in and not finished, for the metrics

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function`, a module's own, returns or raises in one of the processes.

        A caller that is cancelled leaves the call running. Raises: Busy when too many calls wait, ProcessFailed.
        """
        if self.waiting >= self._limit:
            raise Busy("The server is busy. Try again in a moment.", retry_after_ms=2000)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, self._run, function, args, kwargs)
        self.waiting += 1
        future.add_done_callback(self._finished)
        try:
            return cast(T, await asyncio.shield(future))
        except asyncio.CancelledError:
            if future.cancelled():  # not the caller: the pool was closed while the call waited
                raise ProcessFailed("the pool is closed") from None
            raise

    def close(self) -> None:
        """Ends the processes; running calls raise ProcessFailed."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.close()
        self._executor.shutdown(wait=True)
        for process in self._all:
            process.forget()

    def _run(self, function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        process = self._idle.get_nowait()  # as many threads as processes: there is one
        try:
            return process.run(function, args, kwargs)
        finally:
            self._idle.put(process)

    def _finished(self, future: "asyncio.Future[object]") -> None:
        self.waiting -= 1
        if not future.cancelled():
            future.exception()  # taken here too, so that an abandoned call's failure is not logged as unseen


class _Process:
    """One process, started when it is needed. Used by one thread at a time, but `close` by any."""

    def __init__(self, name: str, bounds: Bounds) -> None:
        self._name = name
        self._bounds = bounds
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._closed = threading.Event()

    def run(self, function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        connection = self._ready()
        try:
            connection.send((function, args, kwargs))
            if not connection.poll(self._bounds.wall_s):
                raise ProcessFailed(f"{function.__name__} took longer than {self._bounds.wall_s} s")
            succeeded, value = connection.recv()
        except (EOFError, OSError) as error:
            self.forget()
            raise ProcessFailed(f"the process died in {function.__name__}") from error
        except ProcessFailed:
            self.forget()
            raise
        if not succeeded:
            raise value
        return cast(object, value)

    def close(self) -> None:
        self._closed.set()
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # its thread has forgotten it meanwhile
                process.kill()

    def forget(self) -> None:
        """Kills the process, if it lives, and takes its place back."""
        process, connection, self._process, self._connection = self._process, self._connection, None, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()

    def _ready(self) -> Connection:
        """The connection of a living process; one that died while it was idle is replaced."""
        if self._process is not None and not self._process.is_alive():
            self.forget()
        if self._closed.is_set():
            raise ProcessFailed("the pool is closed")
        if self._connection is None:
            # Not a fork: the parent has threads, open sockets and a database.
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self._bounds), name=self._name, daemon=True)
            process.start()
            theirs.close()
            self._process, self._connection = process, ours
            if self._closed.is_set():  # closed while it started
                self.forget()
                raise ProcessFailed("the pool is closed")
        return self._connection


def _serve(connection: Connection, bounds: Bounds) -> None:
    """The process: calls in, results out, until the parent's end of the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (bounds.memory_bytes, bounds.memory_bytes))
    while True:
        try:
            function, args, kwargs = connection.recv()
        except (EOFError, OSError):  # a parent that was killed before it read its answer resets the pipe
            return
        cpu_until_s = math.ceil(time.process_time()) + bounds.cpu_s
        highest = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = cpu_until_s if highest == resource.RLIM_INFINITY else min(cpu_until_s, highest)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, highest))
        try:
            answer: tuple[bool, object] = True, function(*args, **kwargs)
        except Exception as error:
            error.add_note(traceback.format_exc())
            error.__cause__ = None  # may hold what no pipe carries; the note tells of it
            answer = False, error
        try:
            connection.send(answer)
        except (OSError, ValueError):
            return
        except Exception as error:  # what pickle raises is open-ended
            connection.send((False, RuntimeError(f"{function.__name__} gave what no pipe carries: {error!r}")))
