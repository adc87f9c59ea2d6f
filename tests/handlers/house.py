"""The whole server in a thread of the test's own process, and calls as old and new clients make them."""

import asyncio
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imtornado import config_sources as settings
from imtornado.app import Server
from imtornado.clock import Clock
from imtornado.config import Uploads
from storage.backends import open_store
from storage.store import Store
from tests.people import Failure, Person


class House(NamedTuple):
    """A running server: its port, its store to look at what a call has left, and where its files live."""

    port: int
    store: Store
    uploads: Uploads

    def person(self, nickname: str = "") -> Person:
        return Person(self.port, nickname or "somebody")

    def people(self, count: int) -> tuple[Person, ...]:
        return tuple(self.person(f"person {number}") for number in range(count))

    def later(self) -> str:
        """A stamp to ask `since` from for what happens from now on, and nothing that happened before."""
        clock = self.store.clock
        before = clock.now_ms()
        while (now_ms := clock.now_ms()) <= before:
            time.sleep(0.001)
        return f"{now_ms:x}"


@contextmanager
def open_house(folder: Path, *overrides: str) -> Iterator[House]:
    """`overrides` are settings as "contacts.confirm=no"; nothing is throttled unless they say so."""
    config = settings.load(
        environment={},
        settings=[
            "server.port=0",
            f"storage.url=sqlite:///{folder}/im.db",
            f"uploads.folder={folder}/resource",
            "accounts.bcrypt_rounds=4",
            "security.throttle=no",
            *overrides,
        ],
    )
    ready = threading.Event()
    opened: list[Any] = []

    async def live() -> None:
        store = open_store(config.storage.url, Clock())
        server = Server(config, store)
        sockets = await server.start()
        stop = asyncio.Event()
        opened.extend((sockets[0].getsockname()[1], store, stop, asyncio.get_running_loop()))
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="server", daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    port, store, stop, loop = opened
    try:
        yield House(port, store, config.uploads)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
    assert not thread.is_alive(), "the server did not stop"


def create(owner: Person, *members: Person, **fields: object) -> int:
    """The id of a new community in which `members` are."""
    number = len(owner.rows("/contact/loadcommunity"))
    given = {"name": f"of {owner.user_id} no {number}"} | fields
    community_id: int = owner.data("/contact/createcommunity", **given)["id"]
    for member in members:
        assert member.data("/contact/joincommunity", dstid=community_id)["status"] == "joined"
    return community_id


def refusal(person: Person, path: str, **fields: object) -> tuple[int, int, str]:
    """(status, code, field) of a JSON call that must be refused, with a sentence."""
    with pytest.raises(Failure) as refused:
        person.call(path, **fields)
    failure = refused.value
    assert failure.envelope["msg"]
    assert failure.status == failure.code // 100
    return failure.status, failure.code, (failure.envelope["data"] or {}).get("field", "")


class OldClient:
    """A browser of the original's time: forms, a cookie jar and its Origin, no word of JSON in Accept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cookie = ""

    def post(self, path: str, **fields: object) -> dict[str, Any]:
        """The envelope; the status is 200 whatever happened."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "*/*",
            "Origin": f"http://127.0.0.1:{self._port}",
            "Cookie": self.cookie,
        }
        try:
            connection.request("POST", path, urllib.parse.urlencode(fields).encode(), headers)
            response = connection.getresponse()
            assert response.status == 200
            self.cookie = (response.headers.get("Set-Cookie") or self.cookie).partition(";")[0]
            envelope: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        return envelope
