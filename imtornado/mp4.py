"""MP4 and QuickTime: how long and large they are, and without place, device, owner, date and what else they tell.

ISO/IEC 14496-12; QuickTime is much alike. What goes becomes a box of the type `free`, which readers skip, full of
zeros, so that nothing moves. Tracks of anything but sound and pictures (positions, sensors, clocks) go with their data.
"""

import struct
from typing import BinaryIO

from imtornado.mp4_boxes import Box, boxes, children
from imtornado.mp4_samples import chunks, fragments, track_id
from imtornado.tracks import Tracks, file_size, read_at, sane_ms, sane_side, write_at, zero

INDEX_LIMIT_BYTES = 16_777_216  # of an hour of video it has about 2 MB

# What may stand in which box; all else becomes `free`. What is named as a key is looked into.
_KEPT = {
    b"": frozenset((b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"pdin")),
    b"moov": frozenset((b"mvhd", b"trak", b"mvex", b"iods")),
    b"trak": frozenset((b"tkhd", b"mdia", b"edts", b"tapt")),
    b"mdia": frozenset((b"mdhd", b"hdlr", b"minf", b"elng")),
    b"minf": frozenset((b"vmhd", b"smhd", b"gmhd", b"nmhd", b"dinf", b"stbl", b"hdlr")),
    b"dinf": frozenset((b"dref",)),
    b"stbl": frozenset(
        (
            *(b"stsd", b"stts", b"stss", b"ctts", b"cslg", b"stsc", b"stsz", b"stz2", b"stco", b"co64"),
            *(b"sgpd", b"sbgp", b"sdtp", b"stps", b"subs", b"saiz", b"saio", b"padb", b"stdp"),
        )
    ),
    b"moof": frozenset((b"mfhd", b"traf")),
    b"traf": frozenset((b"tfhd", b"tfdt", b"trun", b"sdtp", b"sgpd", b"sbgp", b"saiz", b"saio", b"subs", b"senc")),
}
_DATED = frozenset((b"mvhd", b"tkhd", b"mdhd"))
_SHOWN = frozenset((b"vide", b"soun"))


def clean(file: BinaryIO) -> Tracks | None:
    """Blanks whatever is not needed to play; None for what holds neither sound nor pictures.

    Raises: ValueError, struct.error for damaged files, half changed.
    """
    size = file_size(file)
    top = [*boxes(file, 0, size, is_file=True)]
    index = next((box for box in top if box.kind == b"moov"), None)
    if index is None or index.end - index.start > INDEX_LIMIT_BYTES:
        return None
    tracks = _tracks(file, index, read_at(file, 8, 4))
    if tracks is None:
        return None
    for track in children(file, index, b"trak"):
        if _handler(file, track) not in _SHOWN:
            _drop(file, track, top)
    for box in top:
        _clean(file, box, b"")
    file.truncate(min(top[-1].end, size))
    return tracks


def _tracks(file: BinaryIO, index: Box, brand: bytes) -> Tracks | None:
    duration_ms, width, height = 0, 0, 0
    handlers = set()
    for box in boxes(file, index.body, index.end):
        if box.kind == b"mvhd":
            wide = read_at(file, box.body, 1)[0] == 1
            head = read_at(file, box.body + (20 if wide else 12), 12 if wide else 8)
            scale, duration = struct.unpack(">IQ" if wide else ">II", head)
            duration_ms = sane_ms(duration * 1000 / scale) if scale else 0
        elif box.kind == b"trak":
            handler = _handler(file, box)
            handlers.add(handler)
            header = next(iter(children(file, box, b"tkhd")), None)
            if header is not None and handler == b"vide" and not width:
                at = header.body + (88 if read_at(file, header.body, 1)[0] == 1 else 76)
                width, height = struct.unpack(">H2xH2x", read_at(file, at, 8))
    if b"vide" in handlers:
        mime = "video/quicktime" if brand == b"qt  " else "video/mp4"
        return Tracks(mime, duration_ms, sane_side(width), sane_side(height))
    return Tracks("audio/mp4", duration_ms) if b"soun" in handlers else None


def _handler(file: BinaryIO, track: Box) -> bytes:
    """What a track holds: "vide", "soun", …"""
    for media in children(file, track, b"mdia"):
        for box in children(file, media, b"hdlr"):
            return read_at(file, box.body + 8, 4)
    return b""


def _clean(file: BinaryIO, box: Box, parent: bytes) -> None:
    if box.kind not in _KEPT[parent]:
        _free(file, box)
    elif box.kind in _KEPT:
        for inner in [*boxes(file, box.body, box.end)]:
            _clean(file, inner, box.kind)
    elif box.kind in _DATED:
        # version and flags, then when it was made and changed
        zero(file, box.body + 4, box.body + (20 if read_at(file, box.body, 1)[0] == 1 else 12))
    elif box.kind == b"hdlr":
        zero(file, box.body + 12, box.end)  # the maker and a name, behind what it handles
    elif box.kind == b"dref":
        for source in [*boxes(file, box.body + 8, box.end)]:
            zero(file, source.body + 4, source.end)  # a path on the disk of whoever made it
    elif box.kind == b"stsd" and parent == b"stbl":
        for entry in [*boxes(file, box.body + 8, box.end)]:
            _clean_entry(file, entry)


def _clean_entry(file: BinaryIO, entry: Box) -> None:
    """How samples are coded: without the names of maker and program.

    Both kinds have the maker at 12 in QuickTime, where MP4 has zeros, that of pictures a program's name at 42.
    """
    if entry.end - entry.body >= 20:
        zero(file, entry.body + 12, entry.body + 16)
    if entry.kind in _PICTURE_CODECS and entry.end - entry.body >= 78:
        zero(file, entry.body + 42, entry.body + 74)


_PICTURE_CODECS = frozenset(
    (
        *(b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp08", b"vp09", b"mp4v", b"s263", b"H263", b"h263", b"jpeg"),
        *(b"mjpa", b"mjpb", b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"dvh1", b"dvhe", b"encv", b"SVQ3", b"png "),
    )
)


def _drop(file: BinaryIO, track: Box, top: list[Box]) -> None:
    """Blanks a track and its data. Raises: ValueError where its data cannot be found."""
    data = [box for box in top if box.kind == b"mdat"]
    ranges = [*chunks(file, track, data)]
    if pieces := [box for box in top if box.kind == b"moof"]:
        index = next(box for box in top if box.kind == b"moov")
        found, trafs = fragments(file, index, track_id(file, track), pieces, data)
        ranges += found
        for traf in trafs:
            _free(file, traf)
    for start, end in ranges:
        zero(file, start, end)
    _free(file, track)


def _free(file: BinaryIO, box: Box) -> None:
    write_at(file, box.start + 4, b"free")
    zero(file, box.body, box.end)
