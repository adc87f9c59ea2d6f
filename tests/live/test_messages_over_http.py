"""/message/*: sending without a socket, reading, paging; wrong input at every entry."""

from typing import Any

import pytest

from tests.people import Failure, Person, call
from tests.raw_client import new_cid

Friends = tuple[Person, Person]


def send(person: Person, **fields: object) -> dict[str, Any]:
    data: dict[str, Any] = person.data("/message/send", **fields)
    return data


def test_sending_reaches_sockets_and_repeats_are_told(friends: Friends) -> None:
    alice, bob = friends
    phone = bob.connect()
    sent = alice.message(bob.user_id, "from a bot")
    first = send(alice, **sent)
    assert (first["cid"], first["seq"], first["dup"]) == (sent["cid"], 1, False)
    assert phone.until(cmd=10)["content"] == "from a bot"
    again = send(alice, **sent)
    assert (again["id"], again["seq"], again["dup"]) == (first["id"], 1, True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 40001),
        ({"cmd": 12}, 40001),
        ({"cmd": "10"}, 40001),
        ({"dstid": 0}, 40001),
        ({"dstid": 2**60}, 40001),
        ({"dstid": "me"}, 40001),
        ({"cid": ""}, 40001),
        ({"cid": "x" * 65}, 40001),
        ({"content": ""}, 40001),
        ({"content": 7}, 40001),
        ({"content": "a\0b"}, 40001),
        ({"content": "x" * 60_001}, 41301),
        ({"media": 20}, 40001),
        ({"reply": 99}, 40001),
        ({"url": "/resource/" + "0" * 64, "media": 4}, 40401),
        ({"userid": 1_000_000}, 40301),
        ({"dstid": 2**50}, 40302),
        ({"cmd": 11, "dstid": 2**50}, 40303),
    ],
)
def test_what_cannot_be_sent_is_not_stored(alice: Person, fields: dict[str, object], code: int) -> None:
    good = {"cmd": 10, "dstid": alice.user_id, "media": 1, "content": "x", "cid": new_cid()}
    with pytest.raises(Failure) as failure:
        alice.call("/message/send", **((good | fields) if fields else {}))
    assert failure.value.code == code
    assert failure.value.status == code // 100
    assert failure.value.envelope["msg"]
    assert alice.rows("/message/history", kind=10, dstid=alice.user_id) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"null"])
def test_bodies_that_are_no_message(alice: Person, body: bytes) -> None:
    with pytest.raises(Failure) as failure:
        call(alice.port, "/message/send", body, token=alice.token)
    assert failure.value.status == 400


@pytest.mark.parametrize("path", ["/message/send", "/message/conversations", "/message/history", "/message/read"])
def test_nobody_reads_or_writes_without_a_session(alice: Person, path: str) -> None:
    with pytest.raises(Failure) as failure:
        call(alice.port, path, {"kind": 10, "dstid": alice.user_id})
    assert failure.value.code == 40101


def test_history_in_pages_from_both_ends(friends: Friends) -> None:
    alice, bob = friends
    for number in range(1, 26):
        send(alice, **alice.message(bob.user_id, f"{number}"))

    def page(**fields: object) -> list[int]:
        return [row["seq"] for row in bob.rows("/message/history", kind=10, dstid=alice.user_id, limit=10, **fields)]

    assert page() == list(range(16, 26))
    assert page(before=16) == list(range(6, 16))
    assert page(before=6) == list(range(1, 6))
    assert page(before=1) == []
    assert page(after=0) == list(range(1, 11))
    assert page(after=20) == list(range(21, 26))
    assert page(after=25) == []
    envelope = bob.call("/message/history", kind=10, dstid=alice.user_id, limit=1)
    assert (envelope["first"], envelope["last"]) == (1, 25)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": 9}, 40001),
        ({"kind": "ten"}, 40001),
        ({"kind": None}, 40001),
        ({"dstid": -1}, 40001),
        ({"dstid": 2**52}, 40401),
        ({"kind": 11, "dstid": 2**52}, 40401),
        ({"limit": 201}, 40001),
        ({"limit": 0}, 40001),
        ({"before": 0}, 40001),
        ({"before": 5, "after": 1}, 40001),
        ({"after": "x"}, 40001),
    ],
)
def test_history_that_is_not_there(alice: Person, fields: dict[str, object], code: int) -> None:
    with pytest.raises(Failure) as failure:
        alice.call("/message/history", **({"kind": 10, "dstid": alice.user_id} | fields))
    assert failure.value.code == code


def test_a_strangers_community_looks_like_none(alice: Person, bob: Person) -> None:
    community = alice.data("/contact/createcommunity", name=f"Secret {alice.user_id}")["id"]
    answers = []
    for dstid in (community, 2**52):
        with pytest.raises(Failure) as failure:
            bob.call("/message/history", kind=11, dstid=dstid)
        answers.append((failure.value.code, failure.value.envelope["msg"]))
    assert answers[0] == answers[1]


def test_conversations_in_pages_and_since_a_stamp(alice: Person) -> None:
    others = [Person(alice.port, f"Friend {number}") for number in range(5)]
    for other in others:
        alice.call("/contact/addfriend", dstid=other.user_id)
        send(other, **other.message(alice.user_id, "hello"))
    seen: list[int] = []
    envelope = alice.call("/message/conversations", limit=2)
    stamp = envelope["stamp"]
    while True:
        seen += [row["dstid"] for row in envelope["rows"]]
        if envelope["next"] is None:
            break
        envelope = alice.call("/message/conversations", limit=2, after=envelope["next"])
    assert seen[:5] == [other.user_id for other in reversed(others)]
    assert len(set(seen)) == len(seen)
    send(others[0], **others[0].message(alice.user_id, "again"))
    changed = alice.rows("/message/conversations", since=stamp)
    assert others[0].user_id in [row["dstid"] for row in changed]


@pytest.mark.parametrize(
    "fields",
    [{"since": "yesterday"}, {"since": 5}, {"after": "x.y"}, {"after": "1"}, {"limit": "many"}, {"limit": 10**9}],
)
def test_cursors_and_stamps_that_we_never_gave(alice: Person, fields: dict[str, object]) -> None:
    with pytest.raises(Failure) as failure:
        alice.call("/message/conversations", **fields)
    assert failure.value.code == 40001


def test_reading_beyond_rights(alice: Person) -> None:
    for fields in ({"kind": 10, "dstid": 2**52, "seq": 1}, {"kind": 11, "dstid": 2**52, "seq": 1}):
        with pytest.raises(Failure) as failure:
            alice.call("/message/read", **fields)
        assert failure.value.status in (403, 404)
    with pytest.raises(Failure) as failure:
        alice.call("/message/read", kind=10, dstid=alice.user_id, seq=-1)
    assert failure.value.code == 40001


def test_a_blocked_friend_is_told_so_and_nothing_is_stored(friends: Friends) -> None:
    alice, bob = friends
    bob.call("/contact/block", dstid=alice.user_id)
    with pytest.raises(Failure) as failure:
        send(alice, **alice.message(bob.user_id, "hello?"))
    assert failure.value.code == 40304
    bob.call("/contact/unblock", dstid=alice.user_id)
    assert send(alice, **alice.message(bob.user_id, "hello!"))["seq"] == 1
