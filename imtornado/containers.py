"""Recordings and videos, as far as they must be understood: what is in them, how long it is, and where it was taken.

Each reader takes the open file and gives `Tracks`, or None where the bytes are not what they begin like. They
are for worker processes: the bytes are a stranger's. Only heads are read, never the sound or the pictures.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MOOV_LIMIT_BYTES = 16_777_216  # of an hour of video it has about 2 MB
BOX_LIMIT = 4096
EBML_LIMIT_BYTES = 1_048_576
OGG_TAIL_BYTES = 131_072  # twice the largest page
OPUS_RATE = 48_000  # RFC 7845 section 4: granules are counted at this rate whatever the input was
DAY_MS = 86_400_000


class Tracks(NamedTuple):
    """`duration_ms` and the size in pixels are 0 where the file does not tell them."""

    mime: str
    duration_ms: int = 0
    width: int = 0
    height: int = 0


def tracks(file: BinaryIO) -> Tracks | None:
    """What an MP4, WebM or Ogg file holds; None for all others, and for damaged ones."""
    file.seek(0)
    head = file.read(12)
    try:
        if head[:4] == b"OggS":
            return _ogg(file)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _webm(file)
        return _mp4(file, head[8:12]) if head[4:8] == b"ftyp" else None
    except (struct.error, IndexError, ValueError):
        return None


def without_places(file: BinaryIO) -> None:
    """Blanks what an MP4 tells beside sound and picture: position, device, owner. The file keeps its size.

    `file` is open for reading and writing. ISO 14496-12: a box of the type `free` may be ignored.
    """
    for start, size, kind in [*_boxes(file, 0, _size(file))]:
        if kind == b"moov":
            for inner_start, inner_size, inner in [*_boxes(file, start + 8, start + size)]:
                if inner in (b"udta", b"meta", b"uuid"):
                    _blank(file, inner_start, inner_size)
                elif inner == b"trak":
                    for box in [*_boxes(file, inner_start + 8, inner_start + inner_size)]:
                        if box[2] in (b"udta", b"meta", b"uuid"):
                            _blank(file, *box[:2])
        elif kind in (b"udta", b"meta", b"uuid", b"free", b"skip", b"wide"):
            _blank(file, start, size)


def _size(file: BinaryIO) -> int:
    return file.seek(0, 2)


# Ogg: RFC 3533, Opus in it: RFC 7845


def _ogg(file: BinaryIO) -> Tracks | None:
    file.seek(0)
    first = file.read(512)
    payload = first[27 + first[26] :]
    if payload[:8] != b"OpusHead" or len(payload) < 19:
        return None
    skipped = int(struct.unpack_from("<H", payload, 10)[0])
    tail_at = max(0, _size(file) - OGG_TAIL_BYTES)
    file.seek(tail_at)
    tail = file.read(OGG_TAIL_BYTES)
    last = tail.rfind(b"OggS")
    granules = int(struct.unpack_from("<q", tail, last + 6)[0]) if last >= 0 else 0
    return Tracks("audio/ogg", _sane_ms((granules - skipped) * 1000 / OPUS_RATE))


# WebM: EBML is RFC 8794, the elements of Matroska RFC 9559

_SEGMENT, _INFO, _TRACKS, _ENTRY, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675
_DOC_TYPE, _SCALE, _DURATION, _TYPE, _VIDEO, _WIDTH, _HEIGHT = 0x4282, 0x2AD7B1, 0x4489, 0x83, 0xE0, 0xB0, 0xBA
_PARENTS = {0x1A45DFA3, _SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO}


def _webm(file: BinaryIO) -> Tracks | None:
    file.seek(0)
    found: dict[int, bytes] = {}
    kinds: set[int] = set()
    for element, value in _ebml(file.read(EBML_LIMIT_BYTES)):
        if element == _TYPE:
            kinds.add(int.from_bytes(value, "big"))
        else:
            found.setdefault(element, value)
    if found.get(_DOC_TYPE, b"").rstrip(b"\0") not in (b"webm", b"matroska") or not kinds & {1, 2}:
        return None
    scale_ns = int.from_bytes(found.get(_SCALE, b""), "big") or 1_000_000
    duration = found.get(_DURATION, b"")
    ticks = struct.unpack(">f" if len(duration) == 4 else ">d", duration)[0] if len(duration) in (4, 8) else 0.0
    return Tracks(
        "video/webm" if 1 in kinds else "audio/webm",
        _sane_ms(ticks * scale_ns / 1_000_000),
        _sane_side(int.from_bytes(found.get(_WIDTH, b""), "big")),
        _sane_side(int.from_bytes(found.get(_HEIGHT, b""), "big")),
    )


def _ebml(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, bytes) of the elements before the first cluster that hold no others."""
    at = 0
    for _ in range(BOX_LIMIT):
        if at >= len(data):
            return
        length = 9 - data[at].bit_length()
        element = int.from_bytes(data[at : at + length], "big")
        at += length
        wide = 9 - data[at].bit_length()
        if length > 4 or wide > 8 or element == _CLUSTER:
            return
        size = int.from_bytes(data[at : at + wide], "big") & ((1 << 7 * wide) - 1)
        at += wide
        if element not in _PARENTS:
            yield element, data[at : at + min(size, 64)]
            at += size


# MP4: ISO/IEC 14496-12, QuickTime alike


def _mp4(file: BinaryIO, brand: bytes) -> Tracks | None:
    moov = next((box for box in _boxes(file, 0, _size(file)) if box[2] == b"moov"), None)
    if moov is None or moov[1] > MOOV_LIMIT_BYTES:
        return None
    duration_ms, width, height = 0, 0, 0
    handlers = set()
    for start, size, kind in _boxes(file, moov[0] + 8, moov[0] + moov[1]):
        if kind == b"mvhd":
            duration_ms = _mvhd_ms(_read(file, start + 8, size))
        elif kind == b"trak":
            shown = (0, 0)
            for box_start, box_size, box in _boxes(file, start + 8, start + size):
                if box == b"tkhd":
                    data = _read(file, box_start + 8, box_size)
                    shown = struct.unpack_from(">H2xH2x", data, 88 if data[0] == 1 else 76)
                elif box == b"mdia":
                    handlers |= {
                        _read(file, inner_start + 16, 4)
                        for inner_start, _, inner in _boxes(file, box_start + 8, box_start + box_size)
                        if inner == b"hdlr"
                    }
            if shown[0] and not width:
                width, height = shown
    if b"vide" in handlers:
        mime = "video/quicktime" if brand == b"qt  " else "video/mp4"
        return Tracks(mime, duration_ms, _sane_side(width), _sane_side(height))
    return Tracks("audio/mp4", duration_ms) if b"soun" in handlers else None


def _mvhd_ms(data: bytes) -> int:
    scale, duration = struct.unpack_from(">IQ" if data[0] == 1 else ">II", data, 20 if data[0] == 1 else 12)
    return _sane_ms(duration * 1000 / scale) if scale else 0


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """(offset, size with its head, type) of the boxes between two offsets, those with long sizes included."""
    for _ in range(BOX_LIMIT):
        if start + 8 > end:
            return
        size, kind = struct.unpack(">I4s", _read(file, start, 8))
        if size == 1:
            size = struct.unpack(">Q", _read(file, start + 8, 8))[0]
        elif size == 0:
            size = end - start
        if size < 8 or start + size > end:
            return
        yield start, size, kind
        start += size


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(min(size, 65_536))


def _blank(file: BinaryIO, start: int, size: int) -> None:
    """Makes a box with a short size a `free` one full of zeros."""
    if struct.unpack(">I", _read(file, start, 4))[0] in (0, 1):
        return
    file.seek(start + 4)
    file.write(b"free")
    left = size - 8
    while left > 0:
        left -= file.write(bytes(min(left, 65_536)))


def _sane_ms(duration_ms: float) -> int:
    return round(duration_ms) if 0 < duration_ms < DAY_MS else 0


def _sane_side(pixels: int) -> int:
    return pixels if 0 < pixels <= 16_384 else 0
