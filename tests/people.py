"""People who use a running server over HTTP and the chat socket."""

import http.client
import itertools
import json
import ssl
from typing import Any

from tests.raw_client import RawClient, new_cid

_numbers = itertools.count(13800000001)
PASSWORD = "correct horse 7"


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
    """The envelope of a JSON POST. Raises: Failure."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    try:
        sent = {"Content-Type": "application/json", "Accept": "application/json"} | (headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        connection.request(
            "POST", path, fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode(), sent
        )
        response = connection.getresponse()
        envelope: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if envelope["code"]:
        raise Failure(response.status, envelope["code"], envelope)
    return envelope


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
