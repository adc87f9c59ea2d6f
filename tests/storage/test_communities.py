"""The birth of communities, and how they are read."""

import msgspec
import pytest

from imtornado.errors import Conflict, LimitReached, NotFound
from imtornado.records import SYSTEM_MEDIA, Kind, Policy, Role
from storage.store import NewCommunity
from tests.storage.scene import Scene, at_once, errors


def test_a_new_community_has_its_owner_and_first_line(scene: Scene) -> None:
    ada = scene.user("Ada")
    position = scene.store.events.position()
    community = scene.store.communities.create(NewCommunity(ada, " Chess 😀 ", "https://x/i.png", 2, "memo"), 5)
    assert (community.name, community.icon, community.cate, community.memo) == (
        "Chess 😀",
        "https://x/i.png",
        2,
        "memo",
    )
    assert (community.owner_id, community.role, community.member_count) == (ada, Role.OWNER, 1)
    assert (community.policy, community.all_silenced, community.announcement) == (Policy.OPEN, False, "")
    assert scene.store.communities.get(community.community_id, ada) == community
    (line,) = scene.seen(ada, Kind.COMMUNITY, community.community_id)
    assert (line.media, line.seq, line.sender_id) == (SYSTEM_MEDIA, 1, ada)
    event = msgspec.json.decode(line.event)
    assert event == {"kind": "created", "userids": [ada], "by": ada, "name": "Chess 😀"}
    assert scene.kinds(position, ada) == ["community.joined"]
    assert scene.shown(ada, Kind.COMMUNITY, community.community_id).unread == 0
    assert scene.send(ada, Kind.COMMUNITY, community.community_id).seq == 2


def test_five_communities_also_for_twenty_threads(scene: Scene) -> None:
    ada = scene.user()
    create = scene.store.communities.create
    outcomes = at_once([lambda n=n: create(NewCommunity(ada, f"room {n}"), 5) for n in range(20)])  # type: ignore[misc]
    assert errors(outcomes) == [LimitReached] * 15
    assert len(scene.store.communities.of_user(ada)) == 5


def test_a_dissolved_one_makes_room_for_another(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    with pytest.raises(LimitReached):
        scene.store.communities.create(NewCommunity(ada, "second"), 1)
    scene.change(room, lambda tx: tx.dissolve())
    assert scene.store.communities.create(NewCommunity(ada, "second"), 1).owner_id == ada


def test_a_name_is_taken_once_also_by_threads(scene: Scene) -> None:
    owners = scene.users(8)
    create = scene.store.communities.create
    outcomes = at_once([lambda o=o: create(NewCommunity(o, "Café"), 5) for o in owners])  # type: ignore[misc]
    assert errors(outcomes) == [Conflict] * 7
    with pytest.raises(Conflict) as caught:
        create(NewCommunity(owners[0], " Cafe\u0301 "), 5)  # the same after trimming and NFC
    assert caught.value.field == "name"


@pytest.mark.parametrize("other", ["ABCdef", "abcDEF2", "abc DEF"])
def test_names_are_compared_in_binary(scene: Scene, other: str) -> None:
    ada = scene.user()
    first, second = scene.community(ada, name="abcDEF"), scene.community(ada, name=other)
    by_name = scene.store.communities.by_name
    assert [c and c.community_id for c in (by_name("abcDEF", ada), by_name(other, ada))] == [first, second]


def test_an_unknown_owner_and_a_foreign_icon_are_refused(scene: Scene) -> None:
    ada, bea = scene.users(2)
    scene.upload(bea, "icon")
    create = scene.store.communities.create
    with pytest.raises(NotFound):
        create(NewCommunity(999, "room"), 5)
    with pytest.raises(NotFound) as caught:
        create(NewCommunity(ada, "room", "/resource/icon"), 5)
    assert caught.value.field == "icon"
    assert scene.store.communities.by_name("room", ada) is None
    create(NewCommunity(bea, "room", "/resource/icon"), 5)
    assert scene.store.uploads.visible("icon", ada) is not None


def test_strangers_see_a_community_from_outside(scene: Scene) -> None:
    ada, bea, stranger = scene.users(3)
    room = scene.community(ada, bea, name="room")
    communities = scene.store.communities
    for found in (communities.get(room, stranger), communities.by_name(" room ", stranger)):
        assert found is not None
        assert (found.community_id, found.role, found.member_count) == (room, None, 2)
    assert (communities.role(room, bea), communities.role(room, stranger)) == (Role.MEMBER, None)
    assert communities.get(999, ada) is None
    assert communities.role(999, ada) is None
    scene.leave(room, bea)
    assert communities.role(room, bea) is None
    assert communities.of_user(bea) == ()


def test_search_finds_what_starts_with_it(scene: Scene) -> None:
    ada = scene.user()
    for name in ("chess", "chess club", "Chess", "chest", "a chess", "chess%", "chess 😀"):
        scene.community(ada, name=name)
    hidden = scene.community(ada, name="chess secret")
    scene.change(hidden, lambda tx: tx.set_community(policy=Policy.INVITE))
    search = scene.store.communities.search
    assert [c.name for c in search("chess", ada, 10)] == ["chess", "chess club", "chess 😀", "chess%"]
    assert [c.name for c in search("chess", ada, 2)] == ["chess", "chess club"]
    assert [c.name for c in search("chess%", ada, 10)] == ["chess%"]
    assert search("x", ada, 10) == ()


def test_members_are_paged_by_id(scene: Scene) -> None:
    ada, bea, cid, former = scene.users(4)
    room = scene.community(ada, bea, cid, former)
    scene.leave(room, former)
    scene.change(room, lambda tx: tx.silence(bea, tx.now_ms + 1000))
    members = scene.store.communities.members
    first = members(room, 0, 2)
    assert [(m.user.user_id, m.role) for m in first] == [(ada, Role.OWNER), (bea, Role.MEMBER)]
    assert first[1].silenced_until_ms > 0
    assert [m.user.user_id for m in members(room, bea, 2)] == [cid]
    assert members(999, 0, 10) == ()
    scene.later(1001)
    assert members(room, 0, 2)[1].silenced_until_ms == 0
