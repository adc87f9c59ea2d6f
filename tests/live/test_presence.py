"""Who is there: told to those who may know it, for as long as they may."""

from collections.abc import Callable

import pytest

from tests.people import Person
from tests.raw_client import RawClient

Friends = tuple[Person, Person]


def watch(client: RawClient, *people: Person) -> None:
    """Asks to be shown these."""
    client.send({"cmd": 15, "userids": [person.user_id for person in people]})


def watched(client: RawClient, *people: Person) -> list[bool]:
    """Asks to be shown these, all of whom may be seen: who of them is online."""
    watch(client, *people)
    told = {frame["userid"]: frame["online"] for frame in (client.until(cmd=15) for _ in people)}
    return [told[person.user_id] for person in people]


def presence(client: RawClient, person: Person) -> bool:
    """What the next PRESENCE of that person says."""
    online: bool = client.until(cmd=15, userid=person.user_id)["online"]
    return online


def others_heard(client: RawClient, friend: Person) -> list[int]:
    """Whose presence the socket hears of, beside that of `friend`, until he has come and gone once more."""
    heard: list[int] = []
    with friend.connect():
        _until_told(client, friend, heard, online=True)
    _until_told(client, friend, heard, online=False)
    return heard


def _until_told(client: RawClient, friend: Person, heard: list[int], *, online: bool) -> None:
    while (frame := client.until(cmd=15))["userid"] != friend.user_id or frame["online"] is not online:
        heard.append(frame["userid"])


def befriend(one: Person, *others: Person) -> None:
    for other in others:
        one.call("/contact/addfriend", dstid=other.user_id)


def test_friends_and_fellow_members_are_shown(friends: Friends) -> None:
    alice, bob = friends
    carol, stranger = Person(alice.port, "Carol"), Person(alice.port, "Stranger")
    room = alice.data("/contact/createcommunity", name=f"Seen {alice.user_id}")["id"]
    carol.call("/contact/joincommunity", dstid=room)
    here = alice.connect()
    phones = [person.connect() for person in (carol, stranger)]
    watch(here, bob, carol, stranger)
    first = {frame["userid"]: frame for frame in (here.until(cmd=15), here.until(cmd=15))}
    assert first == {
        bob.user_id: {"cmd": 15, "userid": bob.user_id, "online": False, "last_seen": ""},
        carol.user_id: {"cmd": 15, "userid": carol.user_id, "online": True, "last_seen": ""},
    }
    phones[1].close()
    phones[0].close()
    gone = here.until(cmd=15)
    assert (gone["userid"], gone["online"]) == (carol.user_id, False)
    assert gone["last_seen"].endswith("Z")


def test_the_last_wish_counts(friends: Friends) -> None:
    alice, bob = friends
    carol = Person(alice.port, "Carol")
    befriend(alice, carol)
    here = alice.connect()
    assert watched(here, bob) == [False]
    assert watched(here, carol) == [False]
    with bob.connect():
        assert others_heard(here, carol) == []
    watch(here)
    watch(here, bob)
    assert here.until(cmd=15)["userid"] == bob.user_id


def test_a_reload_of_a_page_is_no_absence(friends: Friends) -> None:
    alice, bob = friends
    carol = Person(alice.port, "Carol")
    befriend(alice, carol)
    here, phone = alice.connect(), bob.connect()
    assert watched(here, bob, carol) == [True, False]
    phone.close()
    with bob.connect():
        assert others_heard(here, carol) == []
        assert watched(here, bob, carol) == [True, False]


def test_two_devices_are_one_presence(friends: Friends) -> None:
    alice, bob = friends
    carol = Person(alice.port, "Carol")
    befriend(alice, carol)
    here, phone, laptop = alice.connect(), bob.connect(), bob.connect()
    assert watched(here, bob, carol) == [True, False]
    phone.reset()
    assert others_heard(here, carol) == []
    laptop.reset()
    assert presence(here, bob) is False


def _unfriend(alice: Person, bob: Person, room: int) -> None:
    alice.call("/contact/remove", dstid=bob.user_id)


def _unfriended(alice: Person, bob: Person, room: int) -> None:
    bob.call("/contact/remove", dstid=alice.user_id)


def _block(alice: Person, bob: Person, room: int) -> None:
    alice.call("/contact/block", dstid=bob.user_id)


def _blocked(alice: Person, bob: Person, room: int) -> None:
    bob.call("/contact/block", dstid=alice.user_id)


@pytest.mark.parametrize("part", [_unfriend, _unfriended, _block, _blocked])
def test_whose_friendship_ends_is_shown_no_more(friends: Friends, part: Callable[[Person, Person, int], None]) -> None:
    alice, bob = friends
    carol = Person(alice.port, "Carol")
    befriend(alice, carol)
    here = alice.connect()
    assert watched(here, bob, carol) == [False, False]
    part(alice, bob, 0)
    with bob.connect():
        assert others_heard(here, carol) == []
    row = [row for row in alice.rows("/contact/loadfriend") if row["id"] == bob.user_id]
    assert not any(one["online"] for one in row)
    watch(here, bob, carol)
    assert here.until(cmd=15)["userid"] == carol.user_id, "asking again shows him"


def _kick_watched(alice: Person, bob: Person, room: int) -> None:
    alice.call("/community/kick", dstid=room, memberid=bob.user_id)


def _leave(alice: Person, bob: Person, room: int) -> None:
    bob.call("/community/leave", dstid=room)


def _dissolve(alice: Person, bob: Person, room: int) -> None:
    alice.call("/community/dissolve", dstid=room)


@pytest.mark.parametrize("part", [_kick_watched, _leave, _dissolve])
def test_who_shares_no_community_any_more_is_shown_no_more_either_way(
    alice: Person, bob: Person, part: Callable[[Person, Person, int], None]
) -> None:
    carol = Person(alice.port, "Carol")
    befriend(carol, alice, bob)
    room = alice.data("/contact/createcommunity", name=f"Parting {alice.user_id}")["id"]
    bob.call("/contact/joincommunity", dstid=room)
    here, phone = alice.connect(), bob.connect()
    for client, other in ((here, bob), (phone, alice)):
        assert watched(client, other, carol) == [True, False]
    part(alice, bob, room)
    phone.close()
    assert others_heard(here, carol) == []
    phone = bob.connect()
    watch(phone, alice, carol)
    assert phone.until(cmd=15)["userid"] == carol.user_id
    here.close()
    assert others_heard(phone, carol) == []


def test_fellow_members_stay_shown_after_the_friendship(friends: Friends) -> None:
    alice, bob = friends
    room = alice.data("/contact/createcommunity", name=f"Still {alice.user_id}")["id"]
    bob.call("/contact/joincommunity", dstid=room)
    here = alice.connect()
    assert watched(here, bob) == [False]
    alice.call("/contact/remove", dstid=bob.user_id)
    assert here.until(cmd=16)["event"] == "contact.removed"
    with bob.connect():
        assert presence(here, bob) is True
    assert presence(here, bob) is False


def test_a_profile_that_changes_is_noticed_by_those_who_show_it(friends: Friends) -> None:
    alice, bob = friends
    here, there, own = alice.connect(), alice.connect(), bob.connect()
    assert watched(here, bob) == [True]
    bob.call("/user/update", nickname="Robert")
    for client in (here, own):
        assert client.until(cmd=16) == {"cmd": 16, "event": "profile.updated", "userid": bob.user_id}
    there.send({"cmd": 0, "rid": "x"})
    assert there.json()["rid"] == "x", "a socket that does not show him was told"
