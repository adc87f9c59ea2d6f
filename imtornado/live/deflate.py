"""Compressed messages: permessage-deflate without context takeover (RFC 7692).

No side remembers earlier messages, so a frame is compressed once for all receivers that negotiated it, and a socket
needs no memory of its own for it. What comes in is inflated up to the limit of a frame and no further.
"""

import zlib

from imtornado.frames import FRAME_BYTES, websocket_frame
from imtornado.live.connection import Connection
from imtornado.live.outbox import Close, Ephemeral
from imtornado.live.wire import Broken

ACCEPTED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
RSV1 = 0x40
WORTH_BYTES = 256  # below this the time is better spent otherwise
LEVEL = 1
TAIL = b"\x00\x00\xff\xff"  # what every message would end with, and is left out. RFC 7692 section 7.2.1


def accepts(offers: str) -> bool:
    """Whether one of the offers in a Sec-WebSocket-Extensions header can be answered with ACCEPTED."""
    return any(_is_acceptable(offer) for offer in offers[:2000].split(","))


def _is_acceptable(offer: str) -> bool:
    """RFC 7692 section 7.1: a parameter that we do not know or that comes twice spoils an offer."""
    name, *parameters = (part.strip() for part in offer.split(";"))
    seen = set()
    for parameter in parameters:
        key, given, value = (part.strip(' "') for part in parameter.partition("="))
        if key in seen:
            return False
        seen.add(key)
        if key == "server_max_window_bits":
            acceptable = value == "15"  # frames are shared: all are compressed alike
        elif key == "client_max_window_bits":
            acceptable = not given or value in ("8", "9", "10", "11", "12", "13", "14", "15")
        else:
            acceptable = key in ("server_no_context_takeover", "client_no_context_takeover") and not given
        if not acceptable:
            return False
    return name == "permessage-deflate"


def deflated(frame: bytes) -> bytes:
    """The compressed form of a complete frame of ours, or the frame itself where that gains nothing."""
    if len(frame) < WORTH_BYTES or frame[0] != 0x81:
        return frame
    payload = frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10 :]
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    data = (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)
    if len(data) >= len(payload):
        return frame
    made = websocket_frame(data, 1 | RSV1)
    return Ephemeral(made) if isinstance(frame, Ephemeral) else made


def inflated(payload: bytes) -> bytes:
    """A compressed message as it was. Raises: Broken (1009 beyond FRAME_BYTES, 1007 for what is not deflated)."""
    inflater = zlib.decompressobj(-15)
    try:
        whole = inflater.decompress(payload + TAIL, FRAME_BYTES + 1)
    except zlib.error:
        raise Broken(Close.INVALID_TEXT, "not deflated") from None
    if len(whole) > FRAME_BYTES:
        raise Broken(Close.TOO_BIG, "too long")
    return whole


class CompressedConnection(Connection):
    """A connection whose client negotiated compression; the others pay nothing for it."""

    __slots__ = ("_in_deflated",)

    _in_deflated: bool  # the fragments being gathered are those of a compressed message

    def flush(self) -> None:
        if self.queue and self._pump is not None:
            shared = self.flusher.deflated  # {frame: its compressed form}, for this turn
            for frame in self.queue:
                if frame not in shared:
                    shared[frame] = deflated(frame)
            self.queue = [shared[frame] for frame in self.queue]
        super().flush()

    def _other(self, first: int, payload: bytes) -> None:
        if first & 0x70 != RSV1 or first & 15 not in (1, 2):
            if first & 15 == 1:
                self._in_deflated = False
            super()._other(first, payload)
        elif first & 15 == 2:
            super()._other(first & ~RSV1, payload)
        elif self.closing:
            pass
        elif not first & 0x80 or self._fragments is not None:
            self._first_fragment(payload)
            self._in_deflated = True
        else:
            self._text(inflated(payload))

    def _assembled(self, payload: bytes) -> None:
        super()._assembled(inflated(payload) if self._in_deflated else payload)
