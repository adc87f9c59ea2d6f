"""What the readers of recordings and videos (`ogg`, `matroska`, `mp4`) have in common."""

from typing import BinaryIO, NamedTuple

PIECE_BYTES = 65_536
DAY_MS = 86_400_000
LONGEST_SIDE = 16_384


class Tracks(NamedTuple):
    """`duration_ms` and the size in pixels are 0 where the file does not tell them."""

    mime: str
    duration_ms: int = 0
    width: int = 0
    height: int = 0


def file_size(file: BinaryIO) -> int:
    return file.seek(0, 2)


def read_at(file: BinaryIO, start: int, size: int) -> bytes:
    """Raises: ValueError where the file has less."""
    file.seek(start)
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends in the middle")
    return data


def write_at(file: BinaryIO, start: int, data: bytes | bytearray) -> None:
    file.seek(start)
    file.write(data)


def zero(file: BinaryIO, start: int, end: int) -> None:
    """Overwrites the bytes between two offsets."""
    file.seek(start)
    while start < end:
        start += file.write(bytes(min(PIECE_BYTES, end - start)))


def sane_ms(duration_ms: float) -> int:
    return round(duration_ms) if 0 < duration_ms < DAY_MS else 0


def sane_side(pixels: int) -> int:
    return pixels if 0 < pixels <= LONGEST_SIDE else 0
