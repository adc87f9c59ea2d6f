"""Work on a database that is killed (SIGKILL) at its n-th statement, as often as a test wants.

A helper process imports what is needed once and forks for each death: a fork costs milliseconds, and the process of
the tests, which has threads, need not be forked. `before` n: the statement is not sent. MySQL has deaths after the
sending too: the server carries the statement out, and nobody reads what came of it.
"""

import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql.connections

from storage import sqlite

ROOT = Path(__file__).resolve().parents[2]
KILLED, DONE = "killed", "done"


class Dying:
    """`work` is "module:function"; it is called with texts in a process that may die."""

    def __init__(self, work: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, work],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, kill_at: int, *arguments: str) -> bool:
        """Whether it was killed, at the statement of that number (from 1; 0: none); nothing else may end it early."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join((str(kill_at), *arguments)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().rstrip("\n")
        assert answer in (KILLED, DONE), f"it ended in another way at {kill_at}: {answer!r}"
        return answer == KILLED

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@contextmanager
def dying(work: str) -> Iterator[Dying]:
    process = Dying(work)
    try:
        yield process
    finally:
        process.close()


def _main() -> None:
    module, _, name = sys.argv[1].partition(":")
    work: Callable[..., object] = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        kill_at, *arguments = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            _live(int(kill_at), work, arguments)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        sys.stdout.write(f"{KILLED if killed else DONE if status == 0 else f'status {status}'}\n")
        sys.stdout.flush()


def _live(kill_at: int, work: Callable[..., object], arguments: list[str]) -> None:
    status = 1
    try:
        if kill_at:
            _arm(kill_at)
        work(*arguments)
        status = 0
    finally:
        os._exit(status)  # not the fork's to end what the helper has open


def _arm(kill_at: int) -> None:
    left = kill_at
    worker = threading.current_thread()

    def moment(*_: object) -> None:
        nonlocal left
        if threading.current_thread() is not worker:  # what SQLite's checkpoints do is no work of ours
            return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    connect = sqlite._Orm._connect

    def connect_traced(orm: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(orm)
        connection.set_trace_callback(moment)
        return connection

    send = pymysql.connections.Connection._execute_command

    def send_and_die(connection: Any, command: int, sql: Any) -> None:
        moment()
        send(connection, command, sql)
        moment()

    sqlite._Orm._connect = connect_traced  # type: ignore[method-assign,assignment]
    pymysql.connections.Connection._execute_command = send_and_die


if __name__ == "__main__":
    _main()
