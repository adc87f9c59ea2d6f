"""Uploading and fetching over real sockets, politely and not."""

import http.client
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.handlers.calls import Answer as Answer
from tests.people import Person

BOUNDARY = "----TestBoundary7MA4YWxk"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def form(data: bytes, *, name: str = "file", file_name: str = "a.png", fields: Sequence[tuple[str, str]] = ()) -> bytes:
    """A multipart body with one file."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        "Content-Type: text/html\r\n\r\n"
    )
    return b"".join((*parts, head.encode(), data, f"\r\n--{BOUNDARY}--\r\n".encode()))


def request(port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """Headers are named with underscores: {"Content_Type": "…"}."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(
            method, path, body or None, {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        )
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def post_file(person: Person, body: bytes, **headers: str) -> Answer:
    """POST /attach/upload with a bearer token; `body` is the whole form."""
    known = {"Content_Type": CONTENT_TYPE, "Accept": "application/json", "Authorization": f"Bearer {person.token}"}
    return request(person.port, "POST", "/attach/upload", known | headers, body)


def upload(person: Person, data: bytes) -> dict[str, Any]:
    """The envelope of an upload that must succeed."""
    answer = post_file(person, form(data))
    assert answer.code == 0, answer.envelope
    assert answer.status == 200
    return answer.envelope


def fetch(person: Person, path: str, method: str = "GET", **headers: str) -> Answer:
    return request(person.port, method, path, {"Authorization": f"Bearer {person.token}"} | headers)


def head_of_upload(person: Person, *lines: str) -> bytes:
    """The head of an upload, for raw sockets."""
    return "\r\n".join(
        (
            "POST /attach/upload HTTP/1.1",
            f"Host: 127.0.0.1:{person.port}",
            f"Content-Type: {CONTENT_TYPE}",
            "Accept: application/json",
            f"Authorization: Bearer {person.token}",
            *lines,
            "\r\n",
        )
    ).encode()


def raw(port: int, *pieces: bytes) -> socket.socket:
    """A connection on which the pieces have been sent."""
    connection = socket.create_connection(("127.0.0.1", port), 60)
    for piece in pieces:
        connection.sendall(piece)
    return connection


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    finally:
        response.close()
        connection.close()


def arriving(folder: Path) -> list[Path]:
    """The temporary files of a server whose data is in `folder`."""
    return [file for file in (folder / "resource" / ".incoming").rglob("*") if file.is_file()]


def until_something_arrives(folder: Path) -> None:
    until = time.monotonic() + 30
    while not any(file.stat().st_size for file in arriving(folder)):
        assert time.monotonic() < until, "nothing arrived"
        time.sleep(0.01)


def until_arrived(folder: Path, files: int) -> None:
    """Returns when so many temporary files are there, or everything is over."""
    until = time.monotonic() + 30
    while len(arriving(folder)) < files and not [*folder.glob("resource/??/*")]:
        assert time.monotonic() < until, "nothing was made"
        time.sleep(0.001)


def until_nothing_arrives(folder: Path) -> None:
    until = time.monotonic() + 30
    while arriving(folder):
        assert time.monotonic() < until, f"left behind: {arriving(folder)}"
        time.sleep(0.01)
