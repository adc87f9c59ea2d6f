"""Friendship, from the request to the block."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado.errors import BadParameter, Conflict, NotAllowed, NotFound
from tests.services.world import World, at_once, open_world

DAY_MS = 86_400_000


@pytest.fixture
def trusting(tmp_path: Path, database: str) -> Iterator[World]:
    """As in the original: whoever is added is a friend at once."""
    with open_world(tmp_path, database, "contacts.confirm=no") as opened:
        yield opened


def friend_ids(world: World, user_id: int) -> list[int]:
    return [friend.user.user_id for friend in world.contacts.friends(user_id).friends]


def mobile(world: World, user_id: int) -> str:
    user = world.store.users.get(user_id)
    assert user is not None
    return user.mobile


def test_a_request_waits_until_it_is_accepted(world: World) -> None:
    alice, bob = world.users(2)
    other, friends = world.contacts.add(alice, bob, "it is me")
    assert (other.user_id, friends) == (bob, False)
    assert friend_ids(world, alice) == friend_ids(world, bob) == []

    (incoming,) = world.contacts.requests(bob)
    assert (incoming.user.user_id, incoming.memo, incoming.incoming) == (alice, "it is me", True)
    (outgoing,) = world.contacts.requests(alice)
    assert (outgoing.user.user_id, outgoing.incoming) == (bob, False)

    world.contacts.accept(bob, alice)
    assert (friend_ids(world, alice), friend_ids(world, bob)) == ([bob], [alice])
    assert world.contacts.requests(alice) == world.contacts.requests(bob) == ()


def test_asking_tells_the_other_and_accepting_tells_both(world: World) -> None:
    alice, bob = world.users(2)
    position = world.position()
    world.contacts.add(alice, bob, "")
    assert (bob, "contact.request", {"userid": alice}) in world.told(position)
    position = world.position()
    world.contacts.accept(bob, alice)
    told = world.told(position)
    assert (alice, "contact.added", {"userid": bob}) in told
    assert (bob, "contact.added", {"userid": alice}) in told


def test_two_who_ask_each_other_are_friends(world: World) -> None:
    alice, bob = world.users(2)
    world.contacts.add(alice, bob, "")
    assert world.contacts.add(bob, alice, "")[1] is True
    assert friend_ids(world, alice) == [bob]


def test_two_who_ask_each_other_at_the_same_moment_are_friends(world: World) -> None:
    for _ in range(10):
        alice, bob = world.users(2)
        outcomes = at_once([lambda: world.contacts.add(alice, bob, ""), lambda: world.contacts.add(bob, alice, "")])  # noqa: B023
        assert outcomes == ["ok", "ok"]
        assert (friend_ids(world, alice), friend_ids(world, bob)) == ([bob], [alice])
        assert world.contacts.requests(alice) == world.contacts.requests(bob) == ()


def test_without_confirmation_they_are_friends_at_once(trusting: World) -> None:
    alice, bob = trusting.users(2)
    assert trusting.contacts.add_by_mobile(alice, mobile(trusting, bob), "")[1] is True
    assert (friend_ids(trusting, alice), friend_ids(trusting, bob)) == ([bob], [alice])


@pytest.mark.parametrize("confirm", ["yes", "no"])
def test_friends_cannot_be_added_again(tmp_path: Path, confirm: str) -> None:
    with open_world(tmp_path, f"contacts.confirm={confirm}") as world:
        alice, bob = world.users(2)
        world.befriend(alice, bob)
        for one, other in ((alice, bob), (bob, alice)):
            with pytest.raises(Conflict):
                world.contacts.add(one, other, "")


@pytest.mark.parametrize("confirm", ["yes", "no"])
def test_nobody_adds_himself_or_somebody_unknown_or_disabled(tmp_path: Path, confirm: str) -> None:
    with open_world(tmp_path, f"contacts.confirm={confirm}") as world:
        alice, gone = world.users(2)
        world.store.users.set_disabled(gone, True)
        with pytest.raises(BadParameter):
            world.contacts.add(alice, alice, "")
        with pytest.raises(BadParameter):
            world.contacts.add_by_mobile(alice, mobile(world, alice), "")
        for unknown in (gone, 2**53 - 1):
            with pytest.raises(NotFound):
                world.contacts.add(alice, unknown, "")
        for unknown_mobile in (mobile(world, gone), "19999999999", "", "' OR 1=1"):
            with pytest.raises(NotFound):
                world.contacts.add_by_mobile(alice, unknown_mobile, "")
        assert world.contacts.requests(alice) == ()
        assert friend_ids(world, alice) == []


def test_a_request_can_be_turned_down_or_taken_back(world: World) -> None:
    alice, bob = world.users(2)
    for who, other in ((bob, alice), (alice, bob)):
        world.contacts.add(alice, bob, "")
        world.contacts.reject(who, other)
        assert world.contacts.requests(alice) == world.contacts.requests(bob) == ()
        with pytest.raises(NotFound):
            world.contacts.accept(bob, alice)


def test_nobody_accepts_his_own_request_or_one_of_others(world: World) -> None:
    alice, bob, eve = world.users(3)
    world.contacts.add(alice, bob, "")
    for who, asker in ((alice, bob), (eve, alice), (eve, bob), (bob, eve)):
        with pytest.raises(NotFound):
            world.contacts.accept(who, asker)
    with pytest.raises(NotFound):
        world.contacts.reject(eve, alice)
    assert friend_ids(world, alice) == friend_ids(world, bob) == friend_ids(world, eve) == []


def test_removing_ends_the_friendship_for_both(world: World) -> None:
    alice, bob = world.users(2)
    world.befriend(alice, bob)
    position = world.position()
    world.contacts.remove(bob, alice)
    assert friend_ids(world, alice) == friend_ids(world, bob) == []
    told = world.told(position)
    assert (alice, "contact.removed", {"userid": bob}) in told
    assert (bob, "contact.removed", {"userid": alice}) in told
    with pytest.raises(NotFound):
        world.contacts.remove(bob, alice)


def test_a_remark_is_seen_by_its_writer_only(world: World) -> None:
    alice, bob, eve = world.users(3)
    world.befriend(alice, bob)
    world.contacts.remark(alice, bob, "Bobby")
    assert world.contacts.friends(alice).friends[0].remark == "Bobby"
    assert world.contacts.friends(bob).friends[0].remark == ""
    with pytest.raises(NotFound):
        world.contacts.remark(alice, eve, "who")


def test_a_blocked_asker_notices_nothing_and_is_not_heard(world: World) -> None:
    alice, bob = world.users(2)
    world.contacts.block(bob, alice)
    position = world.position()
    assert world.contacts.add(alice, bob, "please")[1] is False
    assert world.contacts.requests(bob) == ()
    assert not [event for event in world.told(position) if event[0] == bob]
    assert [user.user_id for user in world.contacts.blocked(bob)] == [alice]
    assert world.contacts.blocked(alice) == ()


def test_without_confirmation_a_blocked_user_cannot_befriend(trusting: World) -> None:
    alice, bob = trusting.users(2)
    trusting.contacts.block(bob, alice)
    with pytest.raises(NotAllowed):
        trusting.contacts.add(alice, bob, "")
    assert friend_ids(trusting, bob) == []


def test_unblocking_asks_for_a_block(world: World) -> None:
    alice, bob = world.users(2)
    with pytest.raises(NotFound):
        world.contacts.unblock(alice, bob)
    with pytest.raises(NotFound):
        world.contacts.block(alice, 2**53 - 1)
    with pytest.raises(BadParameter):
        world.contacts.block(alice, alice)
    world.contacts.block(alice, bob)
    world.contacts.block(alice, bob)
    world.contacts.unblock(alice, bob)
    assert world.contacts.blocked(alice) == ()


def test_since_brings_what_changed_and_who_is_gone(world: World) -> None:
    alice, bob, carol, dave = world.users(4)
    world.befriend(alice, bob, carol, dave)
    before = world.contacts.friends(alice)
    assert before.full
    # the stamp is compared in whole milliseconds: what happened in its own may come again
    world.store.clock.at_least(before.now_ms + 1)
    world.contacts.remark(alice, carol, "C")
    world.contacts.remove(dave, alice)
    since = world.contacts.friends(alice, before.now_ms + 1)
    assert not since.full
    assert [friend.user.user_id for friend in since.friends] == [carol]
    assert since.removed_ids == (dave,)


def test_since_tells_of_a_friends_new_profile(world: World) -> None:
    alice, bob, carol = world.users(3)
    world.befriend(alice, bob, carol)
    before = world.contacts.friends(alice)
    world.store.clock.at_least(before.now_ms + 1)
    world.store.users.update(bob, {"nickname": "Robert"})
    (friend,) = world.contacts.friends(alice, before.now_ms + 1).friends
    assert (friend.user.user_id, friend.user.nickname) == (bob, "Robert")


def test_a_friend_who_came_back_is_not_told_as_gone(world: World) -> None:
    alice, bob = world.users(2)
    world.befriend(alice, bob)
    since_ms = world.contacts.friends(alice).now_ms
    world.contacts.remove(alice, bob)
    world.befriend(alice, bob)
    found = world.contacts.friends(alice, since_ms)
    assert ([friend.user.user_id for friend in found.friends], found.removed_ids) == ([bob], ())


def test_a_stamp_older_than_a_day_brings_everybody(world: World) -> None:
    alice, bob, carol = world.users(3)
    world.befriend(alice, bob, carol)
    found = world.contacts.friends(alice, world.store.clock.now_ms() - DAY_MS)
    assert found.full
    assert [friend.user.user_id for friend in found.friends] == [bob, carol]
