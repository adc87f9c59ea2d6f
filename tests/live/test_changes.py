"""Recall, edit and reactions as people with several devices see them."""

from typing import Any, NamedTuple

import pytest

from tests.faults.database import snapshot
from tests.fixtures.backends import only_on_sqlite
from tests.fixtures.server import Server, StartServer
from tests.handlers.house import refusal
from tests.people import Person
from tests.raw_client import RawClient

Friends = tuple[Person, Person]


class Room(NamedTuple):
    """A community with an owner, an admin and a member."""

    community_id: int
    owner: Person
    admin: Person
    member: Person

    def say(self, person: Person, content: str) -> int:
        """The seq of the message."""
        seq: int = person.say(self.community_id, content, cmd=11)["seq"]
        return seq

    def place(self) -> dict[str, int]:
        return {"kind": 11, "dstid": self.community_id}


@pytest.fixture
def room(chat_server: Server) -> Room:
    owner, admin, member = (Person(chat_server.port, name) for name in ("Olga", "Adam", "Mia"))
    community_id = owner.data("/contact/createcommunity", name=f"Room {owner.user_id}")["id"]
    for person in (admin, member):
        person.call("/contact/joincommunity", dstid=community_id)
    owner.call("/community/role", dstid=community_id, memberid=admin.user_id, role="admin")
    return Room(community_id, owner, admin, member)


def last_row(person: Person, **place: object) -> dict[str, Any]:
    return person.rows("/message/history", **place)[-1]


def silent(client: RawClient) -> None:
    """Nothing but the answer to this heartbeat has come since the last frame that was read."""
    client.send({"cmd": 0, "rid": "silent?"})
    got = client.json()
    assert got == {"cmd": 0, "rid": "silent?"}, f"an unexpected frame: {got}"


def test_a_recall_reaches_all_devices_of_both_sides_in_im_v1_only(friends: Friends) -> None:
    alice, bob = friends
    seq = alice.say(bob.user_id, "a slip of the tongue")["seq"]
    mine, my_laptop, phone = alice.connect(), alice.connect(token=alice.log_in()), bob.connect()
    old_alice, old_bob = alice.connect(v1=False), bob.connect(v1=False)
    answer = alice.data("/message/recall", kind=10, dstid=bob.user_id, seq=seq)
    assert answer == {"seq": 1, "ver": 1, "dup": False}
    for client in (mine, my_laptop, phone):
        frame = client.until(cmd=13)
        assert frame == {
            "cmd": 13,
            "kind": 10,
            "dstid": bob.user_id,
            "userid": alice.user_id,
            "ver": 1,
            "change": "recall",
            "seq": 1,
        }
    for person, other in ((alice, bob), (bob, alice)):
        assert person.rows("/message/history", kind=10, dstid=other.user_id) == [{"seq": 1, "gone": "recalled"}]
        row = {row["dstid"]: row for row in person.rows("/message/conversations", since="0")}[other.user_id]
        assert (row["ver"], row["last"]) == (1, {"seq": 1, "gone": "recalled"})
    alice.say(bob.user_id, "what I meant")
    for old in (old_alice, old_bob):
        assert '"content":"what I meant"' in old.text(), "a client of the original got a frame that it does not know"


def test_an_edit_shows_in_frames_history_and_changes_alike(friends: Friends) -> None:
    alice, bob = friends
    sent = alice.message(bob.user_id, "teh word")
    alice.call("/message/send", **sent)
    phone, mine = bob.connect(), alice.connect()
    assert alice.data("/message/edit", kind=10, dstid=bob.user_id, seq=1, content="the word")["ver"] == 1
    frame = phone.until(cmd=13)
    assert frame == mine.until(cmd=13)
    assert (frame["change"], frame["seq"], frame["content"]) == ("edit", 1, "the word")
    row = last_row(bob, kind=10, dstid=alice.user_id)
    assert (row["content"], row["cid"], row["edited"]) == ("the word", sent["cid"], frame["edited"])
    assert row["edited"] >= row["createat"]
    del frame["cmd"]
    for person, other in ((alice, bob), (bob, alice)):
        envelope = person.call("/message/changes", kind=10, dstid=other.user_id, since=0)
        assert (envelope["rows"], envelope["ver"], envelope["next"]) == ([frame], 1, None)
    again = alice.data("/message/send", **sent)
    assert (again["seq"], again["dup"]) == (1, True), "the first text, sent again after an edit, is no new message"


def test_the_conversation_of_a_change_is_found_as_that_of_a_message(friends: Friends) -> None:
    """Kind 10: `userid` unless that is me, then `dstid`; from both sides, and with the recipient acting."""
    alice, bob = friends
    alice.say(bob.user_id, "hello")
    devices = {alice: alice.connect(), bob: bob.connect()}
    for actor in (alice, bob):
        peer = bob if actor is alice else alice
        actor.call("/message/react", kind=10, dstid=peer.user_id, seq=1, emoji="👍")
        for me, other in ((alice, bob), (bob, alice)):
            frame = devices[me].until(cmd=13)
            assert frame["userid"] == actor.user_id
            assert (frame["dstid"] if frame["userid"] == me.user_id else frame["userid"]) == other.user_id


def test_in_the_notebook_each_device_hears_once(alice: Person) -> None:
    alice.say(alice.user_id, "milk")
    here = alice.connect()
    alice.call("/message/edit", kind=10, dstid=alice.user_id, seq=1, content="oat milk")
    assert here.until(cmd=13)["content"] == "oat milk"
    silent(here)


def test_reactions_toggle_and_stand_in_the_history(room: Room) -> None:
    seq = room.say(room.owner, "party on friday")
    clients = [person.connect() for person in (room.owner, room.admin, room.member)]
    place = room.place() | {"seq": seq}
    steps: list[tuple[Person, str, bool, int, bool]] = [
        (room.admin, "🎉", True, 1, False),
        (room.admin, "🎉", True, 1, True),
        (room.member, "🎉", True, 2, False),
        (room.member, "👎🏽", True, 3, False),
        (room.admin, "👎🏽", False, 3, True),
        (room.member, "👎🏽", False, 4, False),
    ]
    for person, emoji, on, ver, dup in steps:
        assert person.data("/message/react", **place, emoji=emoji, on=on) == {"seq": seq, "ver": ver, "dup": dup}
    for client in clients:
        frames = [client.until(cmd=13) for _ in range(4)]
        assert [frame["ver"] for frame in frames] == [1, 2, 3, 4]
        assert [(frame["emoji"], frame["on"], frame["count"]) for frame in frames] == [
            ("🎉", True, 1),
            ("🎉", True, 2),
            ("👎🏽", True, 1),
            ("👎🏽", False, 0),
        ]
        silent(client)
    givers = [room.admin.user_id, room.member.user_id]
    for person in (room.owner, room.member):
        row = last_row(person, **room.place())
        mine = person is room.member
        assert row["reactions"] == [{"emoji": "🎉", "count": 2, "mine": mine, "userids": givers}]


def test_who_may_recall_what(room: Room) -> None:
    seqs = {person: room.say(person, "words") for person in (room.owner, room.admin, room.member)}
    assert refusal(room.member, "/message/recall", **room.place(), seq=seqs[room.owner])[1:] == (40301, "seq")
    assert refusal(room.member, "/message/edit", **room.place(), seq=seqs[room.owner], content="x")[1] == 40301
    assert refusal(room.admin, "/message/edit", **room.place(), seq=seqs[room.member], content="x")[1] == 40301
    phone = room.member.connect()
    room.admin.call("/message/recall", **room.place(), seq=seqs[room.member])
    frame = phone.until(cmd=13)
    assert (frame["userid"], frame["seq"]) == (room.admin.user_id, seqs[room.member])
    # He has what he wanted, and so has every admin; for all others the message is gone.
    for person in (room.member, room.owner):
        assert person.data("/message/recall", **room.place(), seq=seqs[room.member])["dup"] is True
    room.admin.call("/message/recall", **room.place(), seq=seqs[room.owner])
    assert refusal(room.member, "/message/recall", **room.place(), seq=seqs[room.owner])[1] == 40401
    for path, more in (("edit", {"content": "x"}), ("react", {"emoji": "x"})):
        assert refusal(room.member, f"/message/{path}", **room.place(), seq=seqs[room.member], **more)[1] == 40401
    assert phone.until(cmd=13)["ver"] == 2
    silent(phone)


RECALLED = ("MarkedFirst", "MarkedSecond", "Marked3", "MarkedFourth")


def recall_what_was_edited(server: Server) -> None:
    """Texts of `RECALLED` come and go; "MarkedKept" stays. The server has stopped."""
    alice = Person(server.port, "Alice")
    client = alice.connect()
    client.send(alice.message(alice.user_id, "MarkedFirst"))
    client.until(cmd=1)
    alice.say(alice.user_id, "MarkedKept")
    place = {"kind": 10, "dstid": alice.user_id, "seq": 1}
    alice.call("/message/edit", **place, content="MarkedSecond")
    alice.call("/message/react", **place, emoji="Marked3")
    refusal(alice, "/message/edit", **(place | {"seq": 9}), content="MarkedFourth")
    alice.call("/message/recall", **place)
    server.stop()


def test_a_recalled_text_is_in_no_row(start_server: StartServer) -> None:
    server = start_server()
    recall_what_was_edited(server)
    with snapshot(server.storage_url) as query:
        rows = str([row for table in query.tables() for row in query.rows(f"SELECT * FROM `{table}`")])
    assert "MarkedKept" in rows
    assert not [text for text in RECALLED if text in rows]


@only_on_sqlite
def test_a_recalled_text_is_nowhere_when_the_server_has_stopped(start_server: StartServer) -> None:
    """Not in the database, not beside it, not in a log; what was edited away neither."""
    server = start_server("log.level=debug", "log.access=yes")
    recall_what_was_edited(server)
    kept = {file.name for file in server.folder.iterdir() if file.is_file() and b"MarkedKept" in file.read_bytes()}
    assert kept == {"im.db"}
    for text in RECALLED:
        assert not [file for file in server.folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
        assert text not in server.log
