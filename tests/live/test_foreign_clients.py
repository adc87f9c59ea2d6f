"""WebSocket clients of others: `websockets`, and `wsproto` over a socket of ours."""

import json
import socket
import ssl
from contextlib import AbstractContextManager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping, Pong, Request

from tests.live.conftest import EVERY_WAY
from tests.people import Person

pytestmark = pytest.mark.parametrize("chat_server", EVERY_WAY, indirect=True)
DEADLINE_S = 30.0
TEXT = "κόσμε 你好 🎉 " * 1000


def websockets_client(person: Person, **options: Any) -> AbstractContextManager[ClientConnection]:
    scheme = "ws" if person.tls is None else "wss"
    headers = {"Authorization": f"Bearer {person.token}"}
    client: AbstractContextManager[ClientConnection] = connect(
        f"{scheme}://127.0.0.1:{person.port}/chat",
        additional_headers=headers,
        subprotocols=[Subprotocol("im.v1")],
        ssl=person.tls,
        open_timeout=DEADLINE_S,
        close_timeout=DEADLINE_S,
        **options,
    )
    return client


def until(client: ClientConnection, cmd: int) -> dict[str, Any]:
    while True:
        got: dict[str, Any] = json.loads(client.recv(DEADLINE_S))
        if got["cmd"] == cmd:
            return got


def test_websockets_talks_and_says_good_bye(friends: tuple[Person, Person]) -> None:
    alice, bob = friends
    with websockets_client(alice) as here, websockets_client(bob) as there:
        assert here.subprotocol == "im.v1"
        until(there, 3)
        here.send(json.dumps(alice.message(bob.user_id, TEXT)))
        assert until(here, 1)["seq"] == 1
        assert until(there, 10)["content"] == TEXT
        assert here.ping().wait(DEADLINE_S)
        text = json.dumps(bob.message(alice.user_id, "in pieces"))
        there.send([text[:10], text[10:20], text[20:]])
        assert until(here, 10)["content"] == "in pieces"
    assert (here.close_code, there.close_code) == (1000, 1000)


def test_websockets_is_told_why_it_is_closed(alice: Person) -> None:
    with websockets_client(alice) as binary:
        binary.send(b"{}")
        with pytest.raises(ConnectionClosed):
            until(binary, 99)
        assert binary.close_code == 1003
    with websockets_client(alice) as ended:
        until(ended, 3)
        alice.call("/user/logout")
        with pytest.raises(ConnectionClosed):
            until(ended, 99)
        assert (ended.close_code, ended.close_reason) == (4500, "session ended")
    with pytest.raises(InvalidStatus) as refused, websockets_client(alice):
        pass
    assert refused.value.response.status_code == 401


class WsprotoClient:
    """Events of `wsproto` over a blocking socket."""

    def __init__(self, person: Person) -> None:
        self._socket: socket.socket | ssl.SSLSocket
        self._socket = socket.create_connection(("127.0.0.1", person.port), DEADLINE_S)
        if person.tls is not None:
            self._socket = person.tls.wrap_socket(self._socket, server_hostname="127.0.0.1")
        self._connection = WSConnection(ConnectionType.CLIENT)
        headers = [(b"Authorization", f"Bearer {person.token}".encode())]
        self.send(Request(host="127.0.0.1", target="/chat", subprotocols=["im.v1"], extra_headers=headers))
        self._events: list[Event] = []
        assert isinstance(self.next(), AcceptConnection)

    def send(self, event: Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def next(self) -> Event:
        while not self._events:
            self._connection.receive_data(self._socket.recv(65536) or None)
            self._events += self._connection.events()
        return self._events.pop(0)

    def text(self) -> str:
        """The next whole message."""
        parts = ""
        while isinstance(event := self.next(), Message):
            parts += str(event.data)
            if event.message_finished:
                return parts
        raise AssertionError(event)

    def close(self) -> None:
        self._socket.close()


def test_wsproto_talks_and_says_good_bye(alice: Person) -> None:
    client = WsprotoClient(alice)
    assert json.loads(client.text())["cmd"] == 3
    client.send(Message(json.dumps(alice.message(alice.user_id, TEXT))))
    assert json.loads(client.text())["cmd"] == 1
    client.send(Ping(b"there?"))
    pong = client.next()
    assert isinstance(pong, Pong)
    assert pong.payload == b"there?"
    client.send(Message('{"cmd":0,', message_finished=False))
    client.send(Message('"rid":"two"}'))
    assert json.loads(client.text()) == {"cmd": 0, "rid": "two"}
    client.send(CloseConnection(1001, "leaving"))
    closed = client.next()
    assert isinstance(closed, CloseConnection)
    assert closed.code == 1001
    client.close()
