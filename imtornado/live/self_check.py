"""Whether sockets can leave Tornado's stream here: tried out at the start, with a real upgrade over loopback.

The hand-over leans on parts of Tornado that are not documented, and on the event loop's transports. What it needs
is tested rather than assumed: bytes that came with the request are heard first, frames pass both ways, and the end
of the socket is told once.
"""

import asyncio
import logging
import socket

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, WebSocketProtocol

from imtornado.frames import websocket_frame
from imtornado.live.outbox import Flusher
from imtornado.live.pumps import Pumps
from imtornado.live.upgrade import Upgrade
from imtornado.live.wire import Wire

log = logging.getLogger(__name__)

PATIENCE_S = 3.0
MASKED_HELLO = b"\x81\x85\0\0\0\0hello"  # "hello", masked with zeros
MASKED_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"  # 1000
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class _Echo(Wire):
    """Gives back what it hears, and keeps the codes with which it ended."""

    __slots__ = ("ends",)

    def __init__(self, flusher: Flusher, ends: list[int]) -> None:
        super().__init__(flusher)
        self.ends = ends

    def received(self, payload: bytes) -> None:
        self.send(websocket_frame(payload))

    def ended(self, code: int) -> None:
        self.ends.append(code)


class _Handler(WebSocketHandler):
    def initialize(self, flusher: Flusher, pumps: Pumps, ends: list[int]) -> None:
        self._flusher = flusher
        self._pumps = pumps
        self._ends = ends

    def get_websocket_protocol(self) -> WebSocketProtocol:
        return Upgrade(self, lambda _, __: _Echo(self._flusher, self._ends), lambda _: None, self._pumps)


async def hand_over_works(flusher: Flusher) -> bool:
    """True when a socket was handed over and everything was as expected; else False, and a line that says why."""
    pumps, ends = Pumps(), list[int]()
    pumps.fast = True
    server = None
    try:
        routes = [("/", _Handler, {"flusher": flusher, "pumps": pumps, "ends": ends})]
        server = HTTPServer(Application(routes, log_function=lambda _: None))
        listeners = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        server.add_sockets(listeners)
        async with asyncio.timeout(PATIENCE_S):
            await _converse(listeners[0].getsockname()[1])
        if ends != [1000]:
            raise RuntimeError(f"the end of the socket was told as {ends}")
    except Exception as error:
        log.warning("sockets stay with Tornado's streams: handing one over failed: %r", error)
        return False
    finally:
        if server is not None:
            server.stop()
    return True


async def _converse(port: int) -> None:
    """A client's side. Raises: whatever is not as expected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(REQUEST + MASKED_HELLO[:3])  # part of a frame in the segment of the request
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise RuntimeError(f"the upgrade was answered with {head[:40]!r}")
        writer.write(MASKED_HELLO[3:] + MASKED_HELLO)
        echo = websocket_frame(b"hello") * 2
        if (heard := await reader.readexactly(len(echo))) != echo:
            raise RuntimeError(f"the answer was {heard!r}")
        writer.write(MASKED_CLOSE)
        if (heard := await reader.read()) != b"\x88\x02\x03\xe8":
            raise RuntimeError(f"the close was answered with {heard!r}")
    finally:
        writer.close()
