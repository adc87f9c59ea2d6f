"""MySQL 8's log-in by a public key, which MariaDB does not have: a few packets of its protocol are played."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import pymysql._auth
import pytest

from imtornado.clock import Clock
from imtornado.errors import Busy
from storage.backends import open_store
from tests.fixtures.logs import ExpectLog

PLUGIN = b"caching_sha2_password"
CAPABILITIES = 0x0008_A208 | 0x1  # protocol 4.1, log-in by a plugin; no TLS
FULL_LOG_IN, PUBLIC_KEY_WANTED = b"\x01\x04", b"\x02"


class WithoutTls(socketserver.BaseRequestHandler):
    """A server that knows nobody from before, and offers its public key."""

    def handle(self) -> None:
        salt = b"12345678", b"901234567890"
        low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
        greeting = b"\x0a8.0.36\0" + struct.pack("<I", 1) + salt[0] + b"\0"
        greeting += struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + salt[1] + b"\0" + PLUGIN + b"\0"
        self._send(0, greeting)
        self._receive()
        self._send(2, FULL_LOG_IN)
        assert self._receive() == PUBLIC_KEY_WANTED
        self._send(4, b"\x01-----BEGIN PUBLIC KEY-----")

    def _send(self, number: int, data: bytes) -> None:
        self.request.sendall(struct.pack("<I", len(data))[:3] + bytes([number]) + data)

    def _receive(self) -> bytes:
        head = self.request.recv(4, socket.MSG_WAITALL)
        data: bytes = self.request.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL)
        return data


@pytest.fixture
def port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), WithoutTls) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_package_that_it_needs_is_named(port: int, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog) -> None:
    monkeypatch.setattr(pymysql._auth, "_have_cryptography", False)
    expect_log("storage.mysql", r"'cryptography' package is required.*pip install 'imtornado\[crypto\]'")
    with pytest.raises(Busy):
        open_store(f"mysql://im:password@127.0.0.1:{port}/im", Clock())
