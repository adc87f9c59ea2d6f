"""A chat socket from the client's side (`im.v1`, RFC 6455): for tools of ours that talk to a server.

It keeps the contract and no more: no reconnecting, no resending. Loop only.
"""

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable
from typing import cast

from tornado.util import _websocket_mask as mask

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NO_CLOSE_FRAME = 1006
OPEN_S = 30.0  # for the answer to the upgrade


class Refused(Exception):
    """The server answered the upgrade with another status than 101; 0 where it did not answer at all."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ChatSocket(asyncio.Protocol):
    """Calls `heard` with the payload of each text frame. `opened` is done after the 101, `ended` at the end."""

    def __init__(self, host: str, path: str, heard: Callable[["ChatSocket", bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()  # its close code
        self._heard = heard
        self._key = base64.b64encode(os.urandom(16))
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: im.v1\r\n\r\n"
        )
        self._buffer = b""
        self._code = NO_CLOSE_FRAME
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._transport.write(self._request.encode("ascii"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(Refused(0))
        if not self.ended.done():
            self.ended.set_result(self._code)

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """One masked frame."""
        size = len(payload)
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        elif size < 65536:
            head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
        key = os.urandom(4)
        self._transport.write(head + key + mask(key, payload))

    def close(self) -> None:
        self.send((1000).to_bytes(2, "big"), CLOSE)

    def abort(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.opened.done():
            head, end, rest = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = buffer
                return
            if not self._accepted(head):
                return
            buffer = rest
        self._buffer = self._take_frames(buffer)

    def _accepted(self, head: bytes) -> bool:
        status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/1.1 ") else b""
        proof = base64.b64encode(hashlib.sha1(self._key + GUID, usedforsecurity=False).digest())
        if status == b"101" and proof in head:
            self.opened.set_result(None)
            return True
        self.opened.set_exception(Refused(int(status) if status.isdigit() else 0))
        self._transport.abort()
        return False

    def _take_frames(self, data: bytes) -> bytes:
        """Hands over every complete frame; what is left of the last one. Our server never fragments."""
        at, available = 0, len(data)
        while available - at >= 2:
            size, body = data[at + 1], at + 2
            if size == 126:
                body = at + 4
                size = int.from_bytes(data[at + 2 : body], "big")
            elif size == 127:
                body = at + 10
                size = int.from_bytes(data[at + 2 : body], "big")
            if available < body + size:
                break
            opcode, payload, at = data[at] & 15, data[body : body + size], body + size
            if opcode == TEXT:
                self._heard(self, payload)
            else:
                self._control(opcode, payload)
        return data[at:]

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self.send(payload, PONG)
        elif opcode == CLOSE:
            self._code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.send(payload[:2], CLOSE)
            self._transport.close()


async def open_chat(host: str, port: int, path: str, heard: Callable[[ChatSocket, bytes], None]) -> ChatSocket:
    """An open socket; `path` as in a browser, its token in the query. Raises: Refused, OSError."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: ChatSocket(f"{host}:{port}", path, heard), host, port)
    try:
        async with asyncio.timeout(OPEN_S):
            await socket.opened
    except TimeoutError:
        socket.abort()
        raise Refused(0) from None
    return socket
