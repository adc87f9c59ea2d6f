"""WebM and Matroska: how long and large they are, and without titles, tags, dates, programs and attachments.

EBML is RFC 8794, the elements are those of RFC 9559. What goes becomes a Void element of the same length, so that
nothing moves and no index has to be made anew.
"""

import struct
from typing import BinaryIO, NamedTuple

from imtornado.ogg import empty_comments
from imtornado.tracks import Tracks, file_size, read_at, sane_ms, sane_side, write_at, zero

ELEMENT_LIMIT = 1_000_000  # an hour of video whose clusters do not tell their lengths has 300,000
VALUE_BYTES = 64

_VOID = 0xEC
_EBML, _DOC_TYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_SEEK_HEAD, _SEEK, _SEEK_ID = 0x114D9B74, 0x4DBB, 0x53AB
_INFO, _SCALE, _DURATION, _MUXER, _WRITER = 0x1549A966, 0x2AD7B1, 0x4489, 0x4D80, 0x5741
_TRACKS, _ENTRY, _TYPE, _CODEC, _PRIVATE = 0x1654AE6B, 0xAE, 0x83, 0x86, 0x63A2
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
_CLUSTER, _CUES = 0x1F43B675, 0x1C53BB6B

# What may stand in which element; all else is blanked.
_KEPT = {
    _EBML: frozenset((0x4286, 0x42F7, 0x42F2, 0x42F3, _DOC_TYPE, 0x4287, 0x4285)),
    _SEGMENT: frozenset((_SEEK_HEAD, _INFO, _TRACKS, _CLUSTER, _CUES)),
    _SEEK_HEAD: frozenset((_SEEK,)),
    _INFO: frozenset((_SCALE, _DURATION, _MUXER, _WRITER)),
    _TRACKS: frozenset((_ENTRY,)),
    # numbers, flags, times, languages, codec, picture, sound, compression: not Name, CodecName, AttachmentLink, …
    _ENTRY: frozenset(
        (
            *(0xD7, 0x73C5, _TYPE, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x23E383, 0x234E7A, 0x23314F, 0x55EE),
            *(0x41E4, 0x22B59C, 0x22B59D, _CODEC, _PRIVATE, 0x56AA, 0x56BB, _VIDEO, 0xE1, 0x6D80),
        )
    ),
}
_EMPTIED = frozenset((_MUXER, _WRITER))  # they must be there, but may be empty
_TOLD = frozenset((_DOC_TYPE, _SCALE, _DURATION, _WIDTH, _HEIGHT))
_IN_CLUSTER = frozenset((0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854, 0xBF, _VOID))
_AFTER_CLUSTER = frozenset((_SEEK_HEAD, _INFO, _TRACKS, _CLUSTER, _CUES, 0x1254C367, 0x1941A469, 0x1043A770))
_VIDEO_TRACK, _SOUND_TRACK, _SUBTITLES = 1, 2, 17


class _Element(NamedTuple):
    """`end` is -1 where the file does not tell it (a stream that was recorded live)."""

    name: int
    start: int
    body: int
    end: int


def clean(file: BinaryIO) -> Tracks | None:
    """Blanks whatever is not needed to play; None for what is no WebM or Matroska of sound and pictures.

    Raises: ValueError, struct.error for damaged files, half changed.
    """
    return _Cleaner(file).tracks()


class _Cleaner:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file_size(file)
        self._left = ELEMENT_LIMIT
        self._told: dict[int, bytes] = {}
        self._kinds: set[int] = set()

    def tracks(self) -> Tracks | None:
        head = self._element(0, self._size)
        self._inside(head.body, head.end, _EBML)
        segment = self._element(head.end, self._size)
        if (head.name, segment.name) != (_EBML, _SEGMENT) or head.end < 0:
            raise ValueError("not a segment")
        if self._told.get(_DOC_TYPE, b"").rstrip(b"\0") not in (b"webm", b"matroska"):
            return None
        end = self._size if segment.end < 0 else min(segment.end, self._size)
        self._inside(segment.body, end, _SEGMENT)
        self._file.truncate(end)
        if not self._kinds & {_VIDEO_TRACK, _SOUND_TRACK}:
            return None
        scale_ns = self._number(_SCALE) or 1_000_000
        duration = self._told.get(_DURATION, b"")
        ticks = struct.unpack(">f" if len(duration) == 4 else ">d", duration)[0] if len(duration) in (4, 8) else 0.0
        return Tracks(
            "video/webm" if _VIDEO_TRACK in self._kinds else "audio/webm",
            sane_ms(ticks * scale_ns / 1_000_000),
            sane_side(self._number(_WIDTH)),
            sane_side(self._number(_HEIGHT)),
        )

    def _number(self, name: int) -> int:
        return int.from_bytes(self._told.get(name, b""), "big")

    def _inside(self, at: int, end: int, parent: int) -> None:
        """Cleans the elements between two offsets."""
        while at < end:
            element = self._element(at, end)
            if element.name == _CLUSTER and parent == _SEGMENT:
                at = self._after_cluster(element, end)
                continue
            if element.end < 0:
                raise ValueError("only a segment and its clusters may have no length")
            if element.name not in _KEPT[parent]:
                self._blank(element)
            elif element.name == _ENTRY:
                self._entry(element)
            elif element.name in _KEPT:
                self._inside(element.body, element.end, element.name)
            elif element.name == _SEEK:
                self._seek(element)
            elif element.name in _EMPTIED:
                zero(self._file, element.body, element.end)
            elif element.name in _TOLD:
                self._told.setdefault(element.name, self._value(element))
            at = element.end

    def _after_cluster(self, cluster: _Element, end: int) -> int:
        """Where the next element of the segment begins. The last cluster may be cut off."""
        if cluster.end >= 0:
            return min(cluster.end, end)
        at = cluster.body
        while at < end:
            try:
                element = self._element(at, end)
            except EOFError:
                return end
            if element.name in _AFTER_CLUSTER:
                return at
            if element.name not in _IN_CLUSTER or element.end < 0:
                raise ValueError("no element of a cluster")
            at = element.end
        return end

    def _entry(self, entry: _Element) -> None:
        self._inside(entry.body, entry.end, _ENTRY)
        found: dict[int, _Element] = {}
        at = entry.body
        while at < entry.end:
            element = self._element(at, entry.end)
            found.setdefault(element.name, element)
            at = element.end
        kind = int.from_bytes(self._value(found[_TYPE]), "big") if _TYPE in found else 0
        if kind not in (_VIDEO_TRACK, _SOUND_TRACK, _SUBTITLES):
            raise ValueError("a track that is neither sound nor pictures")
        self._kinds.add(kind)
        if kind == _VIDEO_TRACK and _VIDEO in found:
            self._picture(found[_VIDEO])
        codec = self._value(found[_CODEC]).rstrip(b"\0") if _CODEC in found else b""
        private = found.get(_PRIVATE)
        if private is not None and codec == b"A_VORBIS":
            self._vorbis(private)
        elif private is not None and codec == b"A_FLAC" and private.end - private.body > 42:
            raise ValueError("comments beside the description of the stream")

    def _picture(self, video: _Element) -> None:
        at = video.body
        while at < video.end:
            element = self._element(at, video.end)
            if element.name in _TOLD:
                self._told.setdefault(element.name, self._value(element))
            at = element.end

    def _vorbis(self, private: _Element) -> None:
        """Blanks the second of its three packets: their number less one, the lengths of two, in Xiph's lacing."""
        at = private.body + 1
        sizes = []
        for _ in range(2):
            size = 0
            while (lace := read_at(self._file, at, 1)[0]) == 255:
                size, at = size + 255, at + 1
            sizes.append(size + lace)
            at += 1
        start, size = at + sizes[0], sizes[1]
        if start + size > private.end or read_at(self._file, start, 7) != b"\x03vorbis":
            raise ValueError("no comments where they must be")
        beginning, filler, end = empty_comments(b"\x03vorbis", size)
        write_at(self._file, start, beginning + filler * (size - len(beginning) - len(end)) + end)

    def _seek(self, seek: _Element) -> None:
        """An entry of the index that leads to what is blanked is blanked too."""
        element = self._element(seek.body, seek.end)
        if element.name != _SEEK_ID or int.from_bytes(self._value(element), "big") not in _KEPT[_SEGMENT]:
            self._blank(seek)

    def _value(self, element: _Element) -> bytes:
        return read_at(self._file, element.body, min(element.end - element.body, VALUE_BYTES))

    def _blank(self, element: _Element) -> None:
        width = min(8, element.body - element.start - 1)  # of the length
        size = element.end - element.start - 1 - width
        write_at(self._file, element.start, bytes((_VOID,)) + (1 << 7 * width | size).to_bytes(width, "big"))
        zero(self._file, element.start + 1 + width, element.end)

    def _element(self, at: int, end: int) -> _Element:
        """The element at an offset. Raises: ValueError; EOFError for one that does not end before `end`."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many elements")
        self._file.seek(at)
        head = self._file.read(12)
        length = 9 - head[0].bit_length() if head else 9
        if length > 4 or len(head) <= length:
            raise _Cut if at + 12 > end else ValueError("no element")
        wide = 9 - head[length].bit_length()
        if wide > 8 or len(head) < length + wide:
            raise _Cut if at + 12 > end else ValueError("no length")
        body = at + length + wide
        size = int.from_bytes(head[length : length + wide], "big") & ((1 << 7 * wide) - 1)
        name = int.from_bytes(head[:length], "big")
        if size == (1 << 7 * wide) - 1:
            return _Element(name, at, body, -1)
        if body + size > end and name not in (_CLUSTER, _SEGMENT):
            raise _Cut
        return _Element(name, at, body, body + size)


class _Cut(EOFError, ValueError):
    """An element goes on behind the end of what it stands in."""
