"""Who gets a socket, and that whoever leaves around the upgrade leaves nothing behind."""

import random
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fixtures.server import Server
from tests.live.conftest import EVERY_WAY
from tests.live.figures import wait_until_all_closed
from tests.people import Person
from tests.raw_client import RawClient, Refused, frame

ROUNDS = 1000


@pytest.mark.parametrize(
    "path", ["/chat", "/chat?token=", "/chat?token=nonsense", "/chat?id=1&token=", "/chat?id=999999&token="]
)
def test_no_token_no_socket(alice: Person, path: str) -> None:
    with pytest.raises(Refused) as refused:
        RawClient(alice.port, path=path)
    assert refused.value.status == 401


def test_the_id_of_another(alice: Person, bob: Person) -> None:
    with pytest.raises(Refused) as refused:
        RawClient(alice.port, path=f"/chat?id={bob.user_id}&token={alice.token}")
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"],
)
def test_a_foreign_origin(alice: Person, origin: str) -> None:
    with pytest.raises(Refused) as refused:
        RawClient(alice.port, alice.token, headers=(f"Origin: {origin}",))
    assert refused.value.status == 403


def test_our_own_origin_by_cookie(alice: Person) -> None:
    headers = (f"Origin: http://127.0.0.1:{alice.port}", f"Cookie: im_session={alice.token}")
    RawClient(alice.port, headers=headers).until(cmd=3, userid=alice.user_id)


def test_a_name_that_is_not_ours(alice: Person) -> None:
    client = RawClient(alice.port, alice.token, handshake=False)
    client.send_raw(client.request.replace(b"Host: 127.0.0.1", b"Host: rebound.example"))
    with pytest.raises(Refused) as refused:
        client.read_response()
    assert refused.value.status == 403
    assert b"server.hosts" in refused.value.body


def test_a_frame_in_the_segment_of_the_request(alice: Person) -> None:
    client = RawClient(alice.port, alice.token, handshake=False)
    client.send_raw(client.request + frame(b'{"cmd":0,"rid":"early"}'))
    client.read_response()
    assert client.json()["cmd"] == 3
    assert client.json() == {"cmd": 0, "rid": "early"}


def _reset(client: RawClient) -> None:
    client.reset()


def _fin(client: RawClient) -> None:
    client.close()


def _frame_and_fin(client: RawClient) -> None:
    client.send_raw(frame(b'{"cmd":0}'))
    client.close()


def _half(client: RawClient) -> None:
    client.socket.shutdown(socket.SHUT_WR)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chat_server", EVERY_WAY, indirect=True)
@pytest.mark.parametrize("leave", [_reset, _fin, _frame_and_fin, _half], ids=["reset", "fin", "frame and fin", "half"])
@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_leaving_around_the_upgrade(alice: Person, leave: Callable[[RawClient], None], moment: str) -> None:
    """Twelve ways, a thousand in all and more: opened = closed, nothing logged (the fixture looks at the log)."""
    clients = []
    for number in range(ROUNDS // 10):
        client = alice.open(handshake=False)
        client.send_raw(client.request[:-2] if moment == "before" else client.request)
        if moment == "after":
            client.read_response()
        elif moment == "during" and number % 2:
            client.socket.recv(1)
        leave(client)
        clients.append(client)
    for client in clients:
        client.close()
    wait_until_all_closed(alice.port, alice.tls)


class Race:
    """Opens sockets while something changes: the upgrade arrives anywhere between the change's start and its end."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._threads = ThreadPoolExecutor(1)
        self._took_s = 0.005

    def open(self, change: Callable[[], object]) -> RawClient:
        """The open socket, after the change."""
        client = RawClient(self._person.port, self._person.token, handshake=False)
        client.send_raw(client.request[:-2])
        began = time.monotonic()
        changing = self._threads.submit(change)
        time.sleep(random.uniform(0, self._took_s))  # not for an event: to meet every moment of the change
        client.send_raw(client.request[-2:])
        client.read_response()
        client.until(cmd=3)
        changing.result(60)
        self._took_s = min(0.05, 0.8 * self._took_s + 0.2 * (time.monotonic() - began))
        return client


@pytest.mark.timeout(600)
def test_joining_while_the_socket_opens_leaves_nobody_deaf(alice: Person, bob: Person) -> None:
    community = alice.data("/contact/createcommunity", name=f"Open {alice.user_id}")["id"]
    race = Race(bob)
    for number in range(ROUNDS // 2):
        with race.open(lambda: bob.call("/contact/joincommunity", dstid=community)) as client:
            alice.say(community, f"round {number}", cmd=11)
            assert client.until(cmd=11, media=1)["content"] == f"round {number}"
        bob.call("/community/leave", dstid=community)


@pytest.mark.timeout(600)
def test_being_kicked_while_the_socket_opens_lets_no_word_through(alice: Person, bob: Person) -> None:
    alice.call("/contact/addfriend", dstid=bob.user_id)
    community = alice.data("/contact/createcommunity", name=f"Kick {alice.user_id}")["id"]
    race = Race(bob)
    for number in range(ROUNDS // 2):
        bob.call("/contact/joincommunity", dstid=community)
        with race.open(lambda: alice.call("/community/kick", dstid=community, memberid=bob.user_id)) as client:
            alice.say(community, "not for Bob", cmd=11)
            alice.say(bob.user_id, f"round {number}")
            while (got := client.json()).get("content") != f"round {number}":
                assert got.get("content") != "not for Bob"


def test_a_session_that_ends_while_its_socket_opens(alice: Person) -> None:
    for _ in range(100):
        token = alice.log_in()
        session = next(row["id"] for row in alice.rows("/user/sessions") if not row["current"])
        results: list[int] = []

        def open_and_wait(token: str = token, results: list[int] = results) -> None:
            try:
                results.append(RawClient(alice.port, token).closed_with())
            except Refused as refused:
                results.append(refused.status)
            except ConnectionError:
                results.append(1006)

        opening = threading.Thread(target=open_and_wait)
        opening.start()
        alice.call("/user/revoke", id=session)
        opening.join(60)
        assert results, "the socket of an ended session is open"
        assert results[0] in (401, 4500, 1006)


def test_too_many_sockets_of_one_user(chat_server: Server, bob: Person) -> None:
    clients = [bob.connect() for _ in range(20)]
    with pytest.raises(Refused) as refused:
        RawClient(bob.port, bob.token)
    assert refused.value.status == 409
    for client in clients:
        client.close()
    wait_until_all_closed(chat_server.port)
