"""One WebSocket after its upgrade: a frame parser beside an outbox, over a pump of bytes (RFC 6455).

The parser takes what a read brought and hands over every complete message in it. Frames, fragments and what one
socket may take of a turn of the loop are bounded.
"""

import logging

from tornado.util import _websocket_mask as unmask

from imtornado.frames import FRAME_BYTES, websocket_frame
from imtornado.live.outbox import Close, Flusher, Outbox, Pump

log = logging.getLogger(__name__)

FRAMES_PER_TURN = 256  # so that one socket cannot keep the loop from the others
BYTES_PER_TURN = 65536  # the same, for long frames
FRAGMENTS = 1024
ASSEMBLY_S = 10  # for all fragments of a message
LINGER_S = 0.5


class Wire(Outbox):
    """Frames of one socket. Subclasses say what a message means (`received`) and what to do at the end (`ended`)."""

    __slots__ = ("_fragments", "_fragments_since", "_need", "_rest", "deaf", "heard", "held")

    def __init__(self, flusher: Flusher) -> None:
        super().__init__(flusher)
        self.held = False  # the reading side waits for the writer
        self.deaf = False  # the peer broke the protocol, or has ended its side: nothing more is heard
        self.heard = flusher.tick
        self._rest: bytearray | None = None  # an incomplete frame, or what waits while held
        self._need = 2  # bytes of `_rest` before another look is worth while
        self._fragments: list[bytes] | None = None
        self._fragments_since = 0

    def received(self, payload: bytes) -> None:
        """A complete text message, valid UTF-8."""
        raise NotImplementedError

    def attach(self, pump: Pump, unread: bytes = b"") -> None:
        """The pump moves bytes from now on; `unread` came before the first that it brings."""
        self._pump = pump
        if self.queue:
            self.schedule()
        if unread:
            self._rest = bytearray(unread)
            self.flusher.loop.call_soon(self._continue)

    def hung_up(self) -> None:
        self.deaf = True
        super().hung_up()

    def lost(self) -> None:
        self._rest = self._fragments = None
        super().lost()

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

    def _next_turn(self) -> None:
        """Ends the `hold` of a socket that has had its share of a turn, unless somebody else has."""
        if self.held:
            self.held = False
            self._continue()

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
                if not budget or at > BYTES_PER_TURN:
                    self.hold()
                    self.flusher.loop.call_soon(self._next_turn)
                    break
                budget -= 1
                first, second = data[at], data[at + 1]
                size, body = second & 127, at + 6
                if first & 8 and (size > 125 or not first & 0x80):
                    raise Broken(Close.PROTOCOL_ERROR, "control frames are short and whole")
                if size == 126:
                    body = at + 8
                    size = int.from_bytes(data[at + 2 : at + 4], "big")
                elif size == 127:
                    body = at + 14
                    size = int.from_bytes(data[at + 2 : at + 10], "big")
                if not second & 0x80:
                    raise Broken(Close.PROTOCOL_ERROR, "frames of a client are masked")
                if available < body:
                    need = body - at
                    break
                if size > FRAME_BYTES:
                    raise Broken(Close.TOO_BIG, "too long")
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
        except Broken as broken:
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
                raise Broken(Close.INVALID_TEXT, "not UTF-8") from None
        self.received(payload)

    def _other(self, first: int, payload: bytes) -> None:
        """Everything but an unfragmented text. RFC 6455 sections 5.4 and 5.5."""
        opcode = first & 15
        if first & 0x70:
            raise Broken(Close.PROTOCOL_ERROR, "reserved bits")
        if opcode == 8:
            self._closed_by_peer(payload)
        elif opcode == 9:
            self.send(websocket_frame(payload, 10))
        elif opcode == 10 or self.closing:
            pass
        elif opcode == 2:
            raise Broken(Close.UNSUPPORTED, "text only")
        elif opcode == 1:
            self._first_fragment(payload)
        elif opcode == 0:
            self._next_fragment(first, payload)
        else:
            raise Broken(Close.PROTOCOL_ERROR, "unknown opcode")

    def _first_fragment(self, payload: bytes) -> None:
        if self._fragments is not None:
            raise Broken(Close.PROTOCOL_ERROR, "a message inside a message")
        self._fragments = [payload]
        self._fragments_since = self.flusher.tick

    def _next_fragment(self, first: int, payload: bytes) -> None:
        parts = self._fragments
        if parts is None:
            raise Broken(Close.PROTOCOL_ERROR, "nothing to continue")
        parts.append(payload)
        if sum(map(len, parts)) > FRAME_BYTES:
            raise Broken(Close.TOO_BIG, "too long")
        if len(parts) > FRAGMENTS or self.flusher.tick - self._fragments_since > ASSEMBLY_S:
            raise Broken(Close.PROTOCOL_ERROR, "too many fragments")
        if first & 0x80:
            self._fragments = None
            self._assembled(b"".join(parts))

    def _assembled(self, payload: bytes) -> None:
        self._text(payload)

    def _closed_by_peer(self, payload: bytes) -> None:
        """Answers a close frame in kind; an answer to ours ends the socket. RFC 6455 section 5.5.1."""
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        if len(payload) == 1 or not ((code == 1005 and not payload) or _closing_code(code)):
            raise Broken(Close.PROTOCOL_ERROR, "not a close code")
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            raise Broken(Close.INVALID_TEXT, "not UTF-8") from None
        if not self.closing:
            self.close_code = code
            self.send(websocket_frame(payload[:2], 8))
        self.hung_up()

    def _fail(self, code: int, reason: str) -> None:
        """Closes with `code`; reads on for a moment, because a reset would overtake the close frame."""
        self.close(code, reason)
        self.deaf = True
        self.flush()
        self.flusher.loop.call_later(LINGER_S, self.finish)


def _closing_code(code: int) -> bool:
    """Whether a peer may send it. RFC 6455 section 7.4.2."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class Broken(Exception):
    """The peer has broken the protocol: how the socket is closed."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
