"""Recall, edit and reactions: who may, when, and what is left of it."""

from collections.abc import Callable
from functools import partial

import pytest

from imtornado.drafts import Change, Changed, ConversationTx, MessageDraft, Stored
from imtornado.errors import BadParameter, NotAllowed, NotFound, NotFriends, Silenced, TooLate
from imtornado.records import Gone, Kind, Message, Role, conversation_key
from imtornado.services import change_rules
from imtornado.services.change_rules import check_emoji
from tests.services.world import World, at_once, outcome

RECALL_S = 120
SINGLE, ROOM = Kind.SINGLE, Kind.COMMUNITY


class Cast:
    """A community with one of each rank, and the seq of a message of the member."""

    def __init__(self, world: World) -> None:
        self.owner, self.admin, self.member, self.other = world.users(4)
        self.room = world.community(self.owner, self.admin, self.member, self.other)
        world.memberships.set_role(self.owner, self.room, self.admin, Role.ADMIN)
        self.seq = world.say(self.member, self.room, "the first text")


@pytest.fixture
def cast(world: World) -> Cast:
    return Cast(world)


def row(world: World, user_id: int, kind: Kind, dstid: int, seq: int) -> Message:
    (message,) = world.messages.history(user_id, kind, dstid, before=None, after=seq - 1, limit=1).messages
    return message


def acts(world: World, dstid: int, seq: int, kind: Kind = ROOM) -> dict[str, Callable[[int], object]]:
    """{name: the act, of a user} on one message."""
    return {
        "recall": lambda who: world.changes.recall(who, kind, dstid, seq),
        "edit": lambda who: world.changes.edit(who, kind, dstid, seq=seq, content="another text"),
        "react": lambda who: world.changes.react(who, kind, dstid, seq=seq, emoji="👍", on=True),
    }


# Recall


def let_age(world: World, cast: Cast, age_ms: int) -> None:
    """Lets exactly so much time pass since the member's message."""
    world.store.clock.at_least(row(world, cast.member, ROOM, cast.room, cast.seq).created_at_ms + age_ms)


def test_the_sender_recalls_until_the_last_moment(world: World, cast: Cast) -> None:
    let_age(world, cast, RECALL_S * 1000)
    assert world.changes.recall(cast.member, ROOM, cast.room, cast.seq).ver == 1
    assert row(world, cast.other, ROOM, cast.room, cast.seq).gone == Gone.RECALLED


def test_the_sender_does_not_recall_later(world: World, cast: Cast) -> None:
    let_age(world, cast, RECALL_S * 1000 + 1)
    with pytest.raises(TooLate) as late:
        world.changes.recall(cast.member, ROOM, cast.room, cast.seq)
    assert (late.value.code, late.value.field) == (40306, "seq")
    assert row(world, cast.other, ROOM, cast.room, cast.seq).gone == Gone.NO


def test_owner_and_admins_recall_at_any_time_and_of_anybody(world: World, cast: Cast) -> None:
    of_owner = world.say(cast.owner, cast.room)
    world.later(10 * RECALL_S)
    assert world.changes.recall(cast.admin, ROOM, cast.room, of_owner).ver == 1
    assert world.changes.recall(cast.owner, ROOM, cast.room, cast.seq).ver == 2
    demoted = world.say(cast.member, cast.room)
    world.memberships.set_role(cast.owner, cast.room, cast.admin, Role.MEMBER)
    with pytest.raises(NotAllowed):
        world.changes.recall(cast.admin, ROOM, cast.room, demoted)


def test_lines_of_the_server_stay_as_they_are(world: World, cast: Cast) -> None:
    world.memberships.silence(cast.admin, cast.room, cast.other, 60)
    said = world.lines(cast.room, cast.owner)
    page = world.messages.history(cast.owner, ROOM, cast.room, before=None, after=None, limit=1)
    assert page.messages[0].sender_id == cast.admin
    for who in (cast.admin, cast.owner, cast.member):
        for act in ("recall", "edit"):
            assert outcome(acts(world, cast.room, page.last)[act], who) == "NotAllowed"
    assert world.lines(cast.room, cast.owner) == said


def test_a_repeat_of_a_recall_has_what_it_wants(world: World, cast: Cast) -> None:
    world.changes.recall(cast.member, ROOM, cast.room, cast.seq)
    world.changes.react(cast.owner, ROOM, cast.room, seq=world.say(cast.owner, cast.room), emoji="x", on=True)
    world.later(10 * RECALL_S)
    for who in (cast.member, cast.admin, cast.owner):
        again = world.changes.recall(who, ROOM, cast.room, cast.seq)
        assert (again.dup, again.ver) == (True, 2)
    with pytest.raises(NotFound):
        world.changes.recall(cast.other, ROOM, cast.room, cast.seq)


def test_a_recall_takes_everything_along(world: World) -> None:
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    picture = world.picture(ann, "pic")
    seq = world.send(ann, SINGLE, bob, "look", url=picture, pic=picture, memo="memo", amount=5, mention=(bob,))
    world.changes.edit(ann, SINGLE, bob, seq=seq, content="look here")
    world.changes.react(bob, SINGLE, ann, seq=seq, emoji="👍", on=True)
    (before,) = world.store.conversations.list(bob, 0, 0, 1)
    assert before.mentioned
    assert world.store.uploads.visible("pic", bob) is not None
    world.changes.recall(ann, SINGLE, bob, seq)
    gone = row(world, bob, SINGLE, ann, seq)
    assert (gone.content, gone.url, gone.pic, gone.memo, gone.amount, gone.mention) == ("", "", "", "", 0, ())
    assert world.messages.history(bob, SINGLE, ann, before=None, after=None, limit=9).reactions == {}
    assert world.store.uploads.visible("pic", bob) is None
    (after,) = world.store.conversations.list(bob, 0, 0, 1)
    assert not after.mentioned
    page = world.changes.since(bob, SINGLE, ann, 0, 10)
    assert [(one.ver, one.change, one.data) for one in page.changes] == [
        (1, "edit", ""),
        (2, "react", ""),
        (3, "recall", ""),
    ]


def test_one_may_recall_what_one_deleted_for_oneself_but_not_what_one_cleared(world: World, cast: Cast) -> None:
    second = world.say(cast.member, cast.room)
    world.views.delete(cast.member, ROOM, cast.room, (second,))
    assert world.changes.recall(cast.member, ROOM, cast.room, second).dup is False
    world.views.clear(cast.member, ROOM, cast.room)
    with pytest.raises(NotFound):
        world.changes.recall(cast.member, ROOM, cast.room, cast.seq)


def test_words_can_be_taken_back_after_a_friendship_ended(world: World) -> None:
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    seq = world.send(ann, SINGLE, bob)
    world.store.contacts.remove(bob, ann)
    with pytest.raises(NotFriends):
        world.changes.edit(ann, SINGLE, bob, seq=seq, content="else")
    assert world.changes.recall(ann, SINGLE, bob, seq).ver == 1


# Edit


def test_an_edit_until_the_last_moment_and_not_later(world: World, cast: Cast) -> None:
    let_age(world, cast, RECALL_S * 1000)
    assert world.changes.edit(cast.member, ROOM, cast.room, seq=cast.seq, content="the second").ver == 1
    edited = row(world, cast.other, ROOM, cast.room, cast.seq)
    assert (edited.content, edited.edited_at_ms) == ("the second", world.store.clock.now_ms())
    let_age(world, cast, RECALL_S * 1000 + 1)
    with pytest.raises(TooLate):
        world.changes.edit(cast.member, ROOM, cast.room, seq=cast.seq, content="the third")
    again = world.changes.edit(cast.member, ROOM, cast.room, seq=cast.seq, content="the second")
    assert (again.dup, again.ver) == (True, 1), "a repeat of what was done is no failure"


@pytest.mark.parametrize("media", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100])
def test_only_texts_are_edited(world: World, media: int) -> None:
    ann = world.user()
    seq = world.send(ann, SINGLE, ann, "caption", media=media)
    with pytest.raises(NotAllowed):
        world.changes.edit(ann, SINGLE, ann, seq=seq, content="else")


def test_the_cid_stays_with_an_edited_message(world: World, cast: Cast) -> None:
    draft = MessageDraft(cast.member, ROOM, cast.room, "the-cid", 1, "early", message_id=world.store.reserve_ids(1))
    stored = world.commit(draft)
    assert isinstance(stored, Stored)
    world.changes.edit(cast.member, ROOM, cast.room, seq=stored.seq, content="late")
    again = world.commit(draft)
    assert isinstance(again, Stored)
    assert (again.seq, again.dup) == (stored.seq, True)
    assert row(world, cast.other, ROOM, cast.room, stored.seq).content == "late"


# Reactions


def test_giving_needs_the_right_to_write_and_taking_back_does_not(world: World, cast: Cast) -> None:
    react = partial(world.changes.react, cast.member, ROOM, cast.room, seq=cast.seq)
    react(emoji="👍", on=True)
    world.memberships.silence(cast.admin, cast.room, cast.member, 60)
    with pytest.raises(Silenced):
        react(emoji="👎", on=True)
    assert react(emoji="👍", on=True).dup is True
    assert react(emoji="👍", on=False).ver == 2
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    seq = world.send(ann, SINGLE, bob)
    world.store.contacts.block(ann, bob)
    with pytest.raises(Silenced):
        world.changes.react(bob, SINGLE, ann, seq=seq, emoji="😡", on=True)


def test_emojis_are_bounded_on_a_message_and_for_a_user(world: World) -> None:
    people = world.users(5)
    room = world.community(people[0], *people[1:])
    seq = world.say(people[0], room)

    def react(who: int, emoji: str, on: bool = True) -> str:
        return outcome(world.changes.react, who, ROOM, room, seq=seq, emoji=emoji, on=on)

    for number, who in enumerate(people[:4]):
        assert [react(who, f"{number}{letter}") for letter in "abcde"] == ["ok"] * 5
        assert react(who, f"{number}f") == "LimitReached"
    assert react(people[4], "new") == "LimitReached", "the twenty-first of the message"
    assert react(people[4], "0a") == "ok"
    assert react(people[1], "0a") == "LimitReached", "the sixth of his"
    assert react(people[1], "1a", on=False) == "ok"
    assert react(people[1], "0a") == "ok"
    page = world.messages.history(people[0], ROOM, room, before=None, after=None, limit=1)
    assert len(page.reactions[seq]) == 19
    assert page.ver == 23


def test_the_first_few_of_many_are_named(world: World) -> None:
    people = world.users(13)
    room = world.community(people[0], *people[1:])
    seq = world.say(people[0], room)
    for user_id in people:
        world.later(0.001)
        world.changes.react(user_id, ROOM, room, seq=seq, emoji="👍", on=True)
    world.changes.react(people[3], ROOM, room, seq=seq, emoji="🎉", on=True)
    thumbs, party = world.messages.history(people[12], ROOM, room, before=None, after=None, limit=1).reactions[seq]
    assert (thumbs.emoji, thumbs.count, thumbs.mine, thumbs.user_ids) == ("👍", 13, True, people[:10])
    assert (party.emoji, party.count, party.mine, party.user_ids) == ("🎉", 1, False, (people[3],))


@pytest.mark.parametrize(
    "emoji",
    ["👍", "👍🏿", "❤️", "👩🏽‍❤️‍💋‍👨🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨‍👩‍👧‍👦", "🇩🇪", "1️⃣", "+1", "lol", "哈哈", "12345678"],
)  # fmt: skip
def test_what_is_an_emoji(emoji: str) -> None:
    check_emoji(emoji)


@pytest.mark.parametrize(
    "emoji",
    [
        *("", " ", "a b", "\n", "\x7f", "\u200b", "\u202e", "\u2028", "\u00a0", "\ufeff", "\ufe0f", "\u200d", "\ue000"),
        *("123456789", "哈" * 9, "👍" + "🏿" * 16),
    ],
)
def test_what_is_none(emoji: str) -> None:
    with pytest.raises(BadParameter) as refused:
        check_emoji(emoji)
    assert refused.value.field == "emoji"


# Who is in, and what is his to change


@pytest.mark.parametrize("act", ["recall", "edit", "react"])
def test_outside_there_is_nothing(world: World, cast: Cast, act: str) -> None:
    stranger = world.user()
    foreign = _sentence(acts(world, cast.room, cast.seq)[act], stranger)
    world.memberships.kick(cast.admin, cast.room, cast.member)
    assert _sentence(acts(world, cast.room, cast.seq)[act], cast.member) == foreign, "his own words, but he is out"
    world.memberships.dissolve(cast.owner, cast.room)
    assert _sentence(acts(world, cast.room, cast.seq)[act], cast.owner) == foreign
    assert _sentence(acts(world, 2**53 - 1, cast.seq)[act], stranger) == foreign
    unknown = _sentence(acts(world, 2**53 - 1, 1, SINGLE)[act], stranger)
    assert _sentence(acts(world, cast.owner, 1, SINGLE)[act], stranger) == unknown


@pytest.mark.parametrize("act", ["recall", "edit", "react"])
def test_outside_of_the_window_there_is_no_message(world: World, cast: Cast, act: str) -> None:
    late = world.user()
    world.admissions.join(late, cast.room, "")
    world.memberships.set_role(cast.owner, cast.room, late, Role.ADMIN)
    unknown = _sentence(acts(world, cast.room, 10**6)[act], late)
    assert _sentence(acts(world, cast.room, cast.seq)[act], late) == unknown
    world.views.clear(cast.member, ROOM, cast.room)
    assert _sentence(acts(world, cast.room, cast.seq)[act], cast.member) == unknown
    for seq in (0, -1, 2**53 - 1):
        assert _sentence(acts(world, cast.room, seq)[act], cast.owner) == unknown
    assert world.changes.since(cast.owner, ROOM, cast.room, 0, 10).changes == ()


def _sentence(act: Callable[[int], object], who: int) -> tuple[int, str, str]:
    with pytest.raises(NotFound) as refused:
        act(who)
    return int(refused.value.code), str(refused.value), refused.value.field


@pytest.mark.parametrize("act", ["edit", "react"])
def test_what_one_has_deleted_for_oneself_is_not_there(world: World, cast: Cast, act: str) -> None:
    world.views.delete(cast.member, ROOM, cast.room, (cast.seq,))
    assert outcome(acts(world, cast.room, cast.seq)[act], cast.member) == "NotFound"
    assert outcome(acts(world, cast.room, cast.seq)["react"], cast.other) == "ok"


# What commits first wins


def test_a_kick_before_an_edit_stops_it(world: World, cast: Cast) -> None:
    for name, act in acts(world, cast.room, cast.seq).items():
        world.before_commit = partial(world.memberships.kick, cast.admin, cast.room, cast.member)
        assert outcome(act, cast.member) == "NotFound", name
        world.admissions.join(cast.member, cast.room, "")
    assert world.changes.since(cast.owner, ROOM, cast.room, 0, 10).last_ver == 0


def test_a_recall_before_an_edit_stops_it_and_a_block_before_a_reaction(world: World, cast: Cast) -> None:
    world.before_commit = partial(world.changes.recall, cast.admin, ROOM, cast.room, cast.seq)
    assert outcome(acts(world, cast.room, cast.seq)["edit"], cast.member) == "NotFound"
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    seq = world.send(ann, SINGLE, bob)
    world.before_commit = partial(world.store.contacts.block, ann, bob)
    assert outcome(acts(world, ann, seq, SINGLE)["react"], bob) == "Silenced"


def test_a_refused_change_takes_no_ver(world: World, cast: Cast) -> None:
    """In the middle of a batch, after it had taken one already."""

    def half_way(tx: ConversationTx) -> None:
        change_rules.edit(tx, cast.member, cast.seq, "never", RECALL_S * 1000)
        raise NotAllowed("Only its sender or an admin may recall a message.")

    def react(emoji: str) -> Change:
        rule = change_rules.react
        return Change(key, lambda tx: rule(tx, cast.other, cast.seq, emoji, True))

    key = conversation_key(ROOM, 0, cast.room)
    before, refused, after, read = world.store.commit(
        [react("1"), Change(key, half_way), react("2"), Change(key, lambda tx: tx.messages.ver)]
    )
    assert isinstance(refused, NotAllowed)
    assert [[one.ver for one in made.changes] for made in (before, after) if isinstance(made, Changed)] == [[1], [2]]
    assert isinstance(read, Changed)
    assert read.result == 2
    assert row(world, cast.other, ROOM, cast.room, cast.seq).content == "the first text"


def test_vers_of_many_at_once_have_no_gap(world: World, cast: Cast) -> None:
    seqs = [world.say(cast.member, cast.room, f"{number}") for number in range(6)]
    calls: list[Callable[[], object]] = []
    for seq in seqs:
        calls.append(partial(world.changes.recall, cast.member, ROOM, cast.room, seq))
        calls.append(partial(world.changes.edit, cast.member, ROOM, cast.room, seq=seq, content="else"))
        calls.append(partial(world.changes.react, cast.other, ROOM, cast.room, seq=seq, emoji="x", on=True))
    results = at_once(calls)
    assert set(results) <= {"ok", "NotFound"}
    page = world.changes.since(cast.owner, ROOM, cast.room, 0, 100)
    assert [one.ver for one in page.changes] == list(range(1, results.count("ok") + 1))
