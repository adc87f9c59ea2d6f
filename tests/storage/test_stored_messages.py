"""Stored messages and one's view of them inside a change: `drafts.MessagesTx`, `drafts.ViewTx`."""

from functools import partial

import pytest

from imtornado.drafts import Change, Changed, ConversationTx
from imtornado.errors import ImError, NotFriends, Silenced
from imtornado.records import Gone, Kind, Reaction, conversation_key
from tests.storage.scene import Scene, change

EDIT = '{"content":"new"}'


def single(scene: Scene, user_id: int, other_id: int, step: object) -> Changed:
    """The outcome of one step in a single chat."""
    assert callable(step)
    outcome = scene.outcome(Change(conversation_key(Kind.SINGLE, user_id, other_id), step))
    assert isinstance(outcome, Changed)
    return outcome


def edit(tx: ConversationTx, actor_id: int, seq: int, content: str) -> int:
    ver = tx.messages.record(actor_id, "edit", seq, f'{{"content":"{content}"}}')
    tx.messages.rewrite(seq, content, ver)
    return ver


def react(tx: ConversationTx, user_id: int, seq: int, emoji: str, on: bool = True) -> int:
    tx.messages.react(seq, user_id, emoji, on)
    data = f'{{"emoji":"{emoji}","on":{"true" if on else "false"}}}'
    return tx.messages.record(user_id, "react", seq, data)


def test_vers_are_given_one_by_one_and_belong_to_the_conversation(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(2)]
    outcomes = scene.store.commit(
        [
            change(rooms[0], lambda tx: tx.messages.record(ada, "edit", 1, "{}")),
            change(rooms[1], lambda tx: tx.messages.record(ada, "edit", 1, "{}")),
            change(rooms[0], lambda tx: (tx.messages.record(ada, "edit", 1, ""), tx.messages.ver)),
        ]
    )
    assert [outcome.result for outcome in outcomes if isinstance(outcome, Changed)] == [1, 1, (2, 2)]
    assert scene.shown(ada, Kind.COMMUNITY, rooms[0]).ver == 2


def test_a_recorded_change_carries_what_its_readers_need(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    made = single(scene, bea, ada, lambda tx: tx.messages.record(bea, "edit", 1, EDIT)).changes[0]
    assert (made.kind, made.dstid, made.actor_id) == (Kind.SINGLE, ada, bea)
    assert (made.ver, made.change, made.seq, made.data, made.blind) == (1, "edit", 1, EDIT, frozenset())
    for user_id, other_id in ((ada, bea), (bea, ada)):
        page = scene.store.conversations.changes(user_id, Kind.SINGLE, other_id, 0, 10)
        assert (page.changes, page.ver, page.last_ver) == ((made,), 1, 1)


def test_a_change_that_is_undone_gives_its_ver_back(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)

    def fail(tx: ConversationTx) -> None:
        edit(tx, ada, 1, "never")
        react(tx, ada, 1, "x")
        raise Silenced("You are silenced in this community.")

    refused, done = scene.store.commit([change(room, fail), change(room, lambda tx: edit(tx, ada, 1, "done"))])
    assert isinstance(refused, ImError)
    assert isinstance(done, Changed)
    assert done.result == 1
    page = scene.store.conversations.history(ada, Kind.COMMUNITY, room, None, None, 10)
    assert (page.messages[0].content, page.reactions, page.ver) == ("done", {}, 1)


def test_the_blind_are_the_present_who_may_not_see_the_message(scene: Scene) -> None:
    ada, sees, cleared, hid, late, gone = scene.users(6)
    room = scene.community(ada, sees, cleared, hid, gone)
    seq = scene.send(ada, Kind.COMMUNITY, room).seq
    scene.join(room, late)
    scene.leave(room, gone)

    def prepare(tx: ConversationTx) -> None:
        clearing, hiding = tx.view(cleared), tx.view(hid)
        assert clearing is not None
        assert hiding is not None
        clearing.clear(seq)
        hiding.hide((seq,))

    scene.change(room, prepare)
    made = scene.change(room, lambda tx: tx.messages.record(ada, "edit", seq, "{}")).changes
    assert made[0].blind == {cleared, hid, late}


def test_texts_and_reactions_as_they_stood_at_leaving(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    room = scene.community(ada, bea, cid)
    seqs = [scene.send(ada, Kind.COMMUNITY, room, f"text {number}").seq for number in range(2)]
    scene.change(room, lambda tx: edit(tx, ada, seqs[0], "in her time"))
    edited_at_ms = scene.seen(bea, Kind.COMMUNITY, room)[-2].edited_at_ms
    scene.change(room, lambda tx: react(tx, cid, seqs[0], "a"), lambda tx: react(tx, ada, seqs[0], "b"))
    scene.change(room, lambda tx: react(tx, ada, seqs[0], "b", on=False))
    scene.leave(room, bea)
    scene.later(1000)
    for step in range(2):
        for seq in seqs:
            scene.change(room, partial(edit, actor_id=ada, seq=seq, content=f"later {step}"))
    scene.change(room, lambda tx: react(tx, cid, seqs[0], "a", on=False), lambda tx: react(tx, cid, seqs[1], "c"))
    page = scene.store.conversations.history(bea, Kind.COMMUNITY, room, None, None, 10)
    first, second = (message for message in page.messages if message.seq in seqs)
    assert (first.content, first.edited_at_ms) == ("in her time", edited_at_ms)
    assert (second.content, second.edited_at_ms) == ("text 1", 0)
    assert page.reactions == {seqs[0]: (Reaction("a", 1, False, (cid,)),)}
    assert page.ver == 4
    changes = scene.store.conversations.changes(bea, Kind.COMMUNITY, room, 0, 10)
    assert ([one.ver for one in changes.changes], changes.ver) == ([1, 2, 3, 4], 4)
    now = scene.store.conversations.history(cid, Kind.COMMUNITY, room, None, None, 10)
    assert [message.content for message in now.messages if message.seq in seqs] == ["later 1"] * 2
    assert now.reactions == {seqs[1]: (Reaction("c", 1, True, (cid,)),)}


def test_blanking_removes_reactions_and_what_changes_said(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    seq = scene.send(ada, Kind.COMMUNITY, room, "text").seq
    scene.leave(room, bea)
    scene.change(room, lambda tx: edit(tx, ada, seq, "new"), lambda tx: react(tx, ada, seq, "x"))
    scene.change(room, lambda tx: tx.messages.blank(seq, Gone.RECALLED))
    for user_id in (ada, bea):
        page = scene.store.conversations.history(user_id, Kind.COMMUNITY, room, None, None, 10)
        (message,) = (message for message in page.messages if message.seq == seq)
        assert (message.content, message.gone, page.reactions) == ("", Gone.RECALLED, {})
    changes = scene.store.conversations.changes(ada, Kind.COMMUNITY, room, 0, 10).changes
    assert [(one.change, one.data) for one in changes] == [("edit", ""), ("react", "")]


def test_a_tally_counts_everybody_and_knows_oneself(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.change(room, *(partial(react, user_id=who, seq=1, emoji="a") for who in (ada, bea)))
    scene.change(room, lambda tx: react(tx, bea, 1, "A"))
    assert scene.change(room, lambda tx: tx.messages.tally(1, ada)).result == {"a": (2, True), "A": (1, False)}
    assert scene.change(room, lambda tx: tx.messages.tally(2, ada)).result == {}


@pytest.mark.parametrize("emojis", [("a", "A"), ("❤", "❤\ufe0f"), ("👍", "👍🏽"), ("é", "e\u0301"), ("a", "a\u200d")])
def test_emojis_are_compared_byte_for_byte(scene: Scene, emojis: tuple[str, str]) -> None:
    ada = scene.user()
    room = scene.community(ada)
    scene.change(room, *(partial(react, user_id=ada, seq=1, emoji=emoji) for emoji in emojis))
    page = scene.store.conversations.history(ada, Kind.COMMUNITY, room, None, None, 10)
    assert {one.emoji for one in page.reactions[1]} == set(emojis)


def test_views_know_their_window_and_the_right_to_write(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    scene.send(ada, Kind.SINGLE, bea)

    def look(tx: ConversationTx) -> tuple[object, ...]:
        view = tx.view(bea)
        assert view is not None
        refusal = view.refusal()
        return view.present, view.window, view.hides(1), view.hides(2), type(refusal), tx.view(10**6)

    assert single(scene, ada, bea, look).result == (True, (1, 2), False, False, type(None), None)

    def act(tx: ConversationTx) -> tuple[int, ...]:
        view = tx.view(bea)
        assert view is not None
        return view.hide((1, 2)) + view.hide((2,))

    assert single(scene, ada, bea, act).result == (1, 2)
    scene.store.contacts.remove(ada, bea)
    assert single(scene, ada, bea, look).result == (True, (1, 2), True, True, NotFriends, None)


def test_marks_tell_whether_they_changed(scene: Scene) -> None:
    ada, bea = scene.friends()

    def mark(tx: ConversationTx) -> list[bool]:
        found = []
        for pinned in (False, True):
            view = tx.view(ada)
            assert view is not None
            found += [view.pin(pinned), view.mute(pinned)]
        return found

    assert single(scene, ada, bea, mark).result == [False, False, True, True]
    assert single(scene, ada, bea, mark).result == [True, True, True, True]
    shown = scene.shown(ada, Kind.SINGLE, bea)
    assert (shown.pinned, shown.muted) == (True, True)
