"""Recordings and videos as browsers and phones make them, as far as heads go: made on the spot, of a few bytes."""

import struct


def ogg(duration_ms: int = 2500, *, codec: bytes = b"OpusHead", skipped: int = 312) -> bytes:
    """Opus in Ogg, as Firefox records: two pages of heads and one of sound."""
    head = codec + struct.pack("<BBHIhB", 1, 1, skipped, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    granules = duration_ms * 48 + skipped
    return _page(2, 0, 0, head) + _page(0, 0, 1, tags) + _page(4, granules, 2, bytes(200))


def _page(flags: int, granules: int, number: int, data: bytes) -> bytes:
    return b"OggS" + struct.pack("<BBqIII", 0, flags, granules, 7, number, 0) + bytes((1, len(data))) + data


def _element(number: int, data: bytes, *, unknown: bool = False) -> bytes:
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    size = b"\x01" + b"\xff" * 7 if unknown else (1 << 56 | len(data)).to_bytes(8, "big")
    return name + size + data


def webm(
    *, video: bool = False, duration_ms: float = 0, doc_type: bytes = b"webm", size: tuple[int, int] = (640, 480)
) -> bytes:
    """As MediaRecorder makes it: a segment of unknown length, and no duration unless one is named."""
    details = _element(0x2AD7B1, (1_000_000).to_bytes(3, "big")) + _element(0x4D80, b"test")
    if duration_ms:
        details += _element(0x4489, struct.pack(">d", duration_ms))
    track = _element(0xD7, b"\x01") + _element(0x83, b"\x01" if video else b"\x02")
    if video:
        track += _element(0xE0, _element(0xB0, struct.pack(">H", size[0])) + _element(0xBA, struct.pack(">H", size[1])))
    body = _element(0x1549A966, details) + _element(0x1654AE6B, _element(0xAE, track))
    block = _element(0xA3, b"\x81\0\0\x80" + bytes(90))
    body += _element(0x1F43B675, _element(0xE7, b"\0") + block, unknown=True)
    return _element(0x1A45DFA3, _element(0x4282, doc_type)) + _element(0x18538067, body, unknown=True)


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", len(data) + 8, kind) + data


PLACE = b"+31.2304+121.4737/"


def mp4(
    *, video: bool = True, duration_ms: int = 4200, brand: bytes = b"isom", telling: bool = True, front: bool = False
) -> bytes:
    """`telling`: with the place, device and owner that a phone writes. `front`: the index before the pictures."""
    handler = b"vide" if video else b"soun"
    size = struct.pack(">II", 1280 << 16, 720 << 16) if video else bytes(8)
    track = (
        _box(b"tkhd", bytes(76), size),
        _box(b"mdia", _box(b"hdlr", bytes(8), handler, bytes(12))),
        *((_box(b"udta", _box(b"name", b"Owner: Zhang San")),) if telling else ()),
    )
    told = (_box(b"udta", _box(b"\xa9xyz", PLACE)), _box(b"meta", b"iPhone of Li Si")) if telling else ()
    moov = _box(
        b"moov",
        _box(b"mvhd", bytes(12), struct.pack(">II", 1000, duration_ms), bytes(80)),
        _box(b"trak", *track),
        *told,
    )
    after = (_box(b"uuid", bytes(16), b"http://ns.adobe.com/xap " + PLACE), _box(b"free", PLACE)) if telling else ()
    data = _box(b"mdat", bytes(range(256)) * 4)
    return b"".join((_box(b"ftyp", brand, bytes(4), brand), *((moov, data) if front else (data, moov)), *after))
