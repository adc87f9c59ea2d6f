"""The batch commit: order, duplicates, rights; nothing that one draft does may touch another."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from imtornado.drafts import Changed, MessageDraft, Read, ReadDraft, Stored
from imtornado.errors import (
    AccountDisabled,
    BadParameter,
    CidConflict,
    Internal,
    NotFound,
    NotFriends,
    NotMember,
    Silenced,
)
from imtornado.records import Kind, Role
from imtornado.services.views import Views
from storage.store import Store
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene, at_once, change, errors, seqs


def test_nothing_to_commit_is_nothing(store: Store) -> None:
    assert store.commit([]) == []


def test_a_message_keeps_everything_that_was_sent(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    draft = MessageDraft(
        *(bea, Kind.SINGLE, ada, "c~!", 100),
        content="  Zeile\n😀 'quoted' -- \u202e ",
        pic="https://x/p",
        url="https://x/u",
        memo="memo",
        amount=2**53 - 1,
        reply_seq=1,
        file='{"name":"a"}',
        mention=(ada, 999),
        message_id=4711,
    )
    (stored,) = scene.store.commit([draft])
    assert isinstance(stored, Stored)
    message = scene.seen(ada, Kind.SINGLE, bea)[-1]
    for field in (
        "content",
        "pic",
        "url",
        "memo",
        "amount",
        "reply_seq",
        "file",
        "mention",
        "media",
        "cid",
        "sender_id",
    ):
        assert getattr(message, field) == getattr(draft, field), field
    assert (message.kind, message.dstid, message.seq, message.message_id) == (Kind.SINGLE, ada, 2, 4711)
    assert message.created_at_ms == stored.created_at_ms


def test_seqs_of_a_batch_are_gapless_in_the_order_of_the_drafts(scene: Scene) -> None:
    people = scene.users(5)
    rooms = [scene.community(people[0], *people[1:]) for _ in range(3)]
    random_ = random.Random(2)
    drafts = [scene.draft(random_.choice(people), Kind.COMMUNITY, random_.choice(rooms)) for _ in range(300)]
    outcomes = scene.store.commit(drafts)
    for room in rooms:
        mine = [outcome for draft, outcome in zip(drafts, outcomes, strict=True) if draft.dstid == room]
        first = seqs(mine)[0]
        assert seqs(mine) == list(range(first, first + len(mine)))
        texts = scene.seen(people[0], Kind.COMMUNITY, room)[-len(mine) :]
        assert [message.cid for message in texts] == [draft.cid for draft in drafts if draft.dstid == room]


def test_the_same_cid_in_a_later_batch_gets_the_first_place(scene: Scene) -> None:
    ada, bea = scene.friends()
    first = scene.send(ada, Kind.SINGLE, bea, "one", cid="c")
    scene.send(ada, Kind.SINGLE, bea, "two")
    again = scene.send(ada, Kind.SINGLE, bea, "one", cid="c")
    assert again == Stored(first.message_id, first.seq, first.created_at_ms, True)
    assert len(scene.seen(bea, Kind.SINGLE, ada)) == 2


def test_the_same_cid_twice_in_a_batch_is_stored_once(scene: Scene) -> None:
    ada, bea = scene.friends()
    one, two, three = scene.store.commit([scene.draft(ada, Kind.SINGLE, bea, "x", cid="c") for _ in range(3)])
    assert isinstance(one, Stored)
    assert not one.dup
    assert two == three == Stored(one.message_id, one.seq, one.created_at_ms, True)
    assert len(scene.seen(bea, Kind.SINGLE, ada)) == 1


BODIES: list[dict[str, Any]] = [
    {"content": "other"},
    {"url": "https://x"},
    {"pic": "https://x"},
    {"memo": "m"},
    {"amount": 1},
    {"reply_seq": 1},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: next(iter(body)))
@pytest.mark.parametrize("same_batch", [True, False])
def test_the_same_cid_with_another_body_is_refused(scene: Scene, body: dict[str, Any], same_batch: bool) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    first, other = (
        scene.draft(ada, Kind.SINGLE, bea, cid="c"),
        scene.draft(ada, Kind.SINGLE, bea, **{"cid": "c", **body}),
    )
    outcomes = scene.store.commit([first, other]) if same_batch else [scene.outcome(first), scene.outcome(other)]
    assert isinstance(outcomes[0], Stored)
    assert isinstance(outcomes[1], CidConflict)
    assert len(scene.seen(ada, Kind.SINGLE, bea)) == 2


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_cid_counts_over_all_conversations_of_a_sender(scene: Scene, same_batch: bool) -> None:
    ada, bea = scene.friends()
    room = scene.community(ada)
    drafts = [scene.draft(ada, Kind.COMMUNITY, room, cid="c"), scene.draft(ada, Kind.SINGLE, bea, cid="c")]
    outcomes = scene.store.commit(drafts) if same_batch else [scene.outcome(draft) for draft in drafts]
    assert isinstance(outcomes[0], Stored)
    assert isinstance(outcomes[1], CidConflict)


def test_another_media_is_another_body(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea, cid="c")
    other = scene.draft(ada, Kind.SINGLE, bea, cid="c")
    other.media = 4
    assert isinstance(scene.outcome(other), CidConflict)


@pytest.mark.parametrize("other", ["ABCdef", "abcDEF ", " abcDEF", "abcDE"])
def test_cids_are_compared_in_binary(scene: Scene, other: str) -> None:
    ada, bea = scene.friends()
    outcomes = scene.store.commit([scene.draft(ada, Kind.SINGLE, bea, cid=cid) for cid in ("abcDEF", other)])
    assert seqs(outcomes) == [1, 2]
    assert scene.send(ada, Kind.SINGLE, bea, cid=other).dup


def test_cids_of_different_senders_are_different(scene: Scene) -> None:
    ada, bea = scene.friends()
    outcomes = scene.store.commit(
        [scene.draft(ada, Kind.SINGLE, bea, cid="c"), scene.draft(bea, Kind.SINGLE, ada, cid="c")]
    )
    assert seqs(outcomes) == [1, 2]


def test_messages_without_a_cid_are_never_folded(scene: Scene) -> None:
    ada, bea = scene.friends()
    outcomes = scene.store.commit([scene.draft(ada, Kind.SINGLE, bea, "same", cid="") for _ in range(3)])
    assert seqs(outcomes) == [1, 2, 3]
    assert scene.send(ada, Kind.SINGLE, bea, "same", cid="").seq == 4
    assert {message.cid for message in scene.seen(ada, Kind.SINGLE, bea)} == {""}


def test_a_repeat_is_answered_after_the_right_is_gone(scene: Scene) -> None:
    ada, bea = scene.friends()
    first = scene.send(ada, Kind.SINGLE, bea, cid="c")
    scene.store.contacts.remove(bea, ada)
    assert scene.send(ada, Kind.SINGLE, bea, cid="c").seq == first.seq


def test_a_repeat_is_answered_after_what_it_replies_to_is_gone(scene: Scene) -> None:
    ada, bea = scene.friends()
    views = Views()
    scene.send(bea, Kind.SINGLE, ada, "question")
    answer = scene.draft(ada, Kind.SINGLE, bea, "answer", cid="a1", reply_seq=1)
    stored = scene.outcome(answer)
    scene.outcome(views.clear(ada, Kind.SINGLE, bea))
    again = scene.outcome(scene.draft(ada, Kind.SINGLE, bea, "answer", cid="a1", reply_seq=1))
    assert isinstance(stored, Stored)
    assert again == Stored(stored.message_id, stored.seq, stored.created_at_ms, True)


def test_a_repeat_of_what_was_refused_is_refused_alike(scene: Scene) -> None:
    ada, bea = scene.users(2)
    outcomes = scene.store.commit([scene.draft(ada, Kind.SINGLE, bea, cid="c") for _ in range(2)])
    assert [type(outcome) for outcome in outcomes] == [NotFriends, NotFriends]
    scene.store.contacts.befriend(ada, bea)
    assert not scene.send(ada, Kind.SINGLE, bea, cid="c").dup  # refused = not stored


def test_the_same_cids_from_many_threads_are_stored_once(scene: Scene) -> None:
    ada, bea = scene.friends()
    batches = [[scene.draft(ada, Kind.SINGLE, bea, cid=f"c{n}", content=f"t{n}") for n in range(20)] for _ in range(6)]
    outcomes = at_once([lambda batch=batch: scene.store.commit(batch) for batch in batches])  # type: ignore[misc]
    assert errors(outcomes) == []
    messages = scene.seen(ada, Kind.SINGLE, bea)
    assert [message.seq for message in messages] == list(range(1, 21))
    assert sorted(message.cid for message in messages) == sorted(f"c{n}" for n in range(20))
    by_cid = {message.cid: message.seq for message in messages}
    for batch, answer in zip(batches, outcomes, strict=True):
        assert isinstance(answer, list)
        assert [by_cid[draft.cid] for draft in batch] == seqs(answer)


def test_strangers_and_what_does_not_exist_look_alike(scene: Scene) -> None:
    ada, stranger = scene.users(2)
    room = scene.community(stranger)
    outcomes = scene.store.commit(
        [
            scene.draft(ada, Kind.SINGLE, stranger),
            scene.draft(ada, Kind.SINGLE, 999),
            scene.draft(999, Kind.SINGLE, ada),
            scene.draft(ada, Kind.SINGLE, -1),
            scene.draft(ada, Kind.COMMUNITY, room),
            scene.draft(ada, Kind.COMMUNITY, 999),
            scene.draft(999, Kind.COMMUNITY, room),
        ]
    )
    assert errors(outcomes) == [NotFriends] * 4 + [NotMember] * 3
    assert len({str(outcome) for outcome in outcomes[:4]}) == 1
    assert len({str(outcome) for outcome in outcomes[4:]}) == 1


def test_refused_drafts_leave_no_gap(scene: Scene) -> None:
    ada, bea, stranger = scene.users(3)
    room = scene.community(ada, bea)
    senders = [ada, stranger, bea, stranger, ada, bea]
    outcomes = scene.store.commit([scene.draft(sender, Kind.COMMUNITY, room) for sender in senders])
    assert [isinstance(outcome, NotMember) for outcome in outcomes] == [sender == stranger for sender in senders]
    first = scene.shown(ada, Kind.COMMUNITY, room).last_seq - 3
    assert seqs([outcome for outcome in outcomes if isinstance(outcome, Stored)]) == list(range(first, first + 4))
    assert scene.shown(bea, Kind.COMMUNITY, room).unread == 0  # sent_seq is that of his last message, not one further
    scene.send(ada, Kind.COMMUNITY, room)
    assert scene.shown(bea, Kind.COMMUNITY, room).unread == 1


def test_a_message_after_a_kick_in_the_same_batch_is_refused(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    before, kick, after, mine = scene.store.commit(
        [
            scene.draft(bea, Kind.COMMUNITY, room),
            change(room, lambda tx: tx.say(ada, "kicked", "{}"), lambda tx: tx.depart(bea)),
            scene.draft(bea, Kind.COMMUNITY, room),
            scene.draft(ada, Kind.COMMUNITY, room),
        ]
    )
    assert isinstance(before, Stored)
    assert isinstance(kick, Changed)
    assert isinstance(after, NotMember)
    assert isinstance(mine, Stored)
    assert [before.seq, kick.lines[0].seq, mine.seq] == list(range(before.seq, before.seq + 3))
    assert scene.seen(bea, Kind.COMMUNITY, room)[-1].content == "kicked"


def test_a_message_after_a_join_in_the_same_batch_is_accepted(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    early, _, late = scene.store.commit(
        [
            scene.draft(bea, Kind.COMMUNITY, room),
            change(room, lambda tx: tx.enter(bea, Role.MEMBER)),
            scene.draft(bea, Kind.COMMUNITY, room),
        ]
    )
    assert isinstance(early, NotMember)
    assert isinstance(late, Stored)


def test_a_disabled_sender_is_refused_everywhere(scene: Scene) -> None:
    ada, bea = scene.friends()
    room = scene.community(ada, bea)
    scene.store.users.set_disabled(ada, True)
    targets = ((Kind.SINGLE, bea), (Kind.SINGLE, ada), (Kind.COMMUNITY, room))
    outcomes = scene.store.commit([scene.draft(ada, kind, dstid) for kind, dstid in targets])
    assert errors(outcomes) == [AccountDisabled] * 3


def test_a_silenced_member_is_told_for_how_long(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.change(room, lambda tx: tx.silence(bea, tx.now_ms + 60_000))
    outcome = scene.outcome(scene.draft(bea, Kind.COMMUNITY, room))
    assert isinstance(outcome, Silenced)
    assert 50_000 < outcome.retry_after_ms <= 60_000
    scene.later(60_001)
    assert isinstance(scene.outcome(scene.draft(bea, Kind.COMMUNITY, room)), Stored)


def test_times_of_a_conversation_never_decrease(scene: Scene, reopen: Callable[[], Store]) -> None:
    ada, bea = scene.friends()
    scene.later(3_600_000)  # the clock of this process runs an hour ahead
    ahead = scene.send(ada, Kind.SINGLE, bea).created_at_ms
    another = Scene(reopen())
    assert another.store.clock.now_ms() >= ahead
    assert another.send(bea, Kind.SINGLE, ada, cid="other process").created_at_ms >= ahead


def test_a_reply_must_be_to_something_he_may_see(scene: Scene) -> None:
    ada, bea, stranger = scene.users(3)
    room = scene.community(ada)
    scene.send(ada, Kind.COMMUNITY, room)
    scene.join(room, bea)  # seq 3
    outcomes = scene.store.commit(
        [
            *(scene.draft(bea, Kind.COMMUNITY, room, reply_seq=seq) for seq in (2, 3, 99, -1)),
            scene.draft(stranger, Kind.COMMUNITY, room, reply_seq=99),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [BadParameter, Stored, BadParameter, BadParameter, NotMember]
    assert isinstance(outcomes[0], BadParameter)
    assert outcomes[0].field == "reply"


def test_a_file_must_be_his_to_use(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.upload(ada, "file", "thumb")
    urls = {"url": "/resource/file", "pic": "/resource/thumb"}
    early, unknown = scene.store.commit(
        [scene.draft(bea, Kind.SINGLE, ada, **urls), scene.draft(ada, Kind.SINGLE, bea, pic="/resource/nothing")]
    )
    assert isinstance(early, NotFound)
    assert isinstance(unknown, NotFound)
    assert (early.field, unknown.field) == ("url", "pic")
    assert (early.__traceback__, unknown.__traceback__) == (None, None)  # which would keep the batch
    assert scene.send(ada, Kind.SINGLE, bea, **urls).seq == 1
    assert scene.send(bea, Kind.SINGLE, ada, **urls).seq == 2  # he sees it now, so he may pass it on
    assert scene.send(bea, Kind.SINGLE, ada, url="https://elsewhere/resource/file").seq == 3


def test_reading_moves_only_forward_and_not_past_the_end(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(3):
        scene.send(ada, Kind.SINGLE, bea)
    assert scene.read(bea, Kind.SINGLE, ada, 2) == Read(2, True)
    assert scene.read(bea, Kind.SINGLE, ada, 1) == Read(2, False)
    assert scene.read(bea, Kind.SINGLE, ada, 2) == Read(2, False)
    assert scene.read(bea, Kind.SINGLE, ada, 10**9) == Read(3, True)
    assert scene.shown(ada, Kind.SINGLE, bea).peer_read == 3
    assert scene.shown(bea, Kind.SINGLE, ada).read_seq == 3


def test_reading_ends_where_the_batch_stands_and_at_ones_leaving(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    last = scene.shown(ada, Kind.COMMUNITY, room).last_seq
    _, read, _ = scene.store.commit(
        [
            scene.draft(ada, Kind.COMMUNITY, room),
            ReadDraft(bea, Kind.COMMUNITY, room, 10**9),
            scene.draft(ada, Kind.COMMUNITY, room),
        ]
    )
    assert read == Read(last + 1, True)
    scene.leave(room, bea)
    scene.send(ada, Kind.COMMUNITY, room)
    assert scene.read(bea, Kind.COMMUNITY, room, 10**9) == Read(last + 3, True)


def test_strangers_read_nothing(scene: Scene) -> None:
    ada, stranger = scene.users(2)
    room = scene.community(ada)
    outcomes = scene.store.commit(
        [
            ReadDraft(stranger, Kind.COMMUNITY, room, 1),
            ReadDraft(stranger, Kind.COMMUNITY, 999, 1),
            ReadDraft(stranger, Kind.SINGLE, ada, 1),
        ]
    )
    assert errors(outcomes) == [NotMember, NotMember, NotFriends]


def test_a_poisonous_draft_harms_only_itself(scene: Scene, expect_log: ExpectLog) -> None:
    expect_log("storage.messages", "a draft broke its batch of 3")
    expect_log("storage.messages", "a draft cannot be stored")
    ada, bea = scene.friends()
    good, poison, last = scene.store.commit(
        [
            scene.draft(ada, Kind.SINGLE, bea),
            scene.draft(ada, Kind.SINGLE, bea, "\ud800"),  # no UTF-8; the layers above never let it through
            scene.draft(ada, Kind.SINGLE, bea),
        ]
    )
    assert isinstance(poison, Internal)
    assert seqs([good, last]) == [1, 2]


def test_reserved_ids_are_given_once(store: Store, reopen: Callable[[], Store]) -> None:
    other = reopen()
    firsts = at_once([lambda store=store: store.reserve_ids(100) for store in (store, other) * 8])  # type: ignore[misc]
    assert errors(firsts) == []
    ids = sorted(first for first in firsts if isinstance(first, int))
    assert all(later - earlier >= 100 for earlier, later in pairwise(ids))
