"""A tar archive in which every single byte is checked: members by their hashes, all else by being what we would write.

Any tar program unpacks it; we read it ourselves, because those overlook damage in headers and between members.
"""

import contextlib
import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

BLOCK = 512
PIECE_BYTES = 1_048_576
GZIP_LEVEL = 5


class DamagedArchive(Exception):
    """It is not what was written; the text says where."""


class Member(NamedTuple):
    """A file of an archive, to be read before the next one is asked for. `pieces` raise DamagedArchive."""

    name: str
    size_bytes: int
    pieces: Iterator[bytes]


class ArchiveWriter:
    """Members one after the other; `close` ends the archive, and not the file."""

    def __init__(self, file: IO[bytes], written_s: int) -> None:
        """`written_s` is the time of all members, in seconds since 1970."""
        self._file = file
        self._written_s = written_s

    def add(self, name: str, size_bytes: int, pieces: Iterable[bytes]) -> str:
        """SHA-256 of the member. Raises: ValueError for pieces that are not of that size."""
        self._file.write(_header(name, size_bytes, self._written_s))
        digest, left = hashlib.sha256(), size_bytes
        for piece in pieces:
            digest.update(piece)
            left -= len(piece)
            self._file.write(piece)
        if left:
            raise ValueError(f"{name} has {left} bytes less than was said")
        self._file.write(bytes(-size_bytes % BLOCK))
        return digest.hexdigest()

    def close(self) -> None:
        self._file.write(bytes(2 * BLOCK))


@contextmanager
def packed(file: IO[bytes], *, compress: bool) -> Iterator[IO[bytes]]:
    """The file to write an archive to."""
    if not compress:
        yield file
        return
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as stream:
        yield cast(IO[bytes], stream)


def members(path: Path) -> Iterator[Member]:
    """All members in order; ends only where the archive ends as it should. Raises: DamagedArchive, OSError."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=raw))) if is_gzip else raw
        written_s = None
        place = "the beginning"
        while (block := _read(file, BLOCK, place)) != bytes(BLOCK):
            info = _parsed(block, place)
            written_s = info.mtime if written_s is None else written_s
            if block != _header(info.name, info.size, int(written_s)):
                raise DamagedArchive(f"what follows {place} is not as it was written")
            place = info.name
            member = Member(info.name, info.size, _pieces(file, info.name, info.size))
            yield member
            for _ in member.pieces:
                pass  # what its reader left
            if any(_read(file, -info.size % BLOCK, place)):
                raise DamagedArchive(f"what follows {place} is not as it was written")
        if _read(file, BLOCK, place) != bytes(BLOCK) or _some(file, 1, place):
            raise DamagedArchive("the end is not as it was written")


def _header(name: str, size_bytes: int, written_s: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size_bytes, written_s, 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "ascii")


def _parsed(block: bytes, place: str) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise DamagedArchive(f"what follows {place} is no part of a backup") from error


def _pieces(file: IO[bytes], name: str, size_bytes: int) -> Iterator[bytes]:
    while size_bytes > 0:
        piece = _read(file, min(size_bytes, PIECE_BYTES), name)
        size_bytes -= len(piece)
        yield piece


def _read(file: IO[bytes], size_bytes: int, place: str) -> bytes:
    """Exactly so many bytes."""
    data = _some(file, size_bytes, place)
    while len(data) < size_bytes and (more := _some(file, size_bytes - len(data), place)):
        data += more
    if len(data) < size_bytes:
        raise DamagedArchive(f"it ends at {place}, before its end")
    return data


def _some(file: IO[bytes], size_bytes: int, place: str) -> bytes:
    try:
        return file.read(size_bytes)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedArchive(f"it cannot be unpacked at {place}: {error}") from error
