"""Where the data of one track of an MP4 or QuickTime file lies: ISO/IEC 14496-12 sections 8.6, 8.7 and 8.8."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from imtornado.mp4_boxes import Box, boxes, children
from imtornado.tracks import file_size, read_at

Range = tuple[int, int]  # (start, end) in the file

_HAS_BASE, _HAS_DESCRIPTION, _HAS_DURATION, _HAS_SIZE, _BASE_IS_PIECE = 1, 2, 8, 0x10, 0x20000  # of tfhd
_HAS_OFFSET, _HAS_FIRST_FLAGS, _FIELDS, _SAMPLE_SIZE = 1, 4, (0x100, 0x200, 0x400, 0x800), 0x200  # of trun


def track_id(file: BinaryIO, track: Box) -> int:
    """Raises: ValueError."""
    for head in children(file, track, b"tkhd"):
        wide = read_at(file, head.body, 1)[0] == 1
        return _number(file, head.body + (20 if wide else 12))
    raise ValueError("a track without a head")


def chunks(file: BinaryIO, track: Box, data: list[Box]) -> Iterator[Range]:
    """The pieces that the track's own tables tell of. Raises: ValueError where one is not in `data`."""
    for media in children(file, track, b"mdia"):
        for info in children(file, media, b"minf"):
            for table in children(file, info, b"stbl"):
                yield from _chunks(file, table, data)


def _chunks(file: BinaryIO, table: Box, data: list[Box]) -> Iterator[Range]:
    found = {box.kind: box for box in boxes(file, table.body, table.end)}
    if b"stz2" in found:
        raise ValueError("sizes of less than a byte")
    if not {b"stsz", b"stsc"} <= found.keys() or not {b"stco", b"co64"} & found.keys():
        return
    size, count = struct.unpack(">II", read_at(file, found[b"stsz"].body + 4, 8))
    sizes = () if size else _table(file, found[b"stsz"], 12, count, "I")
    place = found.get(b"co64") or found[b"stco"]
    offsets = _table(file, place, 8, _number(file, place.body + 4), "Q" if place.kind == b"co64" else "I")
    runs = _table(file, found[b"stsc"], 8, 3 * _number(file, found[b"stsc"].body + 4), "I")
    firsts, lengths = runs[::3], runs[1::3]
    run, sample, left = 0, 0, file_size(file)
    for number, offset in enumerate(offsets, start=1):
        while run + 1 < len(firsts) and firsts[run + 1] <= number:
            run += 1
        samples = lengths[run] if lengths else 0
        end = offset + (size * samples if size else sum(sizes[sample : sample + samples]))
        sample += samples
        left -= end - offset
        yield _within((offset, end), data, left)


def fragments(
    file: BinaryIO, index: Box, wanted: int, pieces: list[Box], data: list[Box]
) -> tuple[list[Range], list[Box]]:
    """The data that the pieces ("moof") hold of the track, and the boxes ("traf") that tell of it.

    Raises: ValueError.
    """
    usual_size = 0
    for extends in children(file, index, b"mvex"):
        for box in children(file, extends, b"trex"):
            if _number(file, box.body + 4) == wanted:
                usual_size = _number(file, box.body + 16)
    ranges, found, left = [], [], file_size(file)
    for piece in pieces:
        for place, traf in enumerate(children(file, piece, b"traf")):
            head = next(iter(children(file, traf, b"tfhd")), None)
            if head is None or _number(file, head.body + 4) != wanted:
                continue
            found.append(traf)
            for start, end in _runs(file, traf, head, piece.start if place == 0 else -1, piece.start, usual_size):
                left -= end - start
                ranges.append(_within((start, end), data, left))
    return ranges, found


def _runs(file: BinaryIO, traf: Box, head: Box, base: int, piece_start: int, usual_size: int) -> Iterator[Range]:
    """`base`: where offsets count from unless the head says something else; -1: it must."""
    flags, at = _number(file, head.body) & 0xFFFFFF, head.body + 8
    if flags & _HAS_BASE:
        base, at = struct.unpack(">Q", read_at(file, at, 8))[0], at + 8
    elif flags & _BASE_IS_PIECE:
        base = piece_start
    at += 4 * bool(flags & _HAS_DESCRIPTION) + 4 * bool(flags & _HAS_DURATION)
    if flags & _HAS_SIZE:
        usual_size = _number(file, at)
    if base < 0:
        raise ValueError("offsets from nowhere")
    for run in children(file, traf, b"trun"):
        flags, count, at = _number(file, run.body) & 0xFFFFFF, _number(file, run.body + 4), 8
        start = base
        if flags & _HAS_OFFSET:
            start, at = start + struct.unpack(">i", read_at(file, run.body + at, 4))[0], at + 4
        at += 4 * bool(flags & _HAS_FIRST_FLAGS)
        fields = [field for field in _FIELDS if flags & field]
        if _SAMPLE_SIZE in fields:
            table = _table(file, run, at, count * len(fields), "I")
            base = start + sum(table[fields.index(_SAMPLE_SIZE) :: len(fields)])
        else:
            base = start + usual_size * count
        yield start, base


def _within(found: Range, data: list[Box], left: int) -> Range:
    """Raises: ValueError for what is not data, and where all together would be more than the file has (`left` < 0)."""
    if left < 0 or not any(box.body <= found[0] and found[1] <= box.end for box in data):
        raise ValueError("data outside of the data")
    return found


def _number(file: BinaryIO, at: int) -> int:
    return int.from_bytes(read_at(file, at, 4), "big")


def _table(file: BinaryIO, box: Box, at: int, count: int, kind: str) -> tuple[int, ...]:
    """So many numbers from an offset in the box. Raises: ValueError."""
    size = struct.calcsize(f">{kind}") * count
    if box.body + at + size > box.end:
        raise ValueError("a table is cut off")
    return struct.unpack(f">{count}{kind}", read_at(file, box.body + at, size))
