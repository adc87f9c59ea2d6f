"""What leaves a socket: frames gathered over a turn of the loop, written in one piece, held to a bound.

A socket that takes no more for now is full: what comes then waits in a backlog of shared frames. Only that backlog is
held to the bound, so a turn of many frames to a reader that reads is healthy.
"""

import asyncio
import logging
from enum import IntEnum
from typing import Protocol

from imtornado.frames import websocket_frame

log = logging.getLogger(__name__)

WRITE_BYTES = 262144  # at once: more is a private copy that a slow reader would keep
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
        self.slow_readers = 0  # closed because they did not read
        self.dirty: list[Outbox] = []
        self.deflated: dict[bytes, bytes] = {}  # {frame: its compressed form} of this turn (`live.deflate`)

    def flush(self) -> None:
        dirty, self.dirty = self.dirty, []
        for wire in dirty:
            try:
                wire.flush()
            except Exception:  # the others must get theirs
                log.exception("what %s should get could not be written", wire)
                wire.abort()
        self.deflated.clear()


class Outbox:
    """The outgoing half of a socket. `ended` is called exactly once, when it is gone."""

    __slots__ = (
        "_backlog",
        "_backlog_bytes",
        "_finishing",
        "_pump",
        "close_code",
        "closing",
        "flusher",
        "full",
        "gone",
        "queue",
    )

    def __init__(self, flusher: Flusher) -> None:
        self.flusher = flusher
        self.queue: list[bytes] = []  # complete frames waiting for the end of the turn
        self._backlog: list[bytes] = []  # those before them, which wait until the socket is not full any more
        self._backlog_bytes = 0
        self.full = False  # the socket takes no more for now
        self.closing = False  # a close frame has been queued: nothing may follow it
        self.gone = False
        self._finishing = False  # the socket ends as soon as everything queued has left
        self.close_code = int(Close.ABNORMAL)
        self._pump: Pump | None = None

    def ended(self, code: int) -> None:
        """The socket is gone. Called exactly once."""
        raise NotImplementedError

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
        """Writes the queue in one piece, or puts it behind what a full socket waits for."""
        queue = self.queue
        if not queue or self._pump is None:
            return
        self.queue = []
        if self.gone:
            return
        if self.full:
            self._keep(queue)
            return
        data = queue[0] if len(queue) == 1 else b"".join(queue)
        if len(data) <= WRITE_BYTES:
            self.full = not self._pump.write(data)
        else:
            self._backlog, self._backlog_bytes = queue, len(data)
            self._write_backlog()

    def _keep(self, frames: list[bytes]) -> None:
        """Holds what waits to its bound. Only here, while the socket is full: a turn of many frames is healthy."""
        self._backlog += frames
        self._backlog_bytes += sum(map(len, frames))
        if self._is_over_bound() and not self.closing:
            self._backlog = [frame for frame in self._backlog if not isinstance(frame, Ephemeral)]
            self._backlog_bytes = sum(map(len, self._backlog))
            if self._is_over_bound():
                self._backlog, self._backlog_bytes = [], 0
                self.flusher.slow_readers += 1
                self.close(Close.SLOW_CONSUMER, "too slow")

    def _is_over_bound(self) -> bool:
        assert self._pump is not None
        return self._pump.pending_bytes() + self._backlog_bytes > self.flusher.outbox_bytes

    def _write_backlog(self) -> None:
        """Writes what waits, in pieces, until the socket is full: the frames are shared, but not what is written."""
        assert self._pump is not None
        frames, at = self._backlog, 0
        while at < len(frames) and not self.full:
            first, size = at, 0
            while at < len(frames) and size < WRITE_BYTES:
                size += len(frames[at])
                at += 1
            self._backlog_bytes -= size
            self.full = not self._pump.write(b"".join(frames[first:at]))
        self._backlog = frames[at:]

    def writable(self) -> None:
        """The pump's word that the socket takes bytes again."""
        self.full = False
        if self._backlog:
            self._write_backlog()
        self.flush()
        if self._finishing:
            self.finish()

    def close(self, code: int, reason: str = "") -> None:
        """Sends a close frame behind what is queued; the socket ends with the peer's answer or after CLOSE_S."""
        if self.closing or self.gone:
            return
        self.send(websocket_frame(int(code).to_bytes(2, "big") + reason.encode(), 8))
        self.close_code = int(code)
        self._end()

    def hung_up(self) -> None:
        """The pump's word that the peer has ended its side: what is queued may still leave, for a moment."""
        if not self.closing:
            self._end()
        self.finish()

    def _end(self) -> None:
        """Nothing is queued from here on; the socket is torn down after CLOSE_S at the latest."""
        self.closing = True
        self.flusher.loop.call_later(CLOSE_S, self.abort)

    def finish(self) -> None:
        """Ends the socket once everything queued has left; while it is full that is after the last `writable`."""
        self.flush()
        self._finishing = True
        if self._pump is not None and not self.gone and not self._backlog:
            self._pump.close()

    def abort(self) -> None:
        if not self.gone and self._pump is not None:
            self._pump.abort()

    def lost(self) -> None:
        """The pump's last word."""
        if not self.gone:
            self.gone = self.closing = True
            self.queue = []
            self._backlog, self._backlog_bytes = [], 0
            self.ended(self.close_code)
