"""One's own view: deleted, cleared, pinned, muted for oneself, and told to nobody else."""

from collections.abc import Callable

import pytest

from imtornado.errors import NotFound
from imtornado.records import Conversation, Gone, Kind
from tests.services.world import World, outcome

SINGLE, ROOM = Kind.SINGLE, Kind.COMMUNITY


@pytest.fixture
def pair(world: World) -> tuple[int, int]:
    """Two friends with five messages, all by the first."""
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    for number in range(1, 6):
        world.send(ann, SINGLE, bob, f"{number}")
    return ann, bob


def contents(world: World, user_id: int, dstid: int, kind: Kind = SINGLE) -> list[str | Gone]:
    page = world.messages.history(user_id, kind, dstid, before=None, after=None, limit=200)
    return [message.gone or message.content for message in page.messages]


def shown(world: World, user_id: int, dstid: int) -> Conversation:
    (found,) = (row for row in world.messages.conversations(user_id, "", 0, 50).rows if row.dstid == dstid)
    return found


def test_what_is_deleted_is_gone_for_oneself_alone(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    position = world.position()
    world.views.delete(bob, SINGLE, ann, (2, 5))
    assert contents(world, bob, ann) == ["1", Gone.DELETED, "3", "4", Gone.DELETED]
    assert contents(world, ann, bob) == ["1", "2", "3", "4", "5"]
    assert world.told(position) == [(bob, "conversation.updated", {"kind": 10, "dstid": ann, "deleted": [2, 5]})]
    last = shown(world, bob, ann).last
    assert last is not None
    assert (last.gone, last.content) == (Gone.DELETED, "")


def test_deleting_again_tells_what_is_new_alone(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    world.views.delete(bob, SINGLE, ann, (2,))
    position = world.position()
    world.views.delete(bob, SINGLE, ann, (2,))
    assert world.told(position) == []
    world.views.delete(bob, SINGLE, ann, (2, 3))
    assert world.told(position)[0][2]["deleted"] == [3]


@pytest.mark.parametrize("seqs", [(1, 6), (0,), (-1,), (2**53 - 1,)])
def test_one_seq_outside_of_the_window_and_nothing_is_deleted(
    world: World, pair: tuple[int, int], seqs: tuple[int, ...]
) -> None:
    ann, bob = pair
    with pytest.raises(NotFound) as refused:
        world.views.delete(bob, SINGLE, ann, seqs)
    assert refused.value.field == "seqs"
    assert contents(world, bob, ann) == ["1", "2", "3", "4", "5"]


def test_a_picture_that_one_deleted_is_no_longer_ones_to_see(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    seq = world.send(ann, SINGLE, bob, "", url=world.picture(ann, "pic"), media=4)
    assert world.store.uploads.visible("pic", bob) is not None
    world.views.delete(bob, SINGLE, ann, (seq,))
    assert world.store.uploads.visible("pic", bob) is None


def test_a_deleted_message_calls_nobody(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    seq = world.send(ann, SINGLE, bob, "bob!", mention=(bob,))
    assert shown(world, bob, ann).mentioned
    world.views.delete(bob, SINGLE, ann, (seq,))
    assert not shown(world, bob, ann).mentioned


def test_clearing_moves_the_window_and_never_back(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    world.views.delete(bob, SINGLE, ann, (1,))
    position = world.position()
    assert world.views.clear(bob, SINGLE, ann, 3) == 3
    assert contents(world, bob, ann) == ["4", "5"]
    assert (shown(world, bob, ann).first, shown(world, bob, ann).unread) == (4, 2)
    assert world.views.clear(bob, SINGLE, ann, 2) == 3
    assert world.views.clear(bob, SINGLE, ann, 0) == 3
    assert contents(world, bob, ann) == ["4", "5"]
    assert world.views.clear(bob, SINGLE, ann) == 5
    assert world.views.clear(bob, SINGLE, ann) == 5
    assert world.views.clear(bob, SINGLE, ann, 99) == 5, "what is not there yet cannot be cleared"
    assert world.told(position) == [(bob, "conversation.updated", {"kind": 10, "dstid": ann})] * 2
    assert contents(world, bob, ann) == []
    assert (shown(world, bob, ann).unread, shown(world, bob, ann).last) == (0, None)
    assert contents(world, ann, bob) == ["1", "2", "3", "4", "5"]
    world.send(ann, SINGLE, bob, "6")
    assert contents(world, bob, ann) == ["6"]


def test_a_cleared_conversation_leaves_the_list_until_somebody_speaks(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    world.views.clear(bob, SINGLE, ann)
    assert ann not in [row.dstid for row in world.messages.conversations(bob, "", None, 50).rows]
    world.views.pin(bob, SINGLE, ann, True)
    assert ann in [row.dstid for row in world.messages.conversations(bob, "", None, 50).rows]
    world.views.pin(bob, SINGLE, ann, False)
    world.send(ann, SINGLE, bob, "6")
    assert ann in [row.dstid for row in world.messages.conversations(bob, "", None, 50).rows]


def test_marks_are_ones_own_and_told_when_they_change(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    position = world.position()
    for mark in (True, True, False):
        world.views.pin(bob, SINGLE, ann, mark)
        assert (shown(world, bob, ann).pinned, shown(world, ann, bob).pinned) == (mark, False)
    assert len(world.told(position)) == 2
    for mark in (True, True, False):
        world.views.mute(bob, SINGLE, ann, mark)
        assert (shown(world, bob, ann).muted, shown(world, ann, bob).muted) == (mark, False)
    assert world.told(position) == [(bob, "conversation.updated", {"kind": 10, "dstid": ann})] * 4


def test_a_view_that_changed_comes_since_a_stamp_and_nobody_elses(world: World, pair: tuple[int, int]) -> None:
    ann, bob = pair
    acts: tuple[Callable[[], object], ...] = (
        lambda: world.views.pin(bob, SINGLE, ann, True),
        lambda: world.views.mute(bob, SINGLE, ann, True),
        lambda: world.views.delete(bob, SINGLE, ann, (1,)),
        lambda: world.views.clear(bob, SINGLE, ann),
    )
    for act in acts:
        world.later(0.01)
        since_ms = world.store.clock.now_ms()
        world.later(0.01)
        act()
        assert [row.dstid for row in world.messages.conversations(bob, "", since_ms, 50).rows] == [ann]
        assert world.messages.conversations(ann, "", since_ms, 50).rows == ()


def test_strangers_and_those_who_left(world: World) -> None:
    ann, bob, stranger = world.users(3)
    room = world.community(ann, bob)
    seq = world.say(ann, room)
    world.memberships.leave(bob, room)
    later = world.say(ann, room)
    views = world.views
    for dstid in (room, 2**53 - 1):
        assert outcome(views.delete, stranger, ROOM, dstid, (seq,)) == "NotFound"
        assert outcome(views.clear, stranger, ROOM, dstid) == "NotFound"
        assert outcome(views.pin, stranger, ROOM, dstid, True) == "NotFound"
        assert outcome(views.mute, stranger, ROOM, dstid, True) == "NotFound"
    assert outcome(views.pin, bob, ROOM, room, True) == "NotFound"
    assert outcome(views.mute, bob, ROOM, room, True) == "NotFound"
    assert outcome(views.delete, bob, ROOM, room, (later,)) == "NotFound"
    assert outcome(views.delete, bob, ROOM, room, (seq,)) == "ok", "his old window is still his"
    assert contents(world, bob, room, ROOM)[-2] == Gone.DELETED
    assert views.clear(bob, ROOM, room) == later - 1
    assert contents(world, bob, room, ROOM) == []
