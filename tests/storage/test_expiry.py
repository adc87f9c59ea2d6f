"""Messages that are too old to be kept go whole, the oldest first, and windows, lists and marks follow."""

import pytest

from imtornado.drafts import Change, Changed, ConversationTx, Draft
from imtornado.errors import BadParameter, NotFound
from imtornado.records import Gone, Kind, conversation_key
from storage.sql_store import SqlStore
from storage.store import Store
from tests.storage.scene import Scene

BY_SEQ = ("message", "reaction", "hidden", "mention", "earlier_text", "`change`", "file_use")


def single(ada: int, bea: int) -> str:
    return conversation_key(Kind.SINGLE, ada, bea)


def expire(scene: Scene, key: str, before_ms: int, limit: int = 100) -> object:
    outcome = scene.outcome(Change(key, lambda tx: tx.messages.expire(before_ms, limit)))
    assert isinstance(outcome, Changed)
    return outcome.result


def later(scene: Scene) -> int:
    """A time after all that has happened and before all that will."""
    scene.later(5)
    now_ms = scene.store.clock.now_ms()
    scene.later(5)
    return now_ms


def left_over(store: Store, seq: int) -> dict[str, int]:
    """{table: rows that name a seq up to this one}, of those that have any."""
    assert isinstance(store, SqlStore)
    with store._transactions.read() as tx:
        counts = {table: tx.number(f"SELECT count(*) FROM {table} WHERE seq BETWEEN 1 AND ?", seq) for table in BY_SEQ}
    return {table: count for table, count in counts.items() if count}


def test_the_oldest_go_in_pieces_and_the_window_follows(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(5):
        scene.send(ada, Kind.SINGLE, bea)
    before_ms = later(scene)
    scene.send(ada, Kind.SINGLE, bea)
    key = single(ada, bea)
    assert expire(scene, key, before_ms, limit=2) == 2
    page = scene.store.conversations.history(bea, Kind.SINGLE, ada, None, 0, 50)
    assert ([row.seq for row in page.messages], page.first, page.last, page.expired) == ([3, 4, 5, 6], 3, 6, True)
    assert [expire(scene, key, before_ms, limit=2) for _ in range(3)] == [2, 1, 0]
    page = scene.store.conversations.history(bea, Kind.SINGLE, ada, None, None, 50)
    assert ([row.seq for row in page.messages], page.first, page.last) == ([6], 6, 6)
    # What was known to be there is asked for by old positions, and answered with what there is.
    assert scene.store.conversations.history(bea, Kind.SINGLE, ada, 4, None, 50).messages == ()
    assert [row.seq for row in scene.store.conversations.history(bea, Kind.SINGLE, ada, None, 2, 50).messages] == [6]
    assert scene.send(bea, Kind.SINGLE, ada).seq == 7


def test_nothing_of_an_expired_message_stays(scene: Scene) -> None:
    ada, bea, former = scene.users(3)
    room = scene.community(ada, bea, former)
    file = scene.upload(ada, "file.webp", thumb="thumb.webp")
    picture = {"url": f"/resource/{file.name}", "pic": f"/resource/{file.thumb}"}
    seq = scene.send(ada, Kind.COMMUNITY, room, mention=(bea, former), **picture).seq
    scene.leave(room, former)

    def hide(tx: ConversationTx) -> None:
        view = tx.view(bea)
        assert view is not None
        view.hide((seq,))

    scene.change(
        room,
        lambda tx: tx.messages.react(seq, bea, "👍", True),
        lambda tx: tx.messages.record(bea, "react", seq, '{"emoji":"👍","on":true}'),
        lambda tx: tx.messages.rewrite(seq, "new", tx.messages.record(ada, "edit", seq, "{}")),
        hide,
    )
    last = scene.send(ada, Kind.COMMUNITY, room).seq
    before_ms = later(scene)
    kept = scene.send(ada, Kind.COMMUNITY, room, mention=(bea,), **picture).seq
    found = left_over(scene.store, last)
    assert {"message", "reaction", "hidden", "earlier_text", "`change`", "file_use"} <= set(found)
    assert expire(scene, conversation_key(Kind.COMMUNITY, 0, room), before_ms) == last
    assert left_over(scene.store, last) == {}
    assert left_over(scene.store, kept) == {"message": 1, "mention": 1, "file_use": 1}
    shown = scene.shown(bea, Kind.COMMUNITY, room)
    assert (shown.first, shown.last_seq, shown.ver, shown.unread, shown.mentioned) == (kept, kept, 2, 1, True)
    page = scene.store.conversations.changes(bea, Kind.COMMUNITY, room, 0, 50)
    assert (page.changes, page.ver) == ((), 2)
    page_of_former = scene.store.conversations.history(former, Kind.COMMUNITY, room, None, None, 50)
    assert page_of_former.messages == ()
    assert page_of_former.last < page_of_former.first


def test_a_file_that_only_expired_messages_used_may_go(scene: Scene) -> None:
    ada, bea = scene.friends()
    file = scene.upload(ada, "file.webp")
    scene.send(ada, Kind.SINGLE, bea, url=f"/resource/{file.name}")
    before_ms = later(scene)
    assert scene.store.uploads.unused(before_ms, 10) == ()
    assert scene.store.uploads.visible(file.name, bea) == file
    expire(scene, single(ada, bea), before_ms)
    assert scene.store.uploads.visible(file.name, bea) is None
    assert scene.store.uploads.unused(before_ms, 10) == (file,)


def test_a_conversation_of_which_all_expired_is_empty_and_goes_on(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(3):
        scene.send(ada, Kind.SINGLE, bea)
    before_ms = later(scene)
    assert expire(scene, single(ada, bea), before_ms) == 3
    shown = scene.shown(bea, Kind.SINGLE, ada)
    assert (shown.first, shown.last_seq, shown.unread, shown.mentioned, shown.last) == (4, 3, 0, False, None)
    assert [(c.kind, c.dstid) for c in scene.store.conversations.list(bea, 0, 0, 10)] == [(Kind.SINGLE, bea)]
    changed = scene.store.conversations.changed(bea, before_ms, (0, 0), 10)
    assert [(c.dstid, c.first, c.last_seq) for c in changed] == [(ada, 4, 3)]
    assert expire(scene, single(ada, bea), later(scene)) == 0
    assert scene.send(bea, Kind.SINGLE, ada).seq == 4
    assert scene.shown(ada, Kind.SINGLE, bea).unread == 1


def test_unread_counts_what_can_still_be_read(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(4):
        scene.send(ada, Kind.SINGLE, bea, mention=(bea,))
    before_ms = later(scene)
    scene.send(ada, Kind.SINGLE, bea)
    assert scene.shown(bea, Kind.SINGLE, ada).unread == 5
    expire(scene, single(ada, bea), before_ms)
    shown = scene.shown(bea, Kind.SINGLE, ada)
    assert (shown.unread, shown.mentioned, shown.read_seq) == (1, False, 0)


def test_whether_something_expired_is_told_to_whoever_could_see_it(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    room = scene.community(ada, bea)
    seq = scene.send(ada, Kind.COMMUNITY, room).seq
    before_ms = later(scene)
    scene.join(room, cid)
    key = conversation_key(Kind.COMMUNITY, 0, room)

    def clear(tx: ConversationTx) -> None:
        view = tx.view(bea)
        assert view is not None
        view.clear(seq + 1)

    def told() -> list[bool]:
        history = scene.store.conversations.history
        return [history(user_id, Kind.COMMUNITY, room, None, None, 50).expired for user_id in (ada, bea, cid)]

    assert told() == [False, False, False]
    scene.change(room, clear)
    expire(scene, key, before_ms)
    # Bea had taken it out of her sight herself, and Cid came after it.
    assert told() == [True, False, False]
    assert [scene.shown(user_id, Kind.COMMUNITY, room).expired for user_id in (ada, cid)] == [True, False]


def test_an_expired_message_can_neither_be_answered_nor_changed(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    before_ms = later(scene)
    scene.send(ada, Kind.SINGLE, bea)
    expire(scene, single(ada, bea), before_ms)
    with pytest.raises(BadParameter, match="no message to reply to"):
        scene.send(bea, Kind.SINGLE, ada, reply_seq=1)
    assert scene.send(bea, Kind.SINGLE, ada, reply_seq=2).seq == 3
    outcome = scene.outcome(Change(single(ada, bea), lambda tx: tx.messages.blank(1, Gone.RECALLED)))
    assert isinstance(outcome, NotFound)


def test_a_cid_is_known_as_long_as_its_message_is_kept(scene: Scene) -> None:
    ada, bea = scene.friends()
    first = scene.send(ada, Kind.SINGLE, bea, "text", cid="one")
    assert scene.send(ada, Kind.SINGLE, bea, "text", cid="one").dup
    before_ms = later(scene)
    scene.send(ada, Kind.SINGLE, bea, "text", cid="two")
    expire(scene, single(ada, bea), before_ms)
    again = scene.send(ada, Kind.SINGLE, bea, "another text", cid="one")
    assert (again.dup, again.seq) == (False, 3)
    assert again.message_id > first.message_id
    assert scene.send(ada, Kind.SINGLE, bea, "text", cid="two").dup


def test_in_a_batch_messages_before_and_after_the_change_keep_their_seqs(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    before_ms = later(scene)
    expiring = Change(single(ada, bea), lambda tx: tx.messages.expire(before_ms, 10))
    drafts: list[Draft] = [
        scene.draft(ada, Kind.SINGLE, bea),
        expiring,
        scene.draft(bea, Kind.SINGLE, ada, reply_seq=1),
    ]
    first, changed, refused = scene.store.commit(drafts)
    assert getattr(first, "seq", 0) == 2
    assert isinstance(changed, Changed)
    assert changed.result == 1
    assert isinstance(refused, BadParameter)
    assert [message.seq for message in scene.seen(bea, Kind.SINGLE, ada)] == [2]


def test_a_change_that_fails_after_it_leaves_everything(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(3):
        scene.send(ada, Kind.SINGLE, bea)
    before_ms = later(scene)

    def apply(tx: ConversationTx) -> None:
        assert tx.messages.expire(before_ms, 10) == 3
        raise NotFound("no")

    def window(tx: ConversationTx) -> object:
        view = tx.view(bea)
        return view and view.window

    key = single(ada, bea)
    failed, looked = scene.store.commit([Change(key, apply), Change(key, window)])
    assert isinstance(failed, NotFound)
    assert isinstance(looked, Changed)
    assert looked.result == (1, 3)
    assert [message.seq for message in scene.seen(bea, Kind.SINGLE, ada)] == [1, 2, 3]


def test_conversations_with_something_older_are_found_in_pages(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(4)]
    empty = scene.user()  # his notebook never had a message
    before_ms = later(scene)
    rooms.append(scene.community(ada))
    scene.send(empty, Kind.SINGLE, empty)
    scene.send(ada, Kind.COMMUNITY, rooms[0])

    def older() -> list[str]:
        found: list[str] = []
        after_id = 0
        while True:
            keys, after_id = scene.store.conversations.older(before_ms, after_id, 2)
            found += keys
            if not after_id:
                return found

    keys = [conversation_key(Kind.COMMUNITY, 0, room) for room in rooms]
    assert older() == keys[:4]
    for key in keys[:2]:
        expire(scene, key, before_ms)
    assert older() == keys[2:4]


def test_whoever_joins_after_everything_expired_begins_with_his_line(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    expire(scene, conversation_key(Kind.COMMUNITY, 0, room), later(scene))
    scene.join(room, bea)
    page = scene.store.conversations.history(bea, Kind.COMMUNITY, room, None, None, 50)
    assert ([row.seq for row in page.messages], page.first, page.expired) == ([2], 2, False)
