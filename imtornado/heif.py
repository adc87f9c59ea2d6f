"""HEIC and other pictures in HEIF (ISO/IEC 23008-12), which are not made anew here: without place, device and date.

Their metadata are items of their own beside those of the picture. The bytes of such an item are overwritten where they
are; how the picture is turned stands elsewhere, in the properties of the picture itself.
"""

import struct
from typing import BinaryIO, NamedTuple

from imtornado.mp4_boxes import Box, boxes, children
from imtornado.tracks import file_size, read_at, write_at, zero

ITEM_LIMIT = 20_000
_EXIF = b"Exif"
_TELLING = frozenset((_EXIF, b"mime", b"uri "))  # EXIF, XMP and whatever else programs add
_KEPT = frozenset((b"ftyp", b"meta", b"mdat"))
_NO_EXIF = bytes(4) + b"II*\0\x08\0\0\0" + bytes(6)  # strict readers refuse a picture whose EXIF data is none
_IN_FILE, _IN_BOX = 0, 1  # where the offsets of an item count from


class _Reader:
    """Numbers one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """Raises: ValueError at the end."""
        if self._at + size > len(self._data):
            raise ValueError("a box ends in the middle")
        self._at += size
        return int.from_bytes(self._data[self._at - size : self._at], "big")


class _Extent(NamedTuple):
    item: int
    place: int
    start: int
    size: int


def blank_metadata(file: BinaryIO) -> None:
    """Overwrites the items that are no picture, and boxes of applications.

    Raises: ValueError, struct.error for damaged files, and for sequences of pictures.
    """
    size = file_size(file)
    found = [*boxes(file, 0, size)]
    if found[-1].end != size or any(box.kind == b"moov" for box in found):
        raise ValueError("more than a picture")
    for box in found:
        if box.kind == b"meta":
            _blank_items(file, Box(box.kind, box.start, box.body + 4, box.end), size)
        elif box.kind not in _KEPT:
            write_at(file, box.start + 4, b"free")
            zero(file, box.body, box.end)


def _blank_items(file: BinaryIO, meta: Box, size: int) -> None:
    found = {box.kind: box for box in boxes(file, meta.body, meta.end)}
    if b"iinf" not in found or b"iloc" not in found:
        return
    telling = _telling_items(file, found[b"iinf"])
    for extent in _extents(read_at(file, found[b"iloc"].body, found[b"iloc"].end - found[b"iloc"].body)):
        if extent.item not in telling:
            continue
        start, end = extent.start, size
        if extent.place == _IN_BOX and b"idat" in found:
            start, end = start + found[b"idat"].body, found[b"idat"].end
        elif extent.place != _IN_FILE:
            raise ValueError("an item in an unknown place")
        if start + extent.size > end:
            raise ValueError("an item outside of the file")
        zero(file, start, start + extent.size)
        if telling[extent.item] == _EXIF and extent.size >= len(_NO_EXIF):
            write_at(file, start, _NO_EXIF)


def _telling_items(file: BinaryIO, index: Box) -> dict[int, bytes]:
    """{item: its kind}."""
    version = read_at(file, index.body, 1)[0]
    entries = Box(index.kind, index.start, index.body + (6 if version == 0 else 8), index.end)
    telling = {}
    for entry in children(file, entries, b"infe"):
        version = read_at(file, entry.body, 1)[0]
        if version < 2:
            raise ValueError("an old list of items")
        item, _, kind = struct.unpack(
            ">HH4s" if version == 2 else ">IH4s", read_at(file, entry.body + 4, 8 if version == 2 else 10)
        )
        if kind in _TELLING:
            telling[item] = kind
    return telling


def _extents(data: bytes) -> list[_Extent]:
    """Section 8.11.3 of ISO/IEC 14496-12. Raises: ValueError."""
    reader = _Reader(data)
    version = reader.number(1)
    reader.number(3)
    sizes, more = reader.number(1), reader.number(1)
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version else 0
    count = reader.number(4 if version == 2 else 2)
    if version > 2 or count > ITEM_LIMIT:
        raise ValueError("too many items")
    found = []
    for _ in range(count):
        item = reader.number(4 if version == 2 else 2)
        place = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            reader.number(index_size)
            start = base + reader.number(offset_size)
            found.append(_Extent(item, place, start, reader.number(length_size)))
            if len(found) > ITEM_LIMIT:
                raise ValueError("too many pieces")
    return found
