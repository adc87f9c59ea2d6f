"""Moving what was committed from SQLite's write-ahead log into its database file, on a thread of its own.

Left to SQLite, the commit that makes the log too long does it: every few seconds one batch of messages waits for
thousands of page writes and two fsyncs. Here the thread does nearly all of it while others write on, and only the last
pages, after which the log starts from its beginning, while nobody writes.
"""

import ctypes
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from imtornado.errors import Busy

log = logging.getLogger(__name__)

EVERY_S = 1.0
PIECE_BYTES = 4 << 20
WAIT_WRITE_WAIT = 7  # sync_file_range(2): its three flags
LONG_FRAMES = 16_000  # pages in the log, 64 MB: from here on it shall start anew
ROUNDS = 3


class Checkpointer:
    """`connect` gives the connection of the calling thread, `turn` the only writer of this process."""

    def __init__(
        self,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._path = path
        self._descriptor = -1
        self._connect = connect
        self._turn = turn
        self._written = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.alone = threading.Lock()  # one checkpoint at a time: a second one would be refused

    def written(self) -> None:
        """Something was committed. By whoever has the turn to write."""
        if not self._written.is_set():
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()
            self._written.set()

    def stop(self) -> None:
        """Ends the thread; closing the last connection does what is left."""
        self._stopped.set()
        self._written.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        failing = False
        while not self._stopped.wait(EVERY_S):
            self._written.wait()
            self._written.clear()
            if self._stopped.is_set():
                return
            try:
                self._checkpoint()
                failing = False
            except (sqlite3.Error, OSError, Busy) as error:
                if not failing:
                    log.warning("the write-ahead log cannot be emptied, it grows until it can: %s", error)
                failing = True

    def _checkpoint(self) -> None:
        connection = self._connect()
        with self.alone:
            if self._pass(connection) < LONG_FRAMES:
                return
            for _ in range(ROUNDS):  # each leaves only what came during it: the less, the shorter the others wait
                self._write_out()
                self._pass(connection)
            with self._turn():
                self._pass(connection)

    def _write_out(self) -> None:
        """Sends the pages that were moved to the disk, a few at a time: a commit that comes meanwhile waits for those.

        SQLite's own fsync in the very last pass, which is what counts, then finds little to do. The file stays open
        until the process ends: to close it would drop the locks that SQLite has on it (POSIX).
        """
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        if sys.platform == "linux":
            write_out = ctypes.CDLL(None).sync_file_range
            write_out.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
            for offset in range(0, os.fstat(self._descriptor).st_size, PIECE_BYTES):
                write_out(self._descriptor, offset, PIECE_BYTES, WAIT_WRITE_WAIT)  # its outcome does not matter
        else:
            os.fsync(self._descriptor)

    def _pass(self, connection: sqlite3.Connection) -> int:
        """Moves what no reader needs; the number of pages in the log, those that were moved before included."""
        frames: int = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
        return frames
