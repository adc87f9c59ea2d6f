"""People who use a running server over HTTP and the chat socket."""

import http.client
import itertools
import json
import ssl
import time
from typing import Any

from tests.raw_client import RawClient, new_cid

_numbers = itertools.count(13800000001)
PASSWORD = "correct horse 7"
BUSY = 50301  # a disk that stands still for two seconds, as those of build machines do: outcome unknown
BUSY_FOR_S = 60
# {path: the code of a second call when the first was done after all}; 0: the second is as good as the first.
DONE_BEFORE = {
    "/message/send": 0,
    "/message/read": 0,
    "/message/recall": 0,
    "/message/edit": 0,
    "/message/react": 0,
    "/contact/joincommunity": 0,
    "/community/leave": 40401,
    "/community/kick": 40401,
}


class Failure(Exception):
    """An envelope whose code is not 0."""

    def __init__(self, status: int, code: int, envelope: dict[str, Any]) -> None:
        super().__init__(status, code, envelope.get("msg"))
        self.status = status
        self.code = code
        self.envelope = envelope


def call(
    port: int,
    path: str,
    fields: object = None,
    *,
    token: str = "",
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> dict[str, Any]:
    """The envelope of a JSON POST. A change of which the server says that its outcome is unknown is asked for again.

    Raises: Failure.
    """
    sent = {"Content-Type": "application/json", "Accept": "application/json"} | (headers or {})
    if token:
        sent["Authorization"] = f"Bearer {token}"
    body = fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode()
    until, again = time.monotonic() + BUSY_FOR_S, False
    while True:
        status, envelope = _exchange(port, path, body, sent, tls)
        if again and envelope["code"] and envelope["code"] == DONE_BEFORE.get(path):
            return {"code": 0, "msg": "", "data": None}
        if envelope["code"] != BUSY or path not in DONE_BEFORE or time.monotonic() > until:
            break
        again = True
    if envelope["code"]:
        raise Failure(status, envelope["code"], envelope)
    return envelope


def _exchange(
    port: int, path: str, body: bytes, headers: dict[str, str], tls: ssl.SSLContext | None
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class Person:
    """A registered user with one session."""

    def __init__(self, port: int, nickname: str, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.nickname = nickname
        self.mobile = str(next(_numbers))
        data = self._public("/user/register", passwd=PASSWORD, nickname=nickname)
        self.user_id: int = data["id"]
        self.token: str = data["token"]

    def call(self, path: str, **fields: object) -> dict[str, Any]:
        return call(self.port, path, fields, token=self.token, tls=self.tls)

    def _public(self, path: str, **fields: object) -> Any:
        return call(self.port, path, {"mobile": self.mobile} | fields, tls=self.tls)["data"]

    def data(self, path: str, **fields: object) -> Any:
        return self.call(path, **fields)["data"]

    def rows(self, path: str, **fields: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.call(path, **fields)["rows"]
        return rows

    def log_in(self) -> str:
        """The token of another session."""
        token: str = self._public("/user/login", passwd=PASSWORD)["token"]
        return token

    def open(self, *, token: str = "", **options: Any) -> RawClient:
        """A socket of his before its HELLO; `options` are those of RawClient."""
        return RawClient(self.port, token or self.token, tls=self.tls, **options)

    def connect(self, *, v1: bool = True, token: str = "") -> RawClient:
        """A chat socket after its HELLO or welcome."""
        client = self.open(token=token or self.token, v1=v1)
        if v1:
            client.until(cmd=3)
        else:
            assert client.text() == "welcome!"
        return client

    def befriend(self, other: "Person") -> None:
        self.call("/contact/addfriend", dstid=other.user_id)
        other.call("/contact/accept", dstid=self.user_id)

    def message(self, dstid: int, content: str, cmd: int = 10, **fields: object) -> dict[str, Any]:
        """A frame with a new cid."""
        return {"cmd": cmd, "dstid": dstid, "media": 1, "content": content, "cid": new_cid()} | fields

    def say(self, dstid: int, content: str, cmd: int = 10) -> dict[str, Any]:
        """Sends without a socket; what an ACK carries."""
        data: dict[str, Any] = self.data("/message/send", **self.message(dstid, content, cmd))
        return data
