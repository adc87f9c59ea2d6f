"""One HTTP exchange with everything visible, for tests of headers, statuses and odd bodies."""

import http.client
import json
import urllib.parse
from typing import Any, NamedTuple

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        envelope: dict[str, Any] = json.loads(self.body)
        return envelope

    @property
    def code(self) -> int:
        code: int = self.envelope["code"]
        return code


def exchange(port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    """What the server answers to exactly this; `path` goes out as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body or method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def post_json(port: int, path: str, fields: object, **headers: str) -> Answer:
    """A JSON call; headers are written with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(port, "POST", path, json.dumps(fields).encode(), JSON | named)


def post_form(port: int, path: str, fields: dict[str, object], **headers: str) -> Answer:
    """As the original's scripts: nothing of JSON in Accept."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(port, "POST", path, urllib.parse.urlencode(fields).encode(), FORM | named)
