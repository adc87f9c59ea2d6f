"""One WebSocket after its upgrade: a frame parser and an outbox over a pump of bytes (RFC 6455).

The parser takes what a read brought and hands over every complete message in it; the outbox gathers what a
turn of the loop produced and lets it leave in one write. Sizes, fragments and the queue are bounded.
"""

import asyncio
import logging
from enum import IntEnum
from typing import Protocol

from tornado.util import _websocket_mask as unmask

from imtornado.frames import FRAME_BYTES, websocket_frame

log = logging.getLogger(__name__)

FRAMES_PER_TURN = 256  # so that one socket cannot keep the loop from the others
FRAGMENTS = 1024
ASSEMBLY_S = 10  # for all fragments of a message
LINGER_S = 0.5
CLOSE_S = 2.0  # a close frame behind a full buffer never arrives: after this the socket is torn down


class Close(IntEnum):
    """RFC 6455 section 7.4.1, and ours (docs/protocol.md): below 4500 come back, from 4500 on stay away."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    ABNORMAL = 1006
    INVALID_TEXT = 1007
    TOO_BIG = 1009
    INTERNAL = 1011
    SLOW_CONSUMER = 4000
    DRAINING = 4001
    NO_SIGN_OF_LIFE = 4002
    FLOODING = 4003
    SESSION_ENDED = 4500
    ACCOUNT_DISABLED = 4501
    CONTRACT_BROKEN = 4502


class Ephemeral(bytes):
    """A frame that a full outbox drops first: typing, presence."""


class Pump(Protocol):
    """Moves bytes between a socket and a wire. Calls the wire's `feed` and `writable`, and last of all `lost`, once."""

    def write(self, data: bytes) -> bool:
        """Sends or keeps `data`; False: the socket is full, `writable` will be called."""

    def pending_bytes(self) -> int:
        """Bytes written and not yet taken by the kernel."""

    def hold(self) -> None:
        """Stops reading."""

    def go_on(self) -> None:
        """Reads again."""

    def close(self) -> None:
        """Ends the socket once everything written has left."""

    def abort(self) -> None:
        """Ends the socket at once."""


class Flusher:
    """Sends, once in a turn of the loop, what the outboxes got in it; and counts the seconds for all wires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox_bytes: int) -> None:
        self.loop = loop
        self.outbox_bytes = outbox_bytes
        self.tick = 0  # monotonic seconds since the start, moved by Liveness
        self.dirty: list[Wire] = []

    def flush(self) -> None:
        dirty, self.dirty = self.dirty, []
        for wire in dirty:
            wire.flush()


class Wire:
    """Frames of one socket. Subclasses say what a message means (`received`) and what to do at the end (`ended`)."""

    __slots__ = (
        "_fragments",
        "_fragments_since",
        "_need",
        "_pump",
        "_rest",
        "close_code",
        "closing",
        "deaf",
        "flusher",
        "full",
        "gone",
        "heard",
        "held",
        "queue",
    )

    def __init__(self, flusher: Flusher) -> None:
        self.flusher = flusher
        self.queue: list[bytes] = []  # complete frames waiting for the end of the turn, or for the socket
        self.full = False  # the socket takes no more for now
        self.held = False  # the reading side waits for the writer
        self.closing = False  # a close frame has been queued: nothing may follow it
        self.deaf = False  # the peer broke the protocol: what it sends is thrown away
        self.gone = False
        self.close_code = int(Close.ABNORMAL)
        self.heard = flusher.tick
        self._pump: Pump | None = None
        self._rest: bytearray | None = None  # an incomplete frame, or what waits while held
        self._need = 2  # bytes of `_rest` before another look is worth while
        self._fragments: list[bytes] | None = None
        self._fragments_since = 0

    def received(self, payload: bytes) -> None:
        """A complete text message, valid UTF-8."""
        raise NotImplementedError

    def ended(self, code: int) -> None:
        """The socket is gone. Called exactly once."""
        raise NotImplementedError

    def attach(self, pump: Pump) -> None:
        self._pump = pump
        if self.queue:
            self.schedule()

    # Outgoing

    def send(self, frame: bytes) -> None:
        """Queues a complete frame; it leaves at the end of this turn. After a close nothing is queued."""
        if not self.closing:
            if not self.queue:
                self.schedule()
            self.queue.append(frame)

    def schedule(self) -> None:
        """Sees to it that this outbox is flushed at the end of the turn. Call it before the first frame is queued."""
        flusher = self.flusher
        if not flusher.dirty:
            flusher.loop.call_soon(flusher.flush)
        flusher.dirty.append(self)

    def flush(self) -> None:
        """Writes the queue in one piece, or holds it to its bound while the socket is full."""
        queue = self.queue
        if not queue or self._pump is None:
            return
        if self.gone:
            queue.clear()
        elif not self.full:
            self.queue = []
            self.full = not self._pump.write(queue[0] if len(queue) == 1 else b"".join(queue))
        elif self._pump.pending_bytes() + sum(map(len, queue)) > self.flusher.outbox_bytes and not self.closing:
            self._overflow()

    def _overflow(self) -> None:
        assert self._pump is not None
        self.queue = [frame for frame in self.queue if not isinstance(frame, Ephemeral)]
        if self._pump.pending_bytes() + sum(map(len, self.queue)) > self.flusher.outbox_bytes:
            self.queue = []
            self.close(Close.SLOW_CONSUMER, "too slow")

    def writable(self) -> None:
        """The pump's word that the socket takes bytes again."""
        self.full = False
        self.flush()

    def close(self, code: int, reason: str = "") -> None:
        """Sends a close frame behind what is queued; the socket ends with the peer's answer or after CLOSE_S."""
        if self.closing or self.gone:
            return
        self.send(websocket_frame(int(code).to_bytes(2, "big") + reason.encode(), 8))
        self.closing = True
        self.close_code = int(code)
        self._fragments = None
        self.flusher.loop.call_later(CLOSE_S, self.abort)

    def abort(self) -> None:
        if not self.gone and self._pump is not None:
            self._pump.abort()

    def lost(self) -> None:
        """The pump's last word."""
        if not self.gone:
            self.gone = self.closing = True
            self.queue = []
            self._rest = self._fragments = None
            self.ended(self.close_code)

    # Incoming

    def hold(self) -> None:
        """Takes no further message until `go_on`."""
        if not self.held:
            self.held = True
            if self._pump is not None:
                self._pump.hold()

    def go_on(self) -> None:
        """Ends `hold`; what had been read already is looked at in a turn of its own."""
        if self.held:
            self.held = False
            self.flusher.loop.call_soon(self._continue)

    def _continue(self) -> None:
        if not self.gone and not self.held:
            self._parse(bytes(self._rest or b""))
            if not self.held and self._pump is not None:
                self._pump.go_on()

    def feed(self, data: bytes) -> None:
        """What a read brought."""
        self.heard = self.flusher.tick
        if self.deaf:
            return
        rest = self._rest
        if rest is not None:
            rest += data
            if self.held or len(rest) < self._need:
                return
            data = bytes(rest)
        elif self.held:
            self._rest = bytearray(data)
            return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Hands over every complete frame of `data` and keeps the rest. One loop on purpose: this is the hot path."""
        at, available, budget = 0, len(data), FRAMES_PER_TURN
        need = 2
        try:
            while available - at >= 2 and not (self.held or self.gone or self.deaf):
                if not budget:
                    self.hold()
                    self.go_on()
                    break
                budget -= 1
                first, second = data[at], data[at + 1]
                size, body = second & 127, at + 6
                if first & 8 and (size > 125 or not first & 0x80):
                    raise _Broken(Close.PROTOCOL_ERROR, "control frames are short and whole")
                if size == 126:
                    body = at + 8
                    size = int.from_bytes(data[at + 2 : at + 4], "big")
                elif size == 127:
                    body = at + 14
                    size = int.from_bytes(data[at + 2 : at + 10], "big")
                if not second & 0x80:
                    raise _Broken(Close.PROTOCOL_ERROR, "frames of a client are masked")
                if available < body:
                    need = body - at
                    break
                if size > FRAME_BYTES:
                    raise _Broken(Close.TOO_BIG, "too long")
                end = body + size
                if end > available:
                    need = end - at
                    break
                payload = unmask(data[body - 4 : body], data[body:end])
                at = end
                if first == 0x81 and self._fragments is None:
                    self._text(payload)
                else:
                    self._other(first, payload)
        except _Broken as broken:
            self._fail(broken.code, broken.reason)
        except Exception:
            log.exception("a frame of %s raised", self)
            self._fail(Close.INTERNAL, "our fault")
        self._rest = bytearray(data[at:]) if at < available and not (self.gone or self.deaf) else None
        self._need = need

    def _text(self, payload: bytes) -> None:
        if self.closing:
            return
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise _Broken(Close.INVALID_TEXT, "not UTF-8") from None
        self.received(payload)

    def _other(self, first: int, payload: bytes) -> None:
        """Everything but an unfragmented text. RFC 6455 sections 5.4 and 5.5."""
        opcode = first & 15
        if first & 0x70:
            raise _Broken(Close.PROTOCOL_ERROR, "reserved bits")
        if opcode == 8:
            self._closed_by_peer(payload)
        elif opcode == 9:
            self.send(websocket_frame(payload, 10))
        elif opcode == 10 or self.closing:
            pass
        elif opcode == 2:
            raise _Broken(Close.UNSUPPORTED, "text only")
        elif opcode == 1:
            self._first_fragment(payload)
        elif opcode == 0:
            self._next_fragment(first, payload)
        else:
            raise _Broken(Close.PROTOCOL_ERROR, "unknown opcode")

    def _first_fragment(self, payload: bytes) -> None:
        if self._fragments is not None:
            raise _Broken(Close.PROTOCOL_ERROR, "a message inside a message")
        self._fragments = [payload]
        self._fragments_since = self.flusher.tick

    def _next_fragment(self, first: int, payload: bytes) -> None:
        parts = self._fragments
        if parts is None:
            raise _Broken(Close.PROTOCOL_ERROR, "nothing to continue")
        parts.append(payload)
        if sum(map(len, parts)) > FRAME_BYTES:
            raise _Broken(Close.TOO_BIG, "too long")
        if len(parts) > FRAGMENTS or self.flusher.tick - self._fragments_since > ASSEMBLY_S:
            raise _Broken(Close.PROTOCOL_ERROR, "too many fragments")
        if first & 0x80:
            self._fragments = None
            self._text(b"".join(parts))

    def _closed_by_peer(self, payload: bytes) -> None:
        """Answers a close frame in kind; an answer to ours ends the socket. RFC 6455 section 5.5.1."""
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        if len(payload) == 1 or not ((code == 1005 and not payload) or _closing_code(code)):
            raise _Broken(Close.PROTOCOL_ERROR, "not a close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise _Broken(Close.INVALID_TEXT, "not UTF-8") from None
        if not self.closing:
            self.close_code = code
            self.send(websocket_frame(payload[:2], 8))
        self.deaf = True
        self.flush()
        if self._pump is not None and not self.gone:
            self._pump.close()

    def _fail(self, code: int, reason: str) -> None:
        """Closes with `code`; reads on for a moment, because a reset would overtake the close frame."""
        self.close(code, reason)
        self.deaf = True
        self.flush()
        if self._pump is not None:
            self.flusher.loop.call_later(LINGER_S, self._pump.close)


def _closing_code(code: int) -> bool:
    """Whether a peer may send it. RFC 6455 section 7.4.2."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class _Broken(Exception):
    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
