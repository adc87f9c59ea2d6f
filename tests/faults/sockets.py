"""Clients on the event loop, for hundreds of them at once: a chat socket, and HTTP calls."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import msgspec

from tests.people import Failure
from tests.raw_client import ACCEPT, CLOSE, KEY, PING, PONG, TEXT, Refused, frame

OPEN_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 60.0
decode = msgspec.json.decode


def take_frames(buffer: bytearray) -> list[tuple[int, bytes, bytes]]:
    """[(opcode, payload, all its bytes)] of the complete frames of a server, which are removed from `buffer`."""
    found = []
    at = 0
    while len(buffer) - at >= 2:
        size, body = buffer[at + 1] & 127, at + 2
        if size == 126:
            size, body = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, body = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
        if len(buffer) < body + size:
            break
        found.append((buffer[at] & 15, bytes(buffer[body : body + size]), bytes(buffer[at : body + size])))
        at = body + size
    del buffer[:at]
    return found


class ChatSocket(asyncio.Protocol):
    """One connection, from its upgrade on. `heard` gets each message, `ended` is set at its end."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self._heard = heard
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""
        self.close_code = 1006
        self.closed_at = 0.0  # on the loop's clock
        self.ended = asyncio.Event()

    @classmethod
    async def open(cls, port: int, token: str, heard: Callable[[dict[str, Any]], None]) -> "ChatSocket":
        """An im.v1 socket; its HELLO comes to `heard`. Raises: Refused, OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            _, chat = await loop.create_connection(lambda: cls(heard), "127.0.0.1", port)
            try:
                chat._ask(port, token)
                await chat._upgraded
            except BaseException:
                chat.abort()
                raise
        return chat

    def send(self, message: dict[str, Any]) -> None:
        self._write(frame(msgspec.json.encode(message)))

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        """Ends the connection with an RST, as a lost network does."""
        self._transport.abort()

    def _ask(self, port: int, token: str) -> None:
        lines = (
            "GET /chat HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: im.v1",
            f"Authorization: Bearer {token}",
        )
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if not self._upgraded.done():
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return
            head, data = self._head.split(b"\r\n\r\n", 1)
            status = int(head.split(b" ", 2)[1])
            if status != 101:
                self._upgraded.set_exception(Refused(status, data))
                return
            assert ACCEPT.encode() in head
            self._upgraded.set_result(None)
        self._buffer += data
        for opcode, payload, _ in take_frames(self._buffer):
            if opcode == TEXT:
                self._heard(decode(payload))
            elif opcode == PING:
                self._write(frame(payload, PONG))
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big") if payload else 1005
                self._write(frame(payload[:2], CLOSE))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed_at = asyncio.get_running_loop().time()
        if not self._upgraded.done():
            self._upgraded.set_exception(ConnectionResetError("the connection ended before its upgrade"))
        self.ended.set()


async def call(port: int, path: str, token: str, **fields: object) -> dict[str, Any]:
    """The envelope of a JSON POST on a connection of its own. Raises: Failure, OSError (also for half an answer)."""
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    status, text = await _exchange(port, head.encode() + body)
    try:
        envelope: dict[str, Any] = decode(text)
    except msgspec.DecodeError as error:
        raise ConnectionResetError(f"half an answer: {text[:200]!r}") from error
    if envelope["code"]:
        raise Failure(status, envelope["code"], envelope)
    return envelope


async def get(port: int, path: str) -> tuple[int, bytes]:
    """(status, body) of a GET without a session. Raises: OSError."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    return await _exchange(port, head.encode())


async def _exchange(port: int, request: bytes) -> tuple[int, bytes]:
    async with asyncio.timeout(CALL_TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            answered = await reader.read()
        finally:
            writer.transport.abort()
    start, found, text = answered.partition(b"\r\n\r\n")
    if not found:
        raise ConnectionResetError(f"no answer: {answered[:200]!r}")
    return int(start.split(b" ", 2)[1]), text
