"""Where uploaded files live: an interface of a few methods, and a folder behind it. Worker threads only.

What is put under a name never changes; names are random (`file_names.new_name`), so nothing here needs a lock.
`bucket.py` is the same on S3-compatible storage, `blob_places.py` picks one.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class BlobType(NamedTuple):
    """How the storage has to serve a file where it serves it itself."""

    mime: str
    disposition: str


class Blobs(Protocol):
    """Finished files by name. Every method raises Busy where the storage does not answer."""

    def put(self, name: str, source: Path, kind: BlobType) -> None:
        """Moves a local file of the incoming folder here; durable, and whole, when it returns."""

    def read(self, name: str, start: int, length: int) -> bytes:
        """The bytes from `start`, fewer at the end of the file. Raises: FileNotFoundError."""

    def size_bytes(self, name: str) -> int | None:
        """None where there is no such file."""

    def remove(self, name: str) -> None:
        """Quiet where there is none."""

    def older_names(self, before_ms: int) -> Iterator[str]:
        """Names of the files put before then."""

    def address(self, name: str, valid_s: int) -> str | None:
        """Where anybody can fetch the file for so long; None where only we can read it."""

    def path_below_root(self, name: str) -> str | None:
        """Where a web server on this machine finds the file; None where it is not in a folder."""


class Folder:
    """Files in `root`, spread over 256 sub-folders by the first two letters of their names.

    Files that lie in `root` itself, as in a folder that was filled by hand or by another program, are found too.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, source: Path, kind: BlobType) -> None:
        """`source` must lie on the same file system."""
        target = self._new_path(name)
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
        for folder in (self._root, *sorted(self._root.glob("[0-9a-f][0-9a-f]"))):
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # removed while we look
                        is_file = may_be_ours(entry.name) and entry.is_file()
                        if is_file and entry.stat().st_mtime_ns // 1_000_000 < before_ms:
                            yield entry.name

    def address(self, name: str, valid_s: int) -> str | None:
        return None

    def path_below_root(self, name: str) -> str | None:
        return self._path(name).relative_to(self._root).as_posix()

    def _path(self, name: str) -> Path:
        """Where the file lies, or would."""
        spread = self._new_path(name)
        flat = self._root / name
        return flat if not spread.exists() and flat.is_file() else spread

    def _new_path(self, name: str) -> Path:
        if not is_path_safe(name):
            raise FileNotFoundError(name)
        return self._root / name[:2] / name


def may_be_ours(name: str) -> bool:
    """True for names as we give them; what else lies in the storage is not ours to judge, or to remove."""
    return len(name) == 64 and all(letter in "0123456789abcdef" for letter in name)


def is_path_safe(name: str) -> bool:
    """False for what could lead out of a storage, or to nothing."""
    return name.isascii() and name.isalnum() and 2 < len(name) <= 128


def _sync(path: Path) -> None:
    """Puts a file's bytes, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
