"""CHANGE frames and the limits of who may see what: newcomers, those who left, other dialects, other views."""

import pytest

from tests.fixtures.server import Server
from tests.handlers.house import refusal
from tests.people import Person
from tests.raw_client import RawClient


@pytest.fixture
def people(chat_server: Server) -> tuple[Person, Person, Person]:
    ann, bob, late = (Person(chat_server.port, name) for name in ("Ann", "Bob", "Late"))
    return ann, bob, late


def community(owner: Person, *members: Person) -> int:
    community_id: int = owner.data("/contact/createcommunity", name=f"Of {owner.user_id}")["id"]
    for member in members:
        member.call("/contact/joincommunity", dstid=community_id)
    return community_id


def silent(client: RawClient) -> None:
    client.send({"cmd": 0, "rid": "silent?"})
    got = client.json()
    assert got == {"cmd": 0, "rid": "silent?"}, f"an unexpected frame: {got}"


def test_a_newcomer_hears_only_that_ver_moved(people: tuple[Person, Person, Person]) -> None:
    ann, bob, late = people
    room = community(ann, bob)
    seq = ann.say(room, "before his time", cmd=11)["seq"]
    late.call("/contact/joincommunity", dstid=room)
    clients = [person.connect() for person in (bob, late)]
    ann.call("/message/edit", kind=11, dstid=room, seq=seq, content="a secret of ours")
    recent = ann.say(room, "for all", cmd=11)["seq"]
    bob.call("/message/react", kind=11, dstid=room, seq=recent, emoji="👍")
    full, bare = (client.until(cmd=13) for client in clients)
    assert (full["ver"], full["content"]) == (1, "a secret of ours")
    assert bare == {"cmd": 13, "kind": 11, "dstid": room, "userid": ann.user_id, "ver": 1}
    assert [client.until(cmd=13) for client in clients] == [
        {
            "cmd": 13,
            "kind": 11,
            "dstid": room,
            "userid": bob.user_id,
            "ver": 2,
            "change": "react",
            "seq": recent,
            "emoji": "👍",
            "on": True,
            "count": 1,
        }
    ] * 2
    envelope = late.call("/message/changes", kind=11, dstid=room, since=0)
    assert ([row["ver"] for row in envelope["rows"]], envelope["ver"]) == ([2], 2)


def test_who_left_gets_no_frame_and_no_row(people: tuple[Person, Person, Person]) -> None:
    ann, bob, other = people
    room = community(ann, bob, other)
    seq = ann.say(room, "as it was", cmd=11)["seq"]
    ann.call("/message/react", kind=11, dstid=room, seq=seq, emoji="👍")
    phone, desk = bob.connect(), other.connect()
    ann.call("/community/kick", dstid=room, memberid=bob.user_id)
    phone.until(cmd=16, event="community.kicked")
    ann.call("/message/edit", kind=11, dstid=room, seq=seq, content="as it is")
    other.call("/message/react", kind=11, dstid=room, seq=seq, emoji="👍")
    assert [desk.until(cmd=13)["ver"] for _ in range(2)] == [2, 3]
    silent(phone)
    envelope = bob.call("/message/changes", kind=11, dstid=room, since=0)
    assert ([row["ver"] for row in envelope["rows"]], envelope["ver"], envelope["next"]) == ([1], 1, None)
    history = bob.call("/message/history", kind=11, dstid=room, after=seq - 1)
    row = history["rows"][0]
    assert (row["content"], "edited" in row, row["reactions"][0]["count"], history["ver"]) == ("as it was", False, 1, 1)
    for path, more in (("recall", {}), ("edit", {"content": "x"}), ("react", {"emoji": "x"})):
        assert refusal(bob, f"/message/{path}", kind=11, dstid=room, seq=seq, **more)[1] == 40401


def test_the_originals_clients_hear_messages_and_nothing_else(people: tuple[Person, Person, Person]) -> None:
    ann, bob, _ = people
    room = community(ann, bob)
    old = [ann.connect(v1=False), bob.connect(v1=False)]
    seq = ann.say(room, "one", cmd=11)["seq"]
    place = {"kind": 11, "dstid": room}
    bob.call("/message/react", **place, seq=seq, emoji="👍")
    ann.call("/message/edit", **place, seq=seq, content="two")
    ann.call("/message/recall", **place, seq=seq)
    for person in (ann, bob):
        person.call("/message/pin", **place)
        person.call("/message/mute", **place)
        person.call("/message/clear", **place)
    bob.say(room, "last", cmd=11)
    for client in old:
        assert [client.json()["content"] for _ in range(2)] == ["one", "last"]


def test_ones_own_devices_hear_of_ones_view_and_nobody_elses(people: tuple[Person, Person, Person]) -> None:
    ann, bob, _ = people
    ann.call("/contact/addfriend", dstid=bob.user_id)
    for number in range(3):
        ann.say(bob.user_id, f"{number}")
    other_session = bob.log_in()
    phone, laptop, anns = bob.connect(), bob.connect(token=other_session), ann.connect()
    stamp = bob.call("/message/conversations")["stamp"]
    place = {"kind": 10, "dstid": ann.user_id}
    bob.call("/message/delete", **place, seqs=[1])
    bob.call("/message/clear", **place, seq=2)
    bob.call("/message/pin", **place)
    bob.call("/message/pin", **place)
    bob.call("/message/mute", **place, muted=True)
    notice = {"cmd": 16, "event": "conversation.updated"} | place
    for client in (phone, laptop):
        assert [client.until(cmd=16) for _ in range(4)] == [notice | {"deleted": [1]}, notice, notice, notice]
        silent(client)
    silent(anns)
    (row,) = (row for row in bob.rows("/message/conversations", since=stamp) if row["dstid"] == ann.user_id)
    assert (row["pinned"], row["muted"], row["first"], row["unread"]) == (True, True, 3, 1)
    (row,) = (row for row in ann.rows("/message/conversations") if row["dstid"] == bob.user_id)
    assert (row["pinned"], row["muted"], row["first"]) == (False, False, 1)


def test_frames_follow_the_order_of_the_commits(people: tuple[Person, Person, Person]) -> None:
    """A message, its edit, its reaction and the next message, as fast as they can be sent."""
    ann, bob, _ = people
    ann.call("/contact/addfriend", dstid=bob.user_id)
    phone = bob.connect()
    heard = []
    for number in range(20):
        seq = ann.say(bob.user_id, f"{number}")["seq"]
        ann.call("/message/edit", kind=10, dstid=bob.user_id, seq=seq, content=f"{number}!")
        bob.call("/message/react", kind=10, dstid=ann.user_id, seq=seq, emoji="👍")
    for _ in range(60):
        frame = phone.json()
        heard.append((frame["cmd"], frame["seq"], frame.get("ver")))
    assert heard == [
        step for seq in range(1, 21) for step in ((10, seq, None), (13, seq, 2 * seq - 1), (13, seq, 2 * seq))
    ]
