"""Opus and Vorbis in Ogg: how long they are, and without the comments that name people, places and devices.

Ogg is RFC 3533, Opus in it RFC 7845; Vorbis is described in "Vorbis I", sections 4.2 and 5.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from imtornado.tracks import Tracks, file_size, read_at, sane_ms, write_at

HEAD_BYTES = 27
PAGE_LIMIT = 200_000  # an hour of speech has 4,000
ID_LIMIT_BYTES = 300  # 19 of Opus, and a byte for each of 255 channels
JUNK_LIMIT_BYTES = 65_536  # behind the last page: half a page, tags of other formats
OPUS_RATE = 48_000  # granules are counted at this rate whatever the input was (RFC 7845 section 4)
CONTINUED, FIRST = 1, 2

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    start: int
    flags: int
    granule: int
    serial: int
    laces: bytes  # RFC 3533 section 5: a lace of 255 means that the packet goes on

    @property
    def body(self) -> int:
        return self.start + HEAD_BYTES + len(self.laces)

    @property
    def end(self) -> int:
        return self.body + sum(self.laces)


class _Stream:
    """One logical stream: its comments are its second packet, which may go over many pages."""

    def __init__(self, head: bytes) -> None:
        self.pieces: list[tuple[Page, int, int]] = []  # (page, offset, length) of the comments
        self.is_complete = False
        self.granule = 0
        if head.startswith(b"OpusHead") and len(head) >= 19:
            self.magic, self.rate = b"OpusTags", OPUS_RATE
            self.skipped = int(struct.unpack_from("<H", head, 10)[0])
        elif head.startswith(b"\x01vorbis") and len(head) >= 30:
            self.magic, self.rate, self.skipped = b"\x03vorbis", int(struct.unpack_from("<I", head, 12)[0]), 0
        else:
            raise ValueError("neither Opus nor Vorbis")

    @property
    def duration_ms(self) -> float:
        return (self.granule - self.skipped) * 1000 / self.rate if self.rate else 0.0

    def take(self, page: Page) -> None:
        """Looks for the comments in a page after the first."""
        self.granule = max(self.granule, page.granule)
        if self.is_complete:
            return
        if bool(page.flags & CONTINUED) != bool(self.pieces):
            raise ValueError("a page is missing")
        length = 0
        for lace in page.laces:
            length += lace
            if lace < 255:
                self.is_complete = True
                break
        self.pieces.append((page, page.body, length))


def clean(file: BinaryIO) -> Tracks | None:
    """Blanks the comments of every stream, and cuts off what follows the last page; the rest stays where it is.

    None for what is neither Opus nor Vorbis. Raises: ValueError, struct.error for damaged files, half changed.
    """
    streams: dict[int, _Stream] = {}
    longest_ms, end = 0.0, 0
    ended: list[_Stream] = []
    for page in _pages(file):
        if page.flags & FIRST:
            if page.serial in streams:
                ended.append(streams[page.serial])
            size = sum(page.laces)
            if size > ID_LIMIT_BYTES:
                return None
            streams[page.serial] = _Stream(read_at(file, page.body, size))
        else:
            streams[page.serial].take(page)
        end = page.end
    streams_all = [*ended, *streams.values()]
    for stream in streams_all:
        if not stream.is_complete:
            raise ValueError("the comments are missing")
        _blank(file, stream)
        longest_ms = max(longest_ms, stream.duration_ms)
    file.truncate(end)
    return Tracks("audio/ogg", sane_ms(longest_ms)) if streams_all else None


def empty_comments(magic: bytes, size: int) -> tuple[bytes, bytes, bytes]:
    """(beginning, byte to repeat, end) of a packet of comments of that size in which there are none.

    A comment packet is: magic, length and text of the vendor, number of comments, in Vorbis a set bit. The vendor's
    name takes the room. Raises: ValueError where it is too small.
    """
    end = bytes(4) + (b"\x01" if magic == b"\x03vorbis" else b"")
    vendor = size - len(magic) - 4 - len(end)
    if vendor < 0:
        raise ValueError("no packet of comments")
    return magic + struct.pack("<I", vendor), b" ", end


def _pages(file: BinaryIO) -> Iterator[Page]:
    at, size = 0, file_size(file)
    for _ in range(PAGE_LIMIT):
        if size - at < HEAD_BYTES:
            return
        head = read_at(file, at, HEAD_BYTES)
        mark, version, flags, granule, serial, count = struct.unpack("<4sBBqI8xB", head)
        page = Page(at, flags, granule, serial, file.read(count))
        if mark != b"OggS" or version or len(page.laces) < count or page.end > size:
            if size - at > JUNK_LIMIT_BYTES:
                raise ValueError("a page is damaged")
            return
        yield page
        at = page.end
    raise ValueError("too many pages")


def _blank(file: BinaryIO, stream: _Stream) -> None:
    size = sum(length for _, _, length in stream.pieces)
    if not read_at(file, stream.pieces[0][1], 8).startswith(stream.magic):
        raise ValueError("no packet of comments")
    beginning, filler, end = empty_comments(stream.magic, size)
    at = 0
    for page, offset, length in stream.pieces:
        piece = bytearray(filler * length)
        piece[: max(0, len(beginning) - at)] = beginning[at : at + length]
        missing = size - len(end) - at  # of this piece before the end begins
        if missing < length:
            piece[max(0, missing) :] = end[max(0, -missing) : length - missing]
        write_at(file, offset, piece)
        at += length
        whole = bytearray(read_at(file, page.start, page.end - page.start))
        whole[22:26] = bytes(4)
        write_at(file, page.start + 22, struct.pack("<I", checksum(whole)))


def checksum(page: bytes | bytearray) -> int:
    """CRC-32 as Ogg counts it: the polynomial of ZIP, but the highest bit first, from 0, and not inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
