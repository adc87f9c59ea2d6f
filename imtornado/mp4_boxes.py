"""The boxes of MP4 and QuickTime files (ISO/IEC 14496-12 section 4.2): a length, a kind, and what is in them."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from imtornado.tracks import read_at

BOX_LIMIT = 200_000  # at one level: an hour in pieces of a second has 7200
JUNK_LIMIT_BYTES = 65_536  # behind the last box


class Box(NamedTuple):
    """Offsets in the file; `body` is where its contents begin."""

    kind: bytes
    start: int
    body: int
    end: int


def children(file: BinaryIO, parent: Box, kind: bytes) -> list[Box]:
    return [box for box in boxes(file, parent.body, parent.end) if box.kind == kind]


def boxes(file: BinaryIO, start: int, end: int, *, is_file: bool = False) -> Iterator[Box]:
    """The boxes between two offsets. `is_file`: the last one may be cut off where it is data, and junk may follow.

    Raises: ValueError.
    """
    for _ in range(BOX_LIMIT):
        if start + 8 > end:
            return
        size, kind = struct.unpack(">I4s", read_at(file, start, 8))
        body = start + 8
        if size == 1:
            size, body = struct.unpack(">Q", read_at(file, start + 8, 8))[0], start + 16
        elif size == 0 and is_file:
            size = end - start
        if size < body - start or start + size > end:
            if is_file and kind == b"mdat" and size >= body - start:
                yield Box(kind, start, body, end)
            elif not is_file or end - start > JUNK_LIMIT_BYTES:
                raise ValueError("a box goes on behind the end")
            return
        yield Box(kind, start, body, start + size)
        start += size
    raise ValueError("too many boxes")
