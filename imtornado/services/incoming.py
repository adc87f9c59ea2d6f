"""Files on their way in: temporary files of this process, removed with it. Worker threads only."""

import fcntl
import hashlib
import os
import secrets
import shutil
from pathlib import Path


class IncomingFile:
    """A file that is still arriving; its SHA-256 runs along. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._file = path.open("xb", buffering=0)

    @property
    def sha256(self) -> str:
        """Of what has been written so far, in hex."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Raises: OSError when the disk is full."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._digest.update(data)
        self.size_bytes += len(data)

    def close(self) -> None:
        """No more is coming. Idempotent."""
        self._file.close()

    def discard(self) -> None:
        """Closes and removes it. Idempotent."""
        self.close()
        self.path.unlink(missing_ok=True)


class IncomingFolder:
    """Temporary files of this process, in a sub-folder of its own that a lock marks as in use.

    Several processes may share the root. A killed one leaves its sub-folder behind, unlocked: the next to
    start removes it.
    """

    def __init__(self, root: Path) -> None:
        self._parent = root / ".incoming"
        self._parent.mkdir(parents=True, exist_ok=True)
        starting = _locked(self._parent, wait=True)  # else another that starts could take our folder before we lock it
        self._remove_left_behind()
        self._folder = self._parent / secrets.token_hex(8)
        self._folder.mkdir()
        self._lock = _locked(self._folder)
        _unlock(starting)

    def new_path(self) -> Path:
        """A path that nobody else has, where nothing is yet."""
        return self._folder / secrets.token_hex(16)

    def close(self) -> None:
        """Removes everything in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        _unlock(self._lock)
        self._lock = None

    def _remove_left_behind(self) -> None:
        for folder in self._parent.iterdir():
            try:
                lock = _locked(folder)
            except FileNotFoundError:
                continue  # another process was faster
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                _unlock(lock)


def _locked(folder: Path, *, wait: bool = False) -> int | None:
    """A descriptor that holds the folder's lock until it is closed or its process dies; None while another holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
