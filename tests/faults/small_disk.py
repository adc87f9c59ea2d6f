"""Disks that are full, and have room again: a limit on the size of the server's files, and a small file system."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.fixtures.services import everything_is_required

ROOM_BYTES = 64 * 1024  # what may still be written when the disk is nearly full
DISK_BYTES = 16 * 1024 * 1024


class Disk(Protocol):
    def fill(self) -> None:
        """Nearly no room from now on."""

    def empty(self) -> None:
        """Room again."""


class FileLimit:
    """No file of the process may grow: what a quota does. Needs no rights; the error is EFBIG, not ENOSPC."""

    def __init__(self, pid: int, database: Path) -> None:
        self._pid = pid
        self._log = database.with_name(f"{database.name}-wal")
        self._before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        size = self._log.stat().st_size + ROOM_BYTES
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (size, self._before[1]))

    def empty(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)


class Mounted:
    """A tmpfs, filled to the brim with one file: ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        state = os.statvfs(self.folder)
        with contextlib.suppress(OSError):  # somebody else was quicker: it is full too
            self._ballast.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - ROOM_BYTES)))

    def empty(self) -> None:
        self._ballast.unlink()


@contextmanager
def mounted(folder: Path, size_bytes: int = DISK_BYTES) -> Iterator[Mounted]:
    """A small file system on the folder; without it the test is skipped, or fails where everything is required."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        missing = "no file system may be mounted here"
        if everything_is_required():
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    try:
        yield Mounted(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
