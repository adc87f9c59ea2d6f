"""The two byte pumps below a wire: Tornado's stream, and the event loop's own transport."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from tornado.iostream import IOStream, StreamClosedError

from imtornado.live.wire import Wire

READ_BYTES = 65536
SEND_BUFFER_BYTES = 262144  # the kernel's share of what a slow reader costs


class StreamPump:
    """Bytes over Tornado's IOStream, so also over TLS inside the process."""

    __slots__ = ("_held", "_pending_bytes", "_stream", "_wire")

    def __init__(self, stream: IOStream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire
        self._held: asyncio.Future[None] | None = None
        self._pending_bytes = 0
        stream.set_close_callback(self._stream_closed)
        tune(stream.socket)
        wire.attach(self)

    async def run(self) -> None:
        """Reads until the socket ends. Whatever happens, the wire hears of the end once."""
        try:
            while True:
                reading = self._stream.read_bytes(READ_BYTES, partial=True)
                if reading.done():  # type: ignore[attr-defined]
                    await asyncio.sleep(0)  # more was there already: the others have their turn first
                self._wire.feed(await reading)
                if self._held is not None:
                    await self._held
        except StreamClosedError:
            pass
        finally:
            self._stream.close()
            self._wire.lost()

    def write(self, data: bytes) -> bool:
        if self._stream.closed():
            return True  # `run` is about to tell the wire
        future = self._stream.write(data)
        if not self._stream.writing():
            return True
        self._pending_bytes = len(data)
        future.add_done_callback(self._written)
        return False

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._pending_bytes = 0
        if not future.cancelled() and future.exception() is None:
            self._wire.writable()

    def pending_bytes(self) -> int:
        return self._pending_bytes

    def hold(self) -> None:
        if self._held is None:
            self._held = asyncio.get_running_loop().create_future()

    def go_on(self) -> None:
        held, self._held = self._held, None
        if held is not None and not held.done():
            held.set_result(None)

    def close(self) -> None:
        if not self._stream.writing():
            self._stream.close()
        else:
            self._stream.write(b"").add_done_callback(lambda _: self._stream.close())

    def abort(self) -> None:
        if not self._stream.closed():
            _reset(self._stream.socket)
        self._stream.close()

    def _stream_closed(self) -> None:
        self.go_on()  # a held reader would wait for ever


class TransportPump(asyncio.Protocol):
    """Bytes over the loop's own transport (uvloop's where it is installed): fewer steps a read and a write."""

    __slots__ = ("_transport", "_unread", "_wire")

    def __init__(self, wire: Wire, unread: bytes) -> None:
        self._wire = wire
        self._unread = unread  # what Tornado's stream had read beyond the upgrade request
        self._transport: asyncio.Transport | None = None

    @property
    def connected(self) -> bool:
        """Whether a transport has taken the socket: from then on it is the one to tell of the end."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        transport.set_write_buffer_limits(high=READ_BYTES)  # type: ignore[attr-defined]
        unread, self._unread = self._unread, b""
        self._wire.attach(self, unread)

    def data_received(self, data: bytes) -> None:
        self._wire.feed(data)

    def eof_received(self) -> bool:
        self._wire.hung_up()
        return True  # it is the wire that ends the socket, once what waits has left

    def pause_writing(self) -> None:
        self._wire.full = True

    def resume_writing(self) -> None:
        self._wire.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost()

    def write(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return True  # `connection_lost` is about to tell the wire
        transport.write(data)
        return not self._wire.full  # the transport has called pause_writing by now

    def pending_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def hold(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            _reset(self._transport.get_extra_info("socket"))
            self._transport.abort()


class Pumps:
    """Gives each upgraded socket its pump, and keeps the tasks of those that run in one."""

    def __init__(self) -> None:
        self.fast = False  # whether plain sockets leave Tornado's stream; decided once, at the start
        self._tasks: set[asyncio.Task[None]] = set()

    async def drive(self, stream: IOStream, wire: Wire, enter: Callable[[Wire], None]) -> None:
        """Moves the bytes of `stream`, whose 101 has been written, to and from `wire`; over TLS by the stream.

        `enter` makes the wire known, without waiting. What it raises is passed on, and the socket is closed; once it
        has returned, `Wire.lost` will be called, once. A stream that has ended meanwhile never gets there.
        """
        fast = self.fast and type(stream) is IOStream
        if fast:
            with contextlib.suppress(StreamClosedError):
                while stream.writing():  # the 101 did not fit into the socket: the peer pipelined and does not read
                    await stream.write(b"")
        if stream.closed():
            return
        try:
            enter(wire)
        except BaseException:
            stream.close()
            raise
        if fast:
            await _hand_over(stream, wire)
        else:
            task = asyncio.create_task(StreamPump(stream, wire).run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Waits for the tasks; their sockets have been told to end."""
        while self._tasks:
            await asyncio.wait(self._tasks)


async def _hand_over(stream: IOStream, wire: Wire) -> None:
    """The socket leaves the stream for a transport. What the stream had read too far is heard first."""
    connected, unread = _leave(stream)
    pump = TransportPump(wire, unread)
    try:
        tune(connected)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: pump, connected)
    finally:
        if not pump.connected:
            connected.close()
            wire.lost()


def _leave(stream: IOStream) -> tuple[socket.socket, bytes]:
    """(the socket of an open, idle stream, what it had read of it). The stream is closed without its socket.

    As Tornado's own `IOStream.start_tls` does it, by parts that are not documented: hence the range of versions in
    setup.cfg and the check at the start (`imtornado.live.self_check`).
    """
    connected = stream.socket
    stream.io_loop.remove_handler(connected)
    stream.socket = None  # type: ignore[assignment]
    stream._closed = True
    return connected, bytes(stream._read_buffer)


def _reset(connected: socket.socket | None) -> None:
    """Makes the end of the socket a reset: otherwise the kernel keeps what a dead peer never takes for many minutes."""
    if connected is None:
        return
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def tune(connected: socket.socket) -> None:
    """No waiting for more to send, and a bound on what the kernel keeps for a peer that does not read."""
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    except OSError:
        pass  # the peer has reset the connection: the pump is about to notice
