"""What of the changes each member sees: only of messages in his window, and nothing after his leaving."""

from functools import partial

import msgspec
import pytest

from imtornado.drafts import Change, Changed
from imtornado.errors import NotFound
from imtornado.records import Gone, Kind, Message, Reaction, Role, conversation_key
from imtornado.services import change_rules
from tests.services.world import World

ROOM = Kind.COMMUNITY


def rows(world: World, user_id: int, room: int) -> dict[int, Message]:
    page = world.messages.history(user_id, ROOM, room, before=None, after=None, limit=200)
    return {message.seq: message for message in page.messages}


def reactions(world: World, user_id: int, room: int) -> dict[int, tuple[Reaction, ...]]:
    return world.messages.history(user_id, ROOM, room, before=None, after=None, limit=200).reactions


def vers(world: World, user_id: int, room: int, since: int = 0) -> list[int]:
    return [one.ver for one in world.changes.since(user_id, ROOM, room, since, 200).changes]


def made(world: World, rule: partial[change_rules.Altered], room: int) -> Changed:
    """The outcome of a rule, as the live side gets it."""
    outcome = world.commit(Change(conversation_key(ROOM, 0, room), rule))
    assert isinstance(outcome, Changed)
    return outcome


def test_changes_come_in_pages_and_say_where_to_go_on(world: World) -> None:
    ann = world.user()
    seq = world.send(ann, Kind.SINGLE, ann)
    for number in range(5):
        world.changes.edit(ann, Kind.SINGLE, ann, seq=seq, content=f"text {number}")
    since, found = 0, []
    while True:
        page = world.changes.since(ann, Kind.SINGLE, ann, since, 2)
        found += [(one.ver, msgspec.json.decode(one.data)["content"]) for one in page.changes]
        since = page.ver
        if page.ver == page.last_ver:
            break
        assert len(page.changes) == 2
    assert found == [(number + 1, f"text {number}") for number in range(5)]
    for beyond in (5, 6, 2**53 - 1):
        page = world.changes.since(ann, Kind.SINGLE, ann, beyond, 2)
        assert (page.changes, page.ver, page.last_ver) == ((), 5, 5)


def test_a_long_stretch_of_foreign_changes_is_passed_in_pages(world: World) -> None:
    """Thousands of changes before one's time cost each call a bounded walk."""
    ann, late = world.users(2)
    room = world.community(ann)
    seq = world.say(ann, room)
    world.admissions.join(late, room, "")
    key, rule = conversation_key(ROOM, 0, room), change_rules.react
    toggles = [
        Change(key, partial(rule, user_id=ann, seq=seq, emoji="x", on=number % 2 == 0)) for number in range(2500)
    ]
    assert all(isinstance(outcome, Changed) for outcome in world.store.commit(toggles))
    mine = world.say(late, room)
    world.changes.edit(late, ROOM, room, seq=mine, content="else")
    first = world.changes.since(late, ROOM, room, 0, 200)
    assert (first.changes, first.ver, first.last_ver) == ((), 2000, 2501)
    second = world.changes.since(late, ROOM, room, first.ver, 200)
    assert ([one.ver for one in second.changes], second.ver) == ([2501], 2501)


def test_who_came_later_sees_no_change_of_earlier_messages(world: World) -> None:
    ann, bob, late = world.users(3)
    room = world.community(ann, bob)
    early = world.say(ann, room, "before his time")
    world.admissions.join(late, room, "")
    recent = world.say(ann, room)
    outcome = made(world, partial(change_rules.edit, user_id=ann, seq=early, content="secret", within_ms=10**6), room)
    assert outcome.changes[0].blind == {late}
    outcome = made(world, partial(change_rules.edit, user_id=ann, seq=recent, content="open", within_ms=10**6), room)
    assert outcome.changes[0].blind == frozenset()
    assert vers(world, bob, room) == [1, 2]
    page = world.changes.since(late, ROOM, room, 0, 200)
    assert ([one.ver for one in page.changes], page.ver) == ([2], 2)


def test_who_cleared_or_deleted_a_message_sees_no_change_of_it(world: World) -> None:
    ann, cleared, deleted, bob = world.users(4)
    room = world.community(ann, cleared, deleted, bob)
    seq = world.say(ann, room)
    world.views.clear(cleared, ROOM, room)
    world.views.delete(deleted, ROOM, room, (seq,))
    outcome = made(world, partial(change_rules.edit, user_id=ann, seq=seq, content="else", within_ms=10**6), room)
    assert outcome.changes[0].blind == {cleared, deleted}
    assert [vers(world, who, room) for who in (ann, bob, cleared, deleted)] == [[1], [1], [], []]
    assert world.changes.since(deleted, ROOM, room, 0, 200).ver == 1
    assert rows(world, deleted, room)[seq].content == ""


class Left:
    """Bea left a community in which everything is changed before and after her leaving."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ann, self.bea, self.cid = world.users(3)
        self.room = world.community(self.ann, self.bea, self.cid)
        self.edited, self.twice, self.untouched, self.recalled = (
            world.say(self.ann, self.room, f"original {number}") for number in range(4)
        )
        self.edit(self.twice, "edited in her time")  # ver 1
        self.react(self.cid, self.untouched, "👍")  # ver 2
        self.react(self.ann, self.untouched, "👍")  # ver 3
        self.react(self.ann, self.untouched, "🎉")  # ver 4
        self.react(self.ann, self.untouched, "🎉", on=False)  # ver 5
        self.edit(self.recalled, "still there")  # ver 6
        self.before = self.seen()
        world.memberships.leave(self.bea, self.room)

    def edit(self, seq: int, content: str) -> None:
        self.world.later(0.001)
        self.world.changes.edit(self.ann, ROOM, self.room, seq=seq, content=content)

    def react(self, who: int, seq: int, emoji: str, on: bool = True) -> None:
        self.world.later(0.001)
        self.world.changes.react(who, ROOM, self.room, seq=seq, emoji=emoji, on=on)

    def seen(self) -> tuple[dict[int, Message], dict[int, tuple[Reaction, ...]], list[int]]:
        """Rows up to the last message before her leaving, reactions, vers; as Bea sees them."""
        messages = rows(self.world, self.bea, self.room)
        kept = {seq: message for seq, message in messages.items() if seq <= self.recalled}
        return kept, reactions(self.world, self.bea, self.room), vers(self.world, self.bea, self.room)

    def go_on(self) -> None:
        self.edit(self.edited, "new text")
        self.edit(self.edited, "newer text")
        self.edit(self.twice, "edited after her time")
        self.react(self.ann, self.untouched, "👍", on=False)
        self.react(self.cid, self.untouched, "😡")
        self.react(self.cid, self.edited, "😡")


def test_nothing_that_happens_after_leaving_shows(world: World) -> None:
    left = Left(world)
    stamp = world.messages.conversations(left.bea, "", None, 50).now_ms + 1
    world.later(1)
    left.go_on()
    assert left.seen() == left.before
    assert rows(world, left.bea, left.room)[left.edited].content == "original 0"
    assert rows(world, left.bea, left.room)[left.twice].content == "edited in her time"
    (thumb,) = reactions(world, left.bea, left.room)[left.untouched]
    assert (thumb.emoji, thumb.count, thumb.user_ids) == ("👍", 2, (left.cid, left.ann))
    page = world.changes.since(left.bea, ROOM, left.room, 0, 200)
    assert (page.ver, page.last_ver) == (6, 6)
    assert world.messages.history(left.bea, ROOM, left.room, before=None, after=None, limit=1).ver == 6
    assert world.messages.conversations(left.bea, "", stamp, 50).rows == ()
    assert rows(world, left.cid, left.room)[left.edited].content == "newer text"


def test_what_she_deleted_for_herself_stays_deleted(world: World) -> None:
    left = Left(world)
    world.views.delete(left.bea, ROOM, left.room, (left.edited, left.untouched))
    left.go_on()
    seen = rows(world, left.bea, left.room)
    for seq in (left.edited, left.untouched):
        assert (seen[seq].gone, seen[seq].content) == (Gone.DELETED, "")
    assert vers(world, left.bea, left.room) == [1, 6]


def test_a_recall_takes_the_text_also_from_who_left(world: World) -> None:
    left = Left(world)
    left.edit(left.recalled, "a last version")
    world.changes.recall(left.ann, ROOM, left.room, left.recalled)
    gone = rows(world, left.bea, left.room)[left.recalled]
    assert (gone.gone, gone.content) == (Gone.RECALLED, "")
    assert vers(world, left.bea, left.room) == [1, 2, 3, 4, 5, 6], "when it happened is not hers to know"
    data = {one.ver: one.data for one in world.changes.since(left.bea, ROOM, left.room, 0, 200).changes}
    assert data[6] == ""
    assert data[1]


def test_who_comes_back_sees_what_is_new_and_nothing_between(world: World) -> None:
    left = Left(world)
    left.go_on()
    world.admissions.join(left.bea, left.room, "")
    mine = world.say(left.bea, left.room)
    left.react(left.cid, mine, "👋")
    assert rows(world, left.bea, left.room).keys() == {mine - 1, mine}
    page = world.changes.since(left.bea, ROOM, left.room, 0, 200)
    assert ([one.ver for one in page.changes], page.ver) == ([13], 13)


def test_a_dissolved_community_stays_as_it_was(world: World) -> None:
    ann, bob = world.users(2)
    room = world.community(ann, bob)
    seq = world.say(ann, room)
    world.changes.react(bob, ROOM, room, seq=seq, emoji="👍", on=True)
    world.memberships.dissolve(ann, room)
    for who in (ann, bob):
        page = world.changes.since(who, ROOM, room, 0, 200)
        assert ([one.ver for one in page.changes], page.ver) == ([1], 1)
        assert reactions(world, who, room)[seq][0].count == 1


def test_a_kick_ends_the_changes_with_it(world: World) -> None:
    ann, bob = world.users(2)
    room = world.community(ann, bob)
    seq = world.say(ann, room)
    world.memberships.kick(ann, room, bob)
    world.changes.edit(ann, ROOM, room, seq=seq, content="else")
    assert vers(world, bob, room) == []
    assert rows(world, bob, room)[seq].content == "hello"


def test_changes_of_what_is_not_ones_own_are_not_found(world: World) -> None:
    ann, stranger = world.users(2)
    room = world.community(ann)
    refusals = []
    for dstid in (room, 2**53 - 1):
        with pytest.raises(NotFound) as refused:
            world.changes.since(stranger, ROOM, dstid, 0, 10)
        refusals.append(str(refused.value))
    assert refusals[0] == refusals[1]


def test_readers_are_those_who_said_so(world: World) -> None:
    ann, bob, late = world.users(3)
    room = world.community(ann, bob)
    world.memberships.set_role(ann, room, bob, Role.ADMIN)
    seq = world.say(ann, room)
    assert world.messages.readers(ann, room, seq) == ()
    world.read(bob, ROOM, room, seq)
    assert world.messages.readers(ann, room, seq) == (bob,)
    world.admissions.join(late, room, "")
    with pytest.raises(NotFound):
        world.messages.readers(late, room, seq)
    world.memberships.leave(bob, room)
    assert world.messages.readers(ann, room, seq) == ()
    with pytest.raises(NotFound):
        world.messages.readers(bob, room, seq)
