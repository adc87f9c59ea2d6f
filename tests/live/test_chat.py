"""What the chat socket says and hears in the dialect im.v1."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.fixtures.server import ROOT, StartServer
from tests.people import PASSWORD, Failure, Person, call
from tests.raw_client import CLOSE, PING, PONG, RawClient, frame

Friends = tuple[Person, Person]


def test_hello_comes_first_and_tells_the_limits(alice: Person) -> None:
    client = RawClient(alice.port, alice.token)
    hello = client.json()
    assert hello["cmd"] == 3
    assert hello["userid"] == alice.user_id
    assert hello["heartbeat_s"] == 25
    assert hello["limits"]["content_bytes"] == 60_000
    assert hello["limits"]["frame_bytes"] == 384 * 1024
    assert hello["limits"]["unacked"] == 64
    largest = {name: hello["limits"][f"{name}_bytes"] for name in ("upload", "voice", "video", "file")}
    assert largest == {"upload": 10 << 20, "voice": 10 << 20, "video": 100 << 20, "file": 100 << 20}
    assert len(hello["epoch"]) >= 32
    assert hello["stamp"]
    assert hello["time"].endswith("Z")


def test_a_message_reaches_every_device_and_is_acknowledged_once(friends: Friends) -> None:
    alice, bob = friends
    here, there = alice.connect(), alice.connect(token=alice.log_in())
    phone, laptop = bob.connect(), bob.connect(token=bob.log_in())
    sent = alice.message(bob.user_id, "你好 🎉 hello", rid="r1")
    here.send(sent)
    ack = here.until(cmd=1)
    assert (ack["cid"], ack["rid"], ack["seq"]) == (sent["cid"], "r1", 1)
    assert "dup" not in ack
    for client in (there, phone, laptop):
        got = client.until(cmd=10)
        assert got["content"] == "你好 🎉 hello"
        assert (got["userid"], got["dstid"], got["seq"], got["id"]) == (alice.user_id, bob.user_id, 1, ack["id"])
        assert got["createat"] == ack["createat"]
        assert "pic" not in got
        assert "memo" not in got
    here.send({"cmd": 0, "rid": "after"})
    assert here.json() == {"cmd": 0, "rid": "after"}, "the sending socket got its own message"


def test_what_one_sends_without_waiting_keeps_its_order(friends: Friends) -> None:
    alice, bob = friends
    here, phone = alice.connect(), bob.connect()
    texts = [f"number {number}" for number in range(60)]
    for text in texts:
        here.send(alice.message(bob.user_id, text))
    heard = [phone.until(cmd=10) for _ in texts]
    assert [one["content"] for one in heard] == texts
    assert [one["seq"] for one in heard] == list(range(1, 61))


def test_the_sender_is_who_the_session_says(friends: Friends) -> None:
    alice, bob = friends
    phone, here = bob.connect(), alice.connect()
    forged = {"userid": bob.user_id, "id": 7, "seq": 99, "createat": "2000-01-01T00:00:00.000Z"}
    here.send(alice.message(bob.user_id, "it was me") | forged)
    got = phone.until(cmd=10)
    assert got["userid"] == alice.user_id
    assert (got["seq"], got["id"] == 7, got["createat"][:4] == "2000") == (1, False, False)


def test_a_fifteen_thousand_byte_text_in_one_message(friends: Friends) -> None:
    alice, bob = friends
    phone, here = bob.connect(), alice.connect()
    text = "长" * 5000
    here.send(alice.message(bob.user_id, text))
    assert phone.until(cmd=10)["content"] == text


def test_the_same_cid_is_stored_once(friends: Friends) -> None:
    alice, bob = friends
    here, there, phone = alice.connect(), alice.connect(), bob.connect()
    message = alice.message(bob.user_id, "once")
    here.send_raw(frame(json.dumps(message).encode()) * 3)
    first, *repeats = [here.until(cmd=1) for _ in range(3)]
    there.send(message)
    repeats.append(there.until(cmd=1))
    assert "dup" not in first
    assert all(again["dup"] and (again["id"], again["seq"]) == (first["id"], first["seq"]) for again in repeats)
    assert alice.data("/message/send", **message)["dup"]
    here.send(message | {"content": "twice"})
    assert here.until(cmd=2)["code"] == 40902
    here.send(alice.message(bob.user_id, "next"))
    assert [phone.until(cmd=10)["content"] for _ in range(2)] == ["once", "next"]


def test_cids_differ_by_case_and_trailing_blanks(friends: Friends) -> None:
    alice, bob = friends
    here = alice.connect()
    cids = ["abcDEF", "ABCdef", "abcDEF "]
    for cid in cids:
        here.send(alice.message(bob.user_id, cid) | {"cid": cid + str(alice.user_id)})
    assert {here.until(cmd=1)["seq"] for _ in cids} == {1, 2, 3}


def test_strangers_and_unknown_users_look_alike(alice: Person, bob: Person) -> None:
    here = alice.connect()
    here.send(alice.message(bob.user_id, "hi"))
    stranger = here.until(cmd=2)
    here.send(alice.message(2**52, "hi"))
    unknown = here.until(cmd=2)
    assert (stranger["code"], stranger["msg"]) == (unknown["code"], unknown["msg"])
    assert stranger["code"] == 40302


def test_who_is_outside_cannot_write_into_a_community(alice: Person, bob: Person) -> None:
    community = alice.data("/contact/createcommunity", name=f"Closed {alice.user_id}")["id"]
    here, there = alice.connect(), bob.connect()
    there.send(bob.message(community, "let me in", cmd=11))
    assert there.until(cmd=2)["code"] == 40303
    there.send(bob.message(2**52, "anybody?", cmd=11))
    assert there.until(cmd=2)["code"] == 40303
    here.send({"cmd": 0, "rid": "x"})
    assert here.json()["rid"] == "x", "a word of a stranger came through"


WRONG: list[tuple[dict[str, Any] | bytes, int]] = [
    (b"", 40001),
    (b"nonsense", 40001),
    (b"[]", 40001),
    (b"null", 40001),
    (b"[" * 10_000, 40001),
    (b'{"cmd":10,"dstid":NaN}', 40001),
    (b'{"cmd":1e999}', 40001),
    (b'{"cmd":10,"dstid":1,"content":"\\ud800","cid":"c"}', 40001),
    ({"cmd": "10"}, 40001),
    ({"cmd": 10.5}, 40001),
    ({"cmd": True}, 40001),
    ({"cmd": 99}, 40001),
    ({}, 40001),
    ({"cmd": 1, "cid": "an ack of mine"}, 40001),
    ({"cmd": 3}, 40001),
    ({"cmd": 16, "event": "contact.added"}, 40001),
    ({"cmd": 10}, 40001),
    ({"cmd": 10, "dstid": "SELF"}, 40001),
    ({"cmd": 10, "dstid": 0, "content": "x", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": -1, "content": "x", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 2**53, "content": "x", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 10**400, "content": "x", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": [], "content": "x", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": 5, "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": None, "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "a\0b", "cid": "c"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c" * 65}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "é"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "a\nb"}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "media": 20}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "media": 0}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "amount": 1.5}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "amount": -1}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "url": "u" * 1025}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "memo": "m" * 1001}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "mention": list(range(1, 52))}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "mention": [0]}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "file": {"name": "n" * 256}}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "file": []}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x", "cid": "c", "rid": "r" * 65}, 40001),
    ({"cmd": 10, "dstid": 1, "content": "x" * 60_001, "cid": "c"}, 41301),
    ({"cmd": 10, "dstid": 1, "content": "长" * 20_001, "cid": "c"}, 41301),
    ({"cmd": 12, "kind": 9, "dstid": 1, "seq": 1}, 40001),
    ({"cmd": 12, "kind": 10, "dstid": 0, "seq": 1}, 40001),
    ({"cmd": 12, "kind": 10, "dstid": 1, "seq": -1}, 40001),
    ({"cmd": 15, "userids": list(range(1, 202))}, 40001),
    ({"cmd": 15, "userids": ["1"]}, 40001),
]


@pytest.mark.parametrize(("wrong", "code"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_frame_is_told_and_harms_nothing(alice: Person, wrong: dict[str, Any] | bytes, code: int) -> None:
    client = alice.connect()
    client.send(wrong)
    told = client.json()
    assert (told["cmd"], told["code"]) == (2, code)
    assert told["msg"]
    client.send(alice.message(alice.user_id, "still here"))
    assert client.json()["seq"] == 1


def test_an_error_quotes_cid_and_rid(alice: Person) -> None:
    client = alice.connect()
    client.send({"cmd": 10, "dstid": "x", "cid": "c1", "rid": "r1"})
    told = client.json()
    assert (told["cid"], told["rid"]) == ("c1", "r1")


def test_errors_come_in_the_language_of_the_client(alice: Person) -> None:
    client = RawClient(alice.port, alice.token, headers=("Accept-Language: zh-CN,zh;q=0.9",))
    client.until(cmd=3)
    client.send({"cmd": 99})
    assert any("一" <= letter <= "鿿" for letter in client.json()["msg"])


def test_breaking_the_contract_again_and_again_ends_the_socket(alice: Person) -> None:
    client = alice.connect()
    client.send_raw(frame(b"nonsense") * 200)
    assert client.closed_with() == 4502


def test_reading_is_told_to_the_other_side_and_to_my_devices(friends: Friends) -> None:
    alice, bob = friends
    for number in range(3):
        alice.say(bob.user_id, f"{number}")
    here, phone, laptop = alice.connect(), bob.connect(), bob.connect()
    phone.send({"cmd": 12, "kind": 10, "dstid": alice.user_id, "seq": 2})
    for client in (here, laptop):
        got = client.until(cmd=12)
        assert (got["userid"], got["seq"]) == (bob.user_id, 2)
    row = next(row for row in bob.rows("/message/conversations") if row["dstid"] == alice.user_id)
    assert (row["unread"], row["read_seq"], row["last_seq"]) == (1, 2, 3)
    bob.call("/message/read", kind=10, dstid=alice.user_id, seq=1)
    row = next(row for row in bob.rows("/message/conversations") if row["dstid"] == alice.user_id)
    assert row["read_seq"] == 2, "a lower seq moved the mark"
    mine = next(row for row in alice.rows("/message/conversations") if row["dstid"] == bob.user_id)
    assert (mine["peer_read"], mine["unread"]) == (2, 0)


def test_who_is_blocked_hears_nothing_of_my_reading(friends: Friends) -> None:
    alice, bob = friends
    bob.say(alice.user_id, "one")
    here, phone = alice.connect(), bob.connect()
    alice.call("/contact/block", dstid=bob.user_id)
    alice.call("/message/read", kind=10, dstid=bob.user_id, seq=1)
    assert here.until(cmd=12)["seq"] == 1
    phone.send({"cmd": 0, "rid": "end"})
    assert phone.json() == {"cmd": 0, "rid": "end"}


def test_read_marks_beyond_the_end_stop_at_the_end(friends: Friends) -> None:
    alice, bob = friends
    alice.say(bob.user_id, "one")
    assert bob.data("/message/read", kind=10, dstid=alice.user_id, seq=10**9)["seq"] == 1


def test_requests_and_answers_are_noticed(start_server: StartServer) -> None:
    port = start_server().port
    alice, bob = Person(port, "Alice"), Person(port, "Bob")
    here, phone = alice.connect(), bob.connect()
    alice.call("/contact/addfriend", dstid=bob.user_id, memo="it is me")
    assert phone.until(cmd=16, event="contact.request")["userid"] == alice.user_id
    bob.call("/contact/accept", dstid=alice.user_id)
    assert here.until(cmd=16, event="contact.added")["userid"] == bob.user_id
    community = alice.data("/contact/createcommunity", name="Noticed")["id"]
    assert here.until(cmd=16, event="community.joined")["dstid"] == community
    bob.call("/contact/joincommunity", dstname="Noticed")
    line = here.until(cmd=11, media=20)
    assert (line["event"]["kind"], line["event"]["userids"]) == ("joined", [bob.user_id])
    assert phone.until(cmd=16, event="community.joined")["dstid"] == community


@pytest.mark.parametrize("how", ["logout", "revoke", "passwd"])
def test_a_session_that_ends_takes_its_sockets_with_it(alice: Person, how: str) -> None:
    token = alice.log_in()
    other = alice.connect(token=token)
    kept = alice.connect()
    began = time.monotonic()
    if how == "logout":
        call(alice.port, "/user/logout", token=token)
    elif how == "revoke":
        alice.call("/user/revoke", id=next(row["id"] for row in alice.rows("/user/sessions") if not row["current"]))
    else:
        alice.call("/user/passwd", old=PASSWORD, new="another horse 8")
    assert other.closed_with() == 4500
    assert time.monotonic() - began < 10
    with pytest.raises(Failure) as failure:
        call(alice.port, "/user/me", token=token)
    assert failure.value.code == 40101
    kept.send({"cmd": 0, "rid": "kept"})
    assert kept.until(cmd=0)["rid"] == "kept"


def test_presence_goes_only_to_whoever_may_see_it(friends: Friends) -> None:
    alice, bob = friends
    stranger = Person(alice.port, "Carol")
    here, there = alice.connect(), stranger.connect()
    for client in (here, there):
        client.send({"cmd": 15, "userids": [bob.user_id]})
    assert here.until(cmd=15)["online"] is False
    phone = bob.connect()
    assert here.until(cmd=15, userid=bob.user_id)["online"] is True
    phone.close()
    gone = here.until(cmd=15, userid=bob.user_id)
    assert (gone["online"], bool(gone["last_seen"])) == (False, True)
    there.send({"cmd": 0, "rid": "end"})
    assert there.json()["rid"] == "end", "a stranger saw the presence"


def test_a_silent_socket_is_pinged_and_then_let_go(start_server: StartServer) -> None:
    server = start_server("server.heartbeat_s=3")
    alice = Person(server.port, "Alice")
    silent, alive = alice.connect(), alice.connect()
    assert silent.read()[0] == PING
    assert alive.read() == (PING, b"")
    alive.send_raw(frame(b"", PONG))
    assert silent.closed_with() == 4002
    alive.send({"cmd": 0, "rid": "here"})
    assert alive.until(cmd=0)["rid"] == "here"


def test_a_fast_sender_is_told_to_slow_down_and_then_sent_away(start_server: StartServer) -> None:
    server = start_server("security.messages_per_minute=5")
    alice = Person(server.port, "Alice")
    client = alice.connect()
    for number in range(6):
        client.send(alice.message(alice.user_id, f"{number}"))
    assert client.until(cmd=2)["code"] == 42901
    client.send_raw(frame(json.dumps(alice.message(alice.user_id, "flood")).encode()) * 400)
    assert client.closed_with() == 4003


def test_a_sender_that_does_not_wait_is_read_at_the_writers_pace(alice: Person) -> None:
    client = alice.connect()
    client.send_raw(
        b"".join(frame(json.dumps(alice.message(alice.user_id, f"{number}")).encode()) for number in range(2000))
    )
    assert [client.until(cmd=1)["seq"] for _ in range(2000)] == list(range(1, 2001))


def test_sigterm_sends_the_sockets_away_with_nothing_lost(start_server: StartServer) -> None:
    server = start_server("contacts.confirm=no", "security.throttle=no")
    alice = Person(server.port, "Alice")
    client = alice.connect()
    sent = [alice.message(alice.user_id, f"{number}") for number in range(50)]
    client.send_raw(b"".join(frame(json.dumps(message).encode()) for message in sent))
    assert client.until(cmd=1)["seq"] == 1
    assert server.stop() == 0
    acked = 1
    while (got := client.read())[0] != CLOSE:
        acked += b'"cmd":1,' in got[1]
    assert int.from_bytes(got[1][:2], "big") == 4001
    server.restart()
    history = alice.rows("/message/history", kind=10, dstid=alice.user_id, limit=200)
    stored = [row["content"] for row in history]
    assert stored == [f"{number}" for number in range(len(stored))]
    assert len(stored) >= acked


def test_messages_survive_a_kill(start_server: StartServer) -> None:
    server = start_server()
    alice = Person(server.port, "Alice")
    client = alice.connect()
    message = alice.message(alice.user_id, "on disk")
    client.send(message)
    ack = client.until(cmd=1)
    server.kill()
    server.restart()
    again = alice.data("/message/send", **message)
    assert (again["id"], again["seq"], again["dup"]) == (ack["id"], ack["seq"], True)


def test_a_disabled_account_is_out_within_seconds(start_server: StartServer) -> None:
    server = start_server()
    alice = Person(server.port, "Alice")
    client = alice.connect()
    command = [sys.executable, "-m", "imtornado", "user", "disable", alice.mobile]
    command += ["--set", f"storage.url={server.storage_url}"]
    subprocess.run(command, check=True, capture_output=True, cwd=server.folder, env={"PYTHONPATH": str(ROOT)})
    began = time.monotonic()
    assert client.closed_with() == 4501
    assert time.monotonic() - began < 20
