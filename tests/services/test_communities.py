"""How communities come to be, are found and present themselves."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from imtornado.errors import BadParameter, Conflict, LimitReached, NotFound
from imtornado.records import Policy, Role
from tests.services.world import World, at_once, open_world

DAY_MS = 86_400_000


def test_a_new_community_has_its_maker_as_owner_and_says_so(world: World) -> None:
    alice = world.user("Alice")
    community = world.communities.create(alice, "chess", cate=3, memo="every friday")
    assert (community.name, community.cate, community.memo) == ("chess", 3, "every friday")
    assert (community.owner_id, community.role, community.member_count) == (alice, Role.OWNER, 1)
    assert community.policy == Policy.OPEN
    assert world.lines(community.community_id, alice)[0]["kind"] == "created"
    assert world.communities.list(alice).communities == (community,)


def test_a_name_is_taken_once(world: World) -> None:
    alice, bob = world.users(2)
    world.communities.create(alice, "chess")
    with pytest.raises(Conflict) as refused:
        world.communities.create(bob, "chess")
    assert refused.value.field == "name"
    world.communities.create(bob, "Chess")


def test_a_name_taken_by_twenty_at_once_is_one_communitys(world: World) -> None:
    people = world.users(20)
    outcomes = at_once([partial(world.communities.create, who, "the one") for who in people])
    assert sorted(outcomes) == ["Conflict"] * 19 + ["ok"]


def test_the_sixth_is_refused(world: World) -> None:
    alice = world.user()
    for number in range(5):
        world.communities.create(alice, f"number {number}")
    with pytest.raises(LimitReached):
        world.communities.create(alice, "number 6")
    assert len(world.owned(alice)) == 5


def test_twenty_created_at_once_are_five(world: World) -> None:
    alice = world.user()
    outcomes = at_once([partial(world.communities.create, alice, f"number {number}") for number in range(20)])
    assert sorted(outcomes) == ["LimitReached"] * 15 + ["ok"] * 5
    assert len(world.owned(alice)) == 5


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    with open_world(tmp_path, "communities.max_owned=1") as world:
        alice, bob = world.users(2)
        world.communities.create(alice, "only")
        with pytest.raises(LimitReached):
            world.communities.create(alice, "second")
        bobs = world.community(bob, alice)
        with pytest.raises(LimitReached):
            world.memberships.transfer(bob, bobs, alice)


def test_outside_only_what_can_be_found_is_seen(world: World) -> None:
    owner, member, stranger = world.users(3)
    shown = world.community(owner, member, policy=Policy.APPROVAL)
    hidden = world.community(owner, member, policy=Policy.INVITE)
    assert world.communities.info(stranger, shown).role is None
    assert world.communities.info(member, hidden).role == Role.MEMBER
    for community_id in (hidden, 2**53 - 1):
        with pytest.raises(NotFound):
            world.communities.info(stranger, community_id)
    world.memberships.leave(member, hidden)
    with pytest.raises(NotFound):
        world.communities.info(member, hidden)


def test_search_finds_by_the_beginning_of_the_name(world: World) -> None:
    owner, stranger = world.users(2)
    world.community(owner, name="go players")
    world.community(owner, name="golf")
    world.community(owner, name="golem", policy=Policy.INVITE)
    world.community(owner, name="tango")
    assert [one.name for one in world.communities.search(stranger, "go")] == ["go players", "golf"]
    assert [one.name for one in world.communities.search(stranger, "gol")] == ["golf"]
    for strange in ("%", "_", "g%", "\\", "'"):
        assert list(world.communities.search(stranger, strange)) == []


def test_members_come_in_pages_by_id(world: World) -> None:
    owner, *others = world.users(8)
    community = world.community(owner, *others)
    first = world.communities.members(others[0], community, 0, 5)
    assert [member.user.user_id for member in first] == [owner, *others[:4]]
    rest = world.communities.members(others[0], community, others[3], 5)
    assert [member.user.user_id for member in rest] == others[4:]


def test_an_update_changes_what_it_names_and_tells_all(world: World) -> None:
    owner, member = world.users(2)
    community = world.community(owner, member, name="before")
    position = world.position()
    changed = world.communities.update(
        owner, community, {"name": "after", "cate": 4, "memo": "m", "policy": Policy.APPROVAL}
    )
    assert (changed.name, changed.cate, changed.memo, changed.policy) == ("after", 4, "m", Policy.APPROVAL)
    assert (0, "community.updated", {"dstid": community}) in world.told(position)
    line = world.lines(community, member)[-1]
    assert (line["kind"], line["by"], line["name"]) == ("renamed", owner, "after")
    count = len(world.lines(community, member))
    assert world.communities.update(owner, community, {"memo": "n"}).name == "after"
    assert len(world.lines(community, member)) == count, "only a new name is worth a line"


def test_a_taken_name_changes_nothing(world: World) -> None:
    alice, bob = world.users(2)
    world.community(alice, name="taken")
    community = world.community(bob, name="mine")
    position = world.position()
    with pytest.raises(Conflict) as refused:
        world.communities.update(bob, community, {"memo": "new", "name": "taken"})
    assert refused.value.field == "name"
    info = world.communities.info(bob, community)
    assert (info.name, info.memo) == ("mine", "")
    assert world.told(position) == []
    assert [line["kind"] for line in world.lines(community, bob)] == ["created"]


def test_an_announcement_is_shown_and_said(world: World) -> None:
    owner, member = world.users(2)
    community = world.community(owner, member)
    assert world.communities.announce(owner, community, "meeting at {noon}").announcement == "meeting at {noon}"
    line = world.lines(community, member)[-1]
    assert (line["kind"], line["by"]) == ("announced", owner)
    assert "meeting at {noon}" in line["content"]
    assert world.communities.announce(owner, community, "").announcement == ""


def test_nicknames_with_braces_stay_as_they_are(world: World) -> None:
    owner, guest = world.user("{by} {0}"), world.user("%s {users}")
    community = world.community(owner, guest)
    assert world.lines(community, owner)[-1]["content"] == "%s {users} joined"


def test_an_icon_is_a_picture_that_its_setter_may_use(world: World) -> None:
    alice, bob = world.users(2)
    mine, hers = world.picture(bob, "bobs.webp"), world.picture(alice, "alices.webp")
    community = world.community(bob)
    assert world.communities.update(bob, community, {"icon": mine}).icon == mine
    assert world.communities.create(bob, "with icon", icon=mine).icon == mine
    calls: list[Callable[[str], object]] = [
        lambda icon: world.communities.update(bob, community, {"icon": icon}),
        lambda icon: world.communities.create(bob, "another", icon=icon),
    ]
    for call in calls:
        for foreign in (hers, "/resource/nowhere.webp"):
            with pytest.raises(NotFound) as refused:
                call(foreign)
            assert refused.value.field == "icon"
        for bad in ("http://evil.example/x.png", "javascript:alert(1)", "/resource/../im.db", "/resource/", "x.png"):
            with pytest.raises(BadParameter):
                call(bad)
    assert world.communities.update(bob, community, {"icon": ""}).icon == ""


def test_an_admin_cannot_show_the_owners_private_picture(world: World) -> None:
    owner, admin = world.users(2)
    community = world.community(owner, admin)
    world.memberships.set_role(owner, community, admin, Role.ADMIN)
    private = world.picture(owner, "private.webp")
    with pytest.raises(NotFound):
        world.communities.update(admin, community, {"icon": private})
    assert world.store.uploads.visible("private.webp", admin) is None


def test_members_see_the_icon_file(world: World) -> None:
    owner, member, stranger = world.users(3)
    community = world.community(owner, member)
    world.communities.update(owner, community, {"icon": world.picture(owner, "icon.webp")})
    for who in (member, stranger):
        assert world.store.uploads.visible("icon.webp", who) is not None


def test_the_originals_stock_icon_is_none(world: World) -> None:
    assert world.communities.create(world.user(), "old client", icon="/asset/images/community.png").icon == ""


def test_since_brings_what_changed_and_what_was_left(world: World) -> None:
    owner, alice = world.users(2)
    still, memo, left, kicked, dissolved = (world.community(owner, alice) for _ in range(5))
    before = world.communities.list(alice)
    assert before.full
    assert [one.community_id for one in before.communities] == [still, memo, left, kicked, dissolved]
    since_ms = before.now_ms + 1
    world.store.clock.at_least(since_ms)
    world.communities.update(owner, memo, {"memo": "new"})
    world.memberships.leave(alice, left)
    world.memberships.kick(owner, kicked, alice)
    world.memberships.dissolve(owner, dissolved)
    joined = world.community(owner, alice)
    found = world.communities.list(alice, since_ms)
    assert not found.full
    assert [one.community_id for one in found.communities] == [memo, joined]
    assert sorted(found.removed_ids) == [left, kicked, dissolved]


@pytest.mark.parametrize("change", ["role", "announcement", "silence", "transfer", "member"])
def test_since_misses_no_change_of_a_community(world: World, change: str) -> None:
    owner, alice, bob = world.users(3)
    community = world.community(owner, alice)
    since_ms = world.communities.list(alice).now_ms + 1
    world.store.clock.at_least(since_ms)
    if change == "role":
        world.memberships.set_role(owner, community, alice, Role.ADMIN)
    elif change == "announcement":
        world.communities.announce(owner, community, "news")
    elif change == "silence":
        world.memberships.silence(owner, community, None, 60)
    elif change == "transfer":
        world.memberships.transfer(owner, community, alice)
    else:
        world.admissions.join(bob, community, "")
    assert [one.community_id for one in world.communities.list(alice, since_ms).communities] == [community]


def test_a_stamp_older_than_a_day_brings_all(world: World) -> None:
    owner, alice = world.users(2)
    community = world.community(owner, alice)
    found = world.communities.list(alice, world.store.clock.now_ms() - DAY_MS)
    assert found.full
    assert [one.community_id for one in found.communities] == [community]
