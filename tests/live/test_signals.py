"""What is relayed and never stored: TYPING and SIGNAL."""

import json
from typing import Any

import pytest

from tests.fixtures.server import Server, StartServer
from tests.people import Person
from tests.raw_client import RawClient, frame

Friends = tuple[Person, Person]


def typing(dstid: int, kind: int = 10, **fields: object) -> dict[str, Any]:
    return {"cmd": 14, "kind": kind, "dstid": dstid} | fields


def signal(dstid: int, data: object, **fields: object) -> dict[str, Any]:
    return {"cmd": 17, "kind": 10, "dstid": dstid, "data": data} | fields


def heard_nothing(client: RawClient) -> bool:
    """Nothing but an answer to a question that is asked now is on its way."""
    client.send({"cmd": 0, "rid": "anything?"})
    return client.json() == {"cmd": 0, "rid": "anything?"}


def test_who_types_is_seen_by_the_other_side_only(friends: Friends) -> None:
    alice, bob = friends
    here, there, phone, laptop = alice.connect(), alice.connect(), bob.connect(), bob.connect()
    old = bob.connect(v1=False)
    here.send(typing(bob.user_id, userid=bob.user_id))
    for client in (phone, laptop):
        assert client.json() == {"cmd": 14, "kind": 10, "dstid": bob.user_id, "userid": alice.user_id}
    assert heard_nothing(here)
    assert heard_nothing(there)
    here.send(alice.message(bob.user_id, "written"))
    assert json.loads(old.text())["content"] == "written", "the original's client got a frame that it cannot know"


def test_typing_is_passed_on_once_a_second_for_each_conversation(friends: Friends) -> None:
    alice, bob = friends
    here, phone, own = alice.connect(), bob.connect(), alice.connect()
    for _ in range(50):
        here.send(typing(bob.user_id))
    here.send(typing(alice.user_id))  # the notebook is another conversation, and has no other side
    here.send(signal(bob.user_id, "end"))
    assert phone.json()["cmd"] == 14
    assert phone.json()["cmd"] == 17, "a second one within the second was passed on"
    assert heard_nothing(here)
    assert heard_nothing(own)


def test_who_types_in_a_community_is_seen_by_its_members(alice: Person, bob: Person) -> None:
    carol = Person(alice.port, "Carol")
    room = alice.data("/contact/createcommunity", name=f"Typing {alice.user_id}")["id"]
    bob.call("/contact/joincommunity", dstid=room)
    here, phone, outside, old = alice.connect(), bob.connect(), carol.connect(), bob.connect(v1=False)
    here.send(typing(room, kind=11))
    assert phone.json() == {"cmd": 14, "kind": 11, "dstid": room, "userid": alice.user_id}
    outside.send(typing(room, kind=11, rid="r1"))
    refused = outside.json()
    assert (refused["cmd"], refused["code"], refused["rid"]) == (2, 40303, "r1")
    assert heard_nothing(phone)
    alice.call("/community/kick", dstid=room, memberid=bob.user_id)
    assert phone.until(cmd=16)["event"] == "community.kicked"
    phone.send(typing(room, kind=11))
    assert phone.until(cmd=2)["code"] == 40303
    assert json.loads(old.text())["event"]["kind"] == "kicked", "the original's client got a frame beside messages"


def test_the_silenced_do_not_type(alice: Person, bob: Person) -> None:
    room = alice.data("/contact/createcommunity", name=f"Silent {alice.user_id}")["id"]
    bob.call("/contact/joincommunity", dstid=room)
    here, phone = alice.connect(), bob.connect()
    phone.send(typing(room, kind=11))
    assert here.until(cmd=14)["userid"] == bob.user_id
    alice.call("/community/mute", dstid=room, memberid=bob.user_id, seconds=600)
    other = bob.connect()  # another socket has an allowance of its own
    other.send(typing(room, kind=11))
    assert other.until(cmd=2)["code"] == 40304


def test_a_signal_reaches_every_device_of_the_peer_with_any_json(friends: Friends) -> None:
    alice, bob = friends
    here, there, phone, laptop = alice.connect(), alice.connect(), bob.connect(), bob.connect()
    old = bob.connect(v1=False)
    for data in ({"type": "offer", "sdp": "v=0\r\n" * 100}, ["候选", 1.5, None], None, False, 0, "", "x" * 16_000):
        here.send(signal(bob.user_id, data, userid=bob.user_id))
        for client in (phone, laptop):
            got = client.json()
            assert got == {"cmd": 17, "kind": 10, "dstid": bob.user_id, "userid": alice.user_id, "data": data}
    assert heard_nothing(here)
    assert heard_nothing(there)
    assert bob.rows("/message/history", kind=10, dstid=alice.user_id) == []
    here.send(alice.message(bob.user_id, "written"))
    assert json.loads(old.text())["content"] == "written"


def test_signals_keep_their_order_also_before_the_right_is_known(friends: Friends) -> None:
    alice, bob = friends
    here, phone = alice.connect(), bob.connect()
    here.send_raw(b"".join(frame(json.dumps(signal(bob.user_id, number)).encode()) for number in range(60)))
    assert [phone.json()["data"] for _ in range(60)] == list(range(60))


def test_signals_to_oneself_reach_the_other_devices(alice: Person) -> None:
    here, there = alice.connect(), alice.connect()
    here.send(signal(alice.user_id, {"pair": 1}))
    assert there.json()["data"] == {"pair": 1}
    assert heard_nothing(here)


def test_strangers_and_unknown_users_are_not_signalled_and_look_alike(alice: Person, bob: Person) -> None:
    here, phone = alice.connect(), bob.connect()
    told = []
    for dstid in (bob.user_id, 2**52):
        for made in (signal(dstid, "ring", rid="r"), typing(dstid, rid="r")):
            here.send(made)
            told.append(here.until(cmd=2))
    assert {(one["code"], one["rid"]) for one in told} == {(40302, "r")}
    assert len({one["msg"] for one in told}) == 1
    assert heard_nothing(phone)


@pytest.mark.parametrize("path", ["/contact/block", "/contact/remove"])
@pytest.mark.parametrize("by_receiver", [True, False])
def test_what_was_allowed_is_asked_again_after_a_change(friends: Friends, path: str, by_receiver: bool) -> None:
    alice, bob = friends
    here, phone = alice.connect(), bob.connect()
    here.send(signal(bob.user_id, 1))
    assert phone.until(cmd=17)["data"] == 1
    one, other = (bob, alice) if by_receiver else (alice, bob)
    one.call(path, dstid=other.user_id)
    here.send(signal(bob.user_id, 2))
    assert here.until(cmd=2)["code"] == (40302 if path.endswith("remove") else 40304)
    one.call("/contact/unblock" if path.endswith("block") else "/contact/addfriend", dstid=other.user_id)
    here.send(signal(bob.user_id, 3))
    assert phone.until(cmd=17)["data"] == 3, "a signal of a blocked user came through"


WRONG: list[tuple[dict[str, Any] | bytes, int]] = [
    ({"cmd": 14}, 40001),
    ({"cmd": 14, "kind": 12, "dstid": 1}, 40001),
    ({"cmd": 14, "kind": 10, "dstid": 0}, 40001),
    ({"cmd": 14, "kind": 10, "dstid": 2**53}, 40001),
    ({"cmd": 14, "kind": "10", "dstid": 1}, 40001),
    ({"cmd": 14, "kind": 10, "dstid": 1, "rid": "r" * 65}, 40001),
    ({"cmd": 17, "kind": 10, "dstid": 1}, 40001),
    ({"cmd": 17, "kind": 10, "data": 1}, 40001),
    ({"cmd": 17, "dstid": 1, "data": 1}, 40001),
    ({"cmd": 17, "kind": 11, "dstid": 1, "data": 1}, 40001),
    ({"cmd": 17, "kind": 10, "dstid": -1, "data": 1}, 40001),
    ({"cmd": 17, "kind": 10, "dstid": 1, "data": "x" * 16_384}, 41301),
    (b'{"cmd":17,"kind":10,"dstid":1,"data":}', 40001),
    (b'{"cmd":17,"kind":10,"dstid":1,"data":1e999}', 40001),
    (b'{"cmd":17,"kind":10,"dstid":1,"data":NaN}', 40001),
    (b'{"cmd":17,"kind":10,"dstid":1,"data":"\\ud800"}', 40001),
    (b'{"cmd":17,"kind":10,"dstid":1,"data":' + b"[" * 8000 + b"]" * 8000 + b"}", 40001),
    ({"cmd": 15, "userids": [0]}, 40001),
    ({"cmd": 15, "userids": {}}, 40001),
    ({"cmd": 15, "userids": list(range(1, 202))}, 40001),
]


@pytest.mark.parametrize(("wrong", "code"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_frame_is_told(alice: Person, wrong: dict[str, Any] | bytes, code: int) -> None:
    client = alice.connect()
    client.send(wrong)
    told = client.json()
    assert (told["cmd"], told["code"]) == (2, code)
    assert told["msg"]
    assert heard_nothing(client)


@pytest.mark.parametrize("cmd", [12, 14, 15, 17])
def test_the_originals_clients_get_no_frame_that_they_cannot_know(alice: Person, cmd: int) -> None:
    old = alice.connect(v1=False)
    old.send({"cmd": cmd, "kind": 10, "dstid": alice.user_id, "seq": 1, "data": 1, "userids": [alice.user_id]})
    old.send({"cmd": 14, "kind": 99})
    alice.say(alice.user_id, "only this")
    assert json.loads(old.text())["content"] == "only this"


def test_too_many_signals_are_refused(start_server: StartServer) -> None:
    alice = Person(start_server().port, "Alice")
    here, there = alice.connect(), alice.connect()
    here.send(signal(alice.user_id, -1))
    assert there.json()["data"] == -1  # the right is known from here on
    for number in range(700):
        here.send(signal(alice.user_id, number))
    refused = here.until(cmd=2)
    assert refused["code"] == 42901
    assert refused["retry_after_ms"] > 0
    assert there.json()["data"] == 0


def test_nobody_is_told_who_types_where_many_listen(chat_server: Server, alice: Person, bob: Person) -> None:
    room = alice.data("/contact/createcommunity", name=f"Large {alice.user_id}")["id"]
    guests = [Person(chat_server.port, f"Guest {number}") for number in range(9)]
    for person in (bob, *guests):
        person.call("/contact/joincommunity", dstid=room)
    here, phone = alice.connect(), bob.connect()
    crowd = [person.connect() for person in guests for _ in range(20)] + [bob.connect() for _ in range(18)]
    here.send(typing(room, kind=11))
    assert phone.until(cmd=14)["userid"] == alice.user_id  # 200 listen, and the right is known from here on
    there = alice.connect()
    there.send(typing(room, kind=11))
    assert heard_nothing(there)
    assert heard_nothing(phone)
    for socket in crowd:
        socket.close()
