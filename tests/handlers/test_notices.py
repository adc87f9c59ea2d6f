"""Every NOTICE: who hears it, and that whoever missed it finds the change by `since`."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.handlers.house import House, create, open_house
from tests.people import Person


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), database) as opened:
        yield opened


class Cast(NamedTuple):
    """Ada owns the community, Ben is in it and her friend, Cay is in it, Dan is outside and has asked Ada."""

    ada: Person
    ben: Person
    cay: Person
    dan: Person
    room: int


@pytest.fixture
def cast(house: House) -> Cast:
    ada, ben, cay, dan = house.people(4)
    ada.befriend(ben)
    room = create(ada, ben, cay)
    dan.call("/contact/addfriend", dstid=ada.user_id)
    return Cast(ada, ben, cay, dan, room)


def friend_row(person: Person, since: str, other: Person) -> Any:
    rows = person.rows("/contact/loadfriend", since=since)
    return next((row for row in rows if row["id"] == other.user_id), None)


def community_row(person: Person, since: str, room: int) -> Any:
    return next((row for row in person.rows("/contact/loadcommunity", since=since) if row["id"] == room), None)


def conversation_row(person: Person, since: str, kind: int, dstid: int) -> Any:
    rows = person.rows("/message/conversations", since=since)
    return next((row for row in rows if (row["kind"], row["dstid"]) == (kind, dstid)), None)


class Case(NamedTuple):
    """What happens, who hears which event about what, and how each of them finds it who was away."""

    act: Callable[[Cast], object]
    heard: Callable[[Cast], dict[Person, dict[str, Any]]]
    found: Callable[[Cast, str], bool]


def _for(event: str, *people: Person, **data: object) -> dict[Person, dict[str, Any]]:
    return {person: {"cmd": 16, "event": event} | data for person in people}


CASES = {
    "request": Case(
        lambda c: c.cay.call("/contact/addfriend", dstid=c.ada.user_id),
        lambda c: (
            _for("contact.request", c.ada, userid=c.cay.user_id) | _for("contact.updated", c.cay, userid=c.ada.user_id)
        ),
        lambda c, _: next(row["userid"] for row in c.ada.rows("/contact/requests")) == c.cay.user_id,
    ),
    "accept": Case(
        lambda c: c.ada.call("/contact/accept", dstid=c.dan.user_id),
        lambda c: (
            _for("contact.added", c.ada, userid=c.dan.user_id) | _for("contact.added", c.dan, userid=c.ada.user_id)
        ),
        lambda c, since: bool(friend_row(c.ada, since, c.dan) and friend_row(c.dan, since, c.ada)),
    ),
    "reject": Case(
        lambda c: c.ada.call("/contact/reject", dstid=c.dan.user_id),
        lambda c: (
            _for("contact.updated", c.ada, userid=c.dan.user_id) | _for("contact.updated", c.dan, userid=c.ada.user_id)
        ),
        lambda c, _: not c.dan.rows("/contact/requests"),
    ),
    "remark": Case(
        lambda c: c.ada.call("/contact/remark", dstid=c.ben.user_id, remark="Benny"),
        lambda c: _for("contact.updated", c.ada, userid=c.ben.user_id),
        lambda c, since: (
            friend_row(c.ada, since, c.ben)["remark"] == "Benny" and friend_row(c.ben, since, c.ada) is None
        ),
    ),
    "remove": Case(
        lambda c: c.ben.call("/contact/remove", dstid=c.ada.user_id),
        lambda c: (
            _for("contact.removed", c.ada, userid=c.ben.user_id) | _for("contact.removed", c.ben, userid=c.ada.user_id)
        ),
        lambda c, since: friend_row(c.ada, since, c.ben)["removed"] and friend_row(c.ben, since, c.ada)["removed"],
    ),
    "block": Case(
        lambda c: c.ada.call("/contact/block", dstid=c.ben.user_id),
        lambda c: _for("contact.updated", c.ada, userid=c.ben.user_id),
        lambda c, _: [row["id"] for row in c.ada.rows("/contact/blocked")] == [c.ben.user_id],
    ),
    "profile": Case(
        lambda c: c.ben.call("/user/update", nickname="Benjamin"),
        lambda c: _for("profile.updated", c.ben, userid=c.ben.user_id),
        lambda c, since: (
            friend_row(c.ada, since, c.ben)["nickname"] == "Benjamin"
            and conversation_row(c.ada, since, 10, c.ben.user_id) is None  # empty: nothing to show
        ),
    ),
    "join": Case(
        lambda c: c.dan.call("/contact/joincommunity", dstid=c.room),
        lambda c: _for("community.joined", c.dan, dstid=c.room),
        lambda c, since: all(community_row(one, since, c.room)["members"] == 4 for one in (c.ada, c.ben, c.dan)),
    ),
    "leave": Case(
        lambda c: c.cay.call("/community/leave", dstid=c.room),
        lambda c: _for("community.left", c.cay, dstid=c.room),
        lambda c, since: community_row(c.cay, since, c.room)["removed"] and _is_left(c.cay, since, c.room),
    ),
    "kick": Case(
        lambda c: c.ada.call("/community/kick", dstid=c.room, memberid=c.cay.user_id),
        lambda c: _for("community.kicked", c.cay, dstid=c.room),
        lambda c, since: community_row(c.cay, since, c.room)["removed"] and _is_left(c.cay, since, c.room),
    ),
    "update": Case(
        lambda c: c.ada.call("/community/update", dstid=c.room, memo="new"),
        lambda c: _for("community.updated", c.ada, c.ben, c.cay, dstid=c.room),
        lambda c, since: all(community_row(one, since, c.room)["memo"] == "new" for one in (c.ada, c.ben, c.cay)),
    ),
    "transfer": Case(
        lambda c: c.ada.call("/community/transfer", dstid=c.room, memberid=c.ben.user_id),
        lambda c: _for("community.updated", c.ada, c.ben, c.cay, dstid=c.room),
        lambda c, since: (
            [community_row(one, since, c.room)["role"] for one in (c.ada, c.ben, c.cay)] == ["admin", "owner", "member"]
        ),
    ),
    "silence": Case(
        lambda c: c.ada.call("/community/mute", dstid=c.room, memberid=c.cay.user_id, seconds=60),
        lambda c: _for("community.updated", c.cay, dstid=c.room),
        lambda c, since: community_row(c.cay, since, c.room) is not None,
    ),
    "silence all": Case(
        lambda c: c.ada.call("/community/mute", dstid=c.room, seconds=60),
        lambda c: _for("community.updated", c.ada, c.ben, c.cay, dstid=c.room),
        lambda c, since: all(community_row(one, since, c.room)["silenced"] for one in (c.ada, c.ben, c.cay)),
    ),
    "dissolve": Case(
        lambda c: c.ada.call("/community/dissolve", dstid=c.room),
        lambda c: _for("community.dissolved", c.ada, c.ben, c.cay, dstid=c.room),
        lambda c, since: all(
            community_row(one, since, c.room)["removed"] and _is_left(one, since, c.room)
            for one in (c.ada, c.ben, c.cay)
        ),
    ),
    "log in": Case(
        lambda c: c.ben.log_in(),
        lambda c: _for("session.added", c.ben, id=next(row["id"] for row in c.ben.rows("/user/sessions"))),
        lambda c, _: len(c.ben.rows("/user/sessions")) == 2,
    ),
    "pin": Case(
        lambda c: c.ben.call("/message/pin", kind=11, dstid=c.room, on=True),
        lambda c: _for("conversation.updated", c.ben, kind=11, dstid=c.room),
        lambda c, since: conversation_row(c.ben, since, 11, c.room)["pinned"],
    ),
    "mute": Case(
        lambda c: c.ben.call("/message/mute", kind=11, dstid=c.room, on=True),
        lambda c: _for("conversation.updated", c.ben, kind=11, dstid=c.room),
        lambda c, since: conversation_row(c.ben, since, 11, c.room)["muted"],
    ),
    "clear": Case(
        lambda c: c.ben.call("/message/clear", kind=11, dstid=c.room),
        lambda c: _for("conversation.updated", c.ben, kind=11, dstid=c.room),
        lambda c, since: conversation_row(c.ben, since, 11, c.room)["unread"] == 0,
    ),
}


def _is_left(person: Person, since: str, room: int) -> bool:
    return bool(conversation_row(person, since, 11, room) == {"kind": 11, "dstid": room, "left": True})


def notices_until_now(person: Person, client: Any) -> list[dict[str, Any]]:
    client.send({"cmd": 0, "rid": "now"})
    heard = []
    while (frame := client.json()).get("rid") != "now":
        if frame["cmd"] == 16:
            heard.append(frame)
    return heard


@pytest.mark.parametrize("name", CASES)
def test_a_notice_is_heard_by_those_concerned_and_found_by_who_was_away(house: House, cast: Cast, name: str) -> None:
    case = CASES[name]
    people = (cast.ada, cast.ben, cast.cay, cast.dan)
    since = house.later()
    sockets = {person: person.connect() for person in people}
    old = cast.ben.connect(v1=False)
    case.act(cast)
    expected = case.heard(cast)
    heard = {person: notices_until_now(person, client) for person, client in sockets.items()}
    assert heard == {person: [expected[person]] if person in expected else [] for person in people}
    assert case.found(cast, since)
    cast.ben.say(cast.ben.user_id, "the end")
    while '"the end"' not in (text := old.text()):
        assert '"cmd":11' in text, "the original's client got a frame that it cannot know"
    for client in (*sockets.values(), old):
        client.close()


def test_admins_find_the_request_that_they_missed(house: House, cast: Cast) -> None:
    ada, ben, cay, dan, room = cast
    ada.call("/community/role", dstid=room, memberid=ben.user_id, role="admin")
    ada.call("/community/update", dstid=room, policy="approval")
    since = house.later()
    sockets = {person: person.connect() for person in (ada, ben, cay, dan)}
    dan.call("/contact/joincommunity", dstid=room)
    request = {"cmd": 16, "event": "community.request", "dstid": room, "userid": dan.user_id}
    heard = {person: notices_until_now(person, client) for person, client in sockets.items()}
    assert heard == {ada: [request], ben: [request], cay: [], dan: []}
    assert [community_row(person, since, room) is not None for person in (ada, ben, cay)] == [True, True, False]
    ben.call("/community/approve", dstid=room, memberid=dan.user_id)
    assert sockets[dan].until(cmd=16) == {"cmd": 16, "event": "community.joined", "dstid": room}
    assert sockets[dan].until(cmd=11)["event"]["userids"] == [dan.user_id], "who comes in hears the line that says so"
    for client in sockets.values():
        client.close()
