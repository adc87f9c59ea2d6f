"""Where uploaded files live: an interface of a few methods, and a folder behind it. Worker threads only.

What is put under a name never changes; names are random (`uploads.new_name`), so nothing here needs a lock.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Finished files by name."""

    def put(self, name: str, source: Path) -> None:
        """Moves a local file of the incoming folder here; durable when it returns."""

    def read(self, name: str, start: int, length: int) -> bytes:
        """The bytes from `start`, fewer at the end of the file. Raises: FileNotFoundError."""

    def size_bytes(self, name: str) -> int | None:
        """None where there is no such file."""

    def remove(self, name: str) -> None:
        """Quiet where there is none."""

    def older_names(self, before_ms: int) -> Iterator[str]:
        """Names of the files put before then."""


class Folder:
    """Files in `root`, spread over 256 sub-folders by the first two letters of their names."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, source: Path) -> None:
        """`source` must lie on the same file system."""
        target = self._path(name)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _sync(self._root)
        _sync(source)
        source.replace(target)
        _sync(target.parent)

    def read(self, name: str, start: int, length: int) -> bytes:
        with self._path(name).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(length)

    def size_bytes(self, name: str) -> int | None:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def older_names(self, before_ms: int) -> Iterator[str]:
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # removed while we look
                        if entry.is_file() and entry.stat().st_mtime_ns // 1_000_000 < before_ms:
                            yield entry.name

    def _path(self, name: str) -> Path:
        if not name.isascii() or not name.isalnum():
            raise FileNotFoundError(name)
        return self._root / name[:2] / name


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


def _sync(path: Path) -> None:
    """Puts a file's bytes, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
