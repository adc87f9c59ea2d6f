"""A WebSocket client that can do everything wrong: raw frames over a blocking socket (RFC 6455)."""

import base64
import json
import os
import socket
import ssl
from types import TracebackType
from typing import Any

TIMEOUT_S = 20.0  # below heartbeat_s: a socket that hears nothing but pings must not wait for ever
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def frame(
    payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """One frame as a client sends it; `mask` None sends it unmasked."""
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    bit = 0 if mask is None else 0x80
    if len(payload) < 126:
        head += bytes((bit | len(payload),))
    elif len(payload) < 65536:
        head += bytes((bit | 126,)) + len(payload).to_bytes(2, "big")
    else:
        head += bytes((bit | 127,)) + len(payload).to_bytes(8, "big")
    if mask is None:
        return head + payload
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(len(payload), "big")


class Refused(Exception):
    """The server answered the upgrade with another status than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class RawClient:
    """A connected socket; `text` and `json` read messages, `read` any frame."""

    def __init__(
        self,
        port: int,
        token: str = "",
        *,
        v1: bool = True,
        path: str = "/chat",
        headers: tuple[str, ...] = (),
        handshake: bool = True,
        tls: ssl.SSLContext | None = None,
        receive_bytes: int = 0,
    ) -> None:
        """`receive_bytes` bounds what the kernel takes for us: for clients that read late or never."""
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._buffer = b""
        self.response = b""
        self.reserved = 0  # RSV1 to RSV3 of the last frame read: 4, 2, 1
        self._port = port
        self.request = self._request(token, v1, path, headers)
        if handshake:
            self.send_raw(self.request)
            self.read_response()

    def _request(self, token: str, v1: bool, path: str, headers: tuple[str, ...]) -> bytes:
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if v1:
            lines.append("Sec-WebSocket-Protocol: im.v1")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def read_response(self) -> bytes:
        """The head of the answer. Raises: Refused, ConnectionError."""
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        self.response, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        status = int(self.response.split(b" ", 2)[1])
        if status != 101:
            raise Refused(status, self._buffer)
        return self.response

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, message: object) -> None:
        self.send_raw(frame(message if isinstance(message, bytes) else json.dumps(message).encode()))

    def read(self) -> tuple[int, bytes]:
        """(opcode, payload) of the next frame. Raises: ConnectionError at the end of the stream, TimeoutError."""
        while True:
            found = self._split()
            if found is not None:
                return found
            self._receive()

    def text(self) -> str:
        """The next text message; pings are answered on the way."""
        while True:
            opcode, payload = self.read()
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                self.send_raw(frame(payload, PONG))
            elif opcode == CLOSE:
                raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text())
        return found

    def until(self, **fields: object) -> dict[str, Any]:
        """The next message in which all of `fields` are so; others are passed over."""
        while True:
            message = self.json()
            if all(message.get(name) == value for name, value in fields.items()):
                return message

    def closed_with(self) -> int:
        """The close code that the server gives, 1006 where the stream just ends."""
        try:
            while True:
                opcode, payload = self.read()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big") if payload else 1005
        except ConnectionError:
            return 1006

    def ended(self) -> bool:
        """True once the server has ended the stream; waits for it."""
        try:
            while True:
                self.read()
        except ConnectionError:
            return True

    def reset(self) -> None:
        """Ends the connection with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __del__(self) -> None:
        if hasattr(self, "socket"):
            self.socket.close()  # a test may just drop it

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server ended the stream")
        self._buffer += data

    def _split(self) -> tuple[int, bytes] | None:
        data = self._buffer
        if len(data) < 2:
            return None
        assert not data[1] & 0x80, "a server does not mask"
        assert data[0] & 0x80, "this server does not fragment"
        size, at = data[1] & 127, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + size:
            return None
        self._buffer = data[at + size :]
        self.reserved = data[0] >> 4 & 7
        return data[0] & 15, data[at : at + size]


class Closed(Exception):
    """The server sent a close frame where a message was expected."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def new_cid() -> str:
    return base64.b32encode(os.urandom(10)).decode()
