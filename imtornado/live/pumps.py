"""The two byte pumps below a wire: Tornado's stream, and the event loop's own transport."""

import asyncio
import socket

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
                data = await self._stream.read_bytes(READ_BYTES, partial=True)
                self._wire.feed(data)
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
        self._stream.close()

    def _stream_closed(self) -> None:
        self.go_on()  # a held reader would wait for ever


class TransportPump(asyncio.Protocol):
    """Bytes over the loop's own transport (uvloop's where it is installed): fewer steps a read and a write."""

    __slots__ = ("_transport", "_wire")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=READ_BYTES)
        self._wire.attach(self)

    def data_received(self, data: bytes) -> None:
        self._wire.feed(data)

    def pause_writing(self) -> None:
        self._wire.full = True

    def resume_writing(self) -> None:
        self._wire.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost()

    def write(self, data: bytes) -> bool:
        assert self._transport is not None
        self._transport.write(data)
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
            self._transport.abort()


def tune(connected: socket.socket) -> None:
    """No waiting for more to send, and a bound on what the kernel keeps for a peer that does not read."""
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    except OSError:
        pass  # the peer has reset the connection: the pump is about to notice
