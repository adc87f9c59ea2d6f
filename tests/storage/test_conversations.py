"""What one member sees: lists, unread, windows, history."""

from collections.abc import Callable

import pytest

from imtornado.drafts import Change, ConversationTx
from imtornado.errors import NotFound
from imtornado.records import Gone, Kind, Role, conversation_key
from imtornado.services.views import Views
from tests.storage.scene import Scene


def listed(scene: Scene, user_id: int) -> list[tuple[int, int]]:
    return [(c.kind, c.dstid) for c in scene.store.conversations.list(user_id, 0, 0, 100)]


def changed(scene: Scene, user_id: int, since_ms: int) -> list[tuple[int, int]]:
    return [(c.kind, c.dstid) for c in scene.store.conversations.changed(user_id, since_ms, (0, 0), 100)]


def test_listed_are_the_notebook_and_what_has_messages(scene: Scene) -> None:
    ada, bea = scene.friends()
    assert listed(scene, ada) == [(Kind.SINGLE, ada)]
    scene.later(5)
    scene.send(bea, Kind.SINGLE, ada)
    scene.later(5)
    room = scene.community(ada)
    assert listed(scene, ada) == [(Kind.COMMUNITY, room), (Kind.SINGLE, bea), (Kind.SINGLE, ada)]


def test_a_conversation_shows_the_other_or_the_community(scene: Scene) -> None:
    ada, bea = scene.user("Ada"), scene.user("Bea")
    scene.store.users.update(bea, {"avatar": "https://x/bea.png"})
    scene.store.contacts.befriend(ada, bea)
    room = scene.community(ada, bea, name="room")
    scene.send(bea, Kind.SINGLE, ada, "hi 😀")
    single = scene.shown(ada, Kind.SINGLE, bea)
    assert (single.title, single.avatar, single.unread, single.peer_read) == ("Bea", "https://x/bea.png", 1, 0)
    assert single.last is not None
    assert (single.last.content, single.last.sender_id, single.last.dstid) == ("hi 😀", bea, ada)
    assert (single.pinned, single.muted, single.left, single.ver) == (False, False, False, 0)
    scene.store.contacts.remark(ada, bea, "B.")
    assert scene.shown(ada, Kind.SINGLE, bea).title == "B."
    group = scene.shown(bea, Kind.COMMUNITY, room)
    assert (group.title, group.peer_read, group.dstid, group.first, group.last_seq) == ("room", None, room, 2, 2)
    assert scene.shown(ada, Kind.SINGLE, ada).title == "Ada"


def test_only_messages_move_a_conversation_up_the_list(scene: Scene) -> None:
    ada, bea = scene.friends()
    room = scene.community(ada, bea)
    seq = scene.send(bea, Kind.COMMUNITY, room).seq
    scene.later(5)
    sent = scene.send(bea, Kind.SINGLE, ada)
    order = [(Kind.SINGLE, bea), (Kind.COMMUNITY, room), (Kind.SINGLE, ada)]
    changes: list[list[Callable[[ConversationTx], object]]] = [
        [lambda tx: tx.messages.react(seq, ada, "👍", True), lambda tx: tx.messages.record(ada, "react", seq, "{}")],
        [lambda tx: tx.messages.rewrite(seq, "new", tx.messages.record(bea, "edit", seq, "{}"))],
        [lambda tx: tx.set_community(memo="new")],
        [lambda tx: tx.messages.blank(seq, Gone.RECALLED), lambda tx: tx.messages.record(bea, "recall", seq, "")],
    ]
    for steps in changes:
        scene.later(5)
        since_ms = scene.store.clock.now_ms()
        scene.change(room, *steps)
        assert listed(scene, ada) == order
        assert changed(scene, ada, since_ms) == [(Kind.COMMUNITY, room)]
    assert scene.shown(ada, Kind.SINGLE, bea).active_at_ms == sent.created_at_ms
    scene.later(5)
    line = scene.change(room, lambda tx: tx.say(ada, "renamed", "{}")).lines[0]
    assert listed(scene, ada)[0] == (Kind.COMMUNITY, room)
    assert scene.shown(ada, Kind.COMMUNITY, room).active_at_ms == line.created_at_ms
    scene.later(5)
    scene.send(bea, Kind.SINGLE, ada)
    assert listed(scene, ada) == order


def test_whoever_left_is_not_told_that_others_write_on(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.leave(room, bea)
    scene.later(5)
    scene.send(ada, Kind.COMMUNITY, room)
    assert scene.shown(bea, Kind.COMMUNITY, room).active_at_ms == 0


def test_lists_are_paged_without_gap_or_double(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(7)]  # several within one millisecond
    found, cursor = [], (0, 0)
    while page := scene.store.conversations.list(ada, *cursor, 3):
        found += [c.dstid for c in page if c.kind == Kind.COMMUNITY]
        cursor = (page[-1].place_ms, page[-1].conversation_id)
    assert found == rooms[::-1]


def test_changed_is_paged_without_gap_or_double(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(7)]
    found, cursor = [], (0, 0)
    while page := scene.store.conversations.changed(ada, 0, cursor, 3):
        found += [c.dstid for c in page if c.kind == Kind.COMMUNITY]
        cursor = (page[-1].place_ms, page[-1].conversation_id)
    assert sorted(found) == rooms


def test_what_moves_while_the_pages_of_changed_are_turned_comes_again(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(4)]
    first = scene.store.conversations.changed(ada, 0, (0, 0), 2)
    unseen = [room for room in rooms if room not in [c.dstid for c in first if c.kind == Kind.COMMUNITY]]
    for room in unseen:
        scene.send(ada, Kind.COMMUNITY, room)
    rest = scene.store.conversations.changed(ada, 0, (first[-1].place_ms, first[-1].conversation_id), 100)
    assert set(unseen) <= {c.dstid for c in rest if c.kind == Kind.COMMUNITY}


def test_everything_that_moves_a_conversation_brings_it_into_changed(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    scene.store.contacts.befriend(ada, bea)
    room = scene.community(ada, bea, cid)
    scene.send(ada, Kind.SINGLE, bea)
    scene.send(bea, Kind.COMMUNITY, room)
    single, group = (Kind.SINGLE, bea), (Kind.COMMUNITY, room)
    moves: list[tuple[Callable[[], object], tuple[int, int]]] = [
        (lambda: scene.send(bea, Kind.SINGLE, ada), single),
        (lambda: scene.read(ada, Kind.SINGLE, bea, 2), single),
        (lambda: scene.read(bea, Kind.SINGLE, ada, 1), single),  # peer_read
        (lambda: scene.store.users.update(bea, {"nickname": "new"}), single),
        (lambda: scene.store.contacts.remark(ada, bea, "r"), single),
        (lambda: scene.store.contacts.block(bea, ada), single),
        (lambda: scene.send(cid, Kind.COMMUNITY, room), group),
        (lambda: scene.change(room, lambda tx: tx.set_community(name="renamed")), group),
        (lambda: scene.change(room, lambda tx: tx.set_role(ada, Role.OWNER)), group),
        (lambda: scene.change(room, lambda tx: tx.messages.blank(1, Gone.RECALLED)), group),
        (lambda: scene.leave(room, ada), group),
    ]
    for number, (move, moved) in enumerate(moves):
        scene.later(5)
        since = scene.store.clock.now_ms()
        assert changed(scene, ada, since) == [], number
        move()
        assert changed(scene, ada, since) == [moved], number


def test_what_was_pinned_comes_by_since_also_with_nothing_to_show(scene: Scene) -> None:
    ada, bea = scene.friends()
    views = Views()
    scene.outcome(views.pin(ada, Kind.SINGLE, bea, True))
    assert (Kind.SINGLE, bea) in listed(scene, ada)
    scene.later(5)
    since_ms = scene.store.clock.now_ms()
    scene.outcome(views.pin(ada, Kind.SINGLE, bea, False))
    assert (Kind.SINGLE, bea) not in listed(scene, ada)
    assert changed(scene, ada, since_ms) == [(Kind.SINGLE, bea)]
    assert not scene.store.conversations.changed(ada, since_ms, (0, 0), 1)[0].pinned


def test_a_conversation_tells_how_much_of_it_is_deleted(scene: Scene) -> None:
    ada, bea = scene.friends()
    views = Views()
    for _ in range(4):
        scene.send(bea, Kind.SINGLE, ada)
    scene.outcome(views.delete(ada, Kind.SINGLE, bea, [1, 2, 4]))
    assert (scene.shown(ada, Kind.SINGLE, bea).deleted, scene.shown(bea, Kind.SINGLE, ada).deleted) == (3, 0)
    scene.outcome(views.clear(ada, Kind.SINGLE, bea, 1))
    assert scene.shown(ada, Kind.SINGLE, bea).deleted == 2
    scene.outcome(Change(conversation_key(Kind.SINGLE, ada, bea), lambda tx: tx.messages.blank(4, Gone.RECALLED)))
    assert scene.shown(ada, Kind.SINGLE, bea).deleted == 2
    last = scene.shown(ada, Kind.SINGLE, bea).last
    assert last is not None
    assert last.gone == Gone.DELETED, "a change of which he hears nothing shows"


def test_what_is_read_by_others_in_a_community_moves_nothing_for_me(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.later(5)
    since = scene.store.clock.now_ms()
    scene.read(bea, Kind.COMMUNITY, room, 2)
    assert changed(scene, ada, since) == []
    assert changed(scene, bea, since) == [(Kind.COMMUNITY, room)]


def test_who_left_learns_nothing_more(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.leave(room, bea)
    scene.later(5)
    since = scene.store.clock.now_ms()
    scene.send(ada, Kind.COMMUNITY, room, mention=(bea,))
    assert changed(scene, bea, since) == []
    left = scene.shown(bea, Kind.COMMUNITY, room)
    assert (left.left, left.last_seq, left.mentioned) == (True, 3, False)
    assert left.last is not None
    assert left.last.content == "left"
    assert (Kind.COMMUNITY, room) not in listed(scene, bea)


@pytest.mark.parametrize(
    ("others", "own_after", "read", "unread"),
    [
        (0, 0, 0, 0),
        (3, 0, 0, 3),
        (3, 0, 2, 1),
        (3, 0, 3, 0),
        (3, 1, 0, 0),  # who writes has read
        (3, 1, 2, 0),
        (2, 0, 99, 0),
    ],
)
def test_unread_is_last_less_read_sent_and_joined(
    scene: Scene, others: int, own_after: int, read: int, unread: int
) -> None:
    ada, bea = scene.friends()
    for _ in range(others):
        scene.send(ada, Kind.SINGLE, bea)
    for _ in range(own_after):
        scene.send(bea, Kind.SINGLE, ada)
    if read:
        scene.read(bea, Kind.SINGLE, ada, read)
    conversation = scene.shown(bea, Kind.SINGLE, ada) if others else scene.shown(bea, Kind.SINGLE, bea)
    assert conversation.unread == unread
    assert conversation.read_seq == min(read, others)  # receipts stand on READ alone


def test_unread_counts_from_joining_to_leaving(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    for _ in range(5):
        scene.send(ada, Kind.COMMUNITY, room)
    scene.change(room, lambda tx: tx.enter(bea, Role.MEMBER), lambda tx: tx.say(ada, "added", "{}"))
    assert scene.shown(bea, Kind.COMMUNITY, room).unread == 1
    scene.send(ada, Kind.COMMUNITY, room)
    scene.change(room, lambda tx: tx.depart(bea))
    scene.send(ada, Kind.COMMUNITY, room)
    assert scene.shown(bea, Kind.COMMUNITY, room).unread == 2


def test_mentioned_while_the_naming_message_is_unread(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    room = scene.community(ada, bea, cid)
    named = scene.send(ada, Kind.COMMUNITY, room, mention=(bea, bea, 999)).seq
    scene.send(ada, Kind.COMMUNITY, room)
    assert scene.shown(bea, Kind.COMMUNITY, room).mentioned
    assert not scene.shown(cid, Kind.COMMUNITY, room).mentioned
    scene.read(bea, Kind.COMMUNITY, room, named)
    shown = scene.shown(bea, Kind.COMMUNITY, room)
    assert (shown.mentioned, shown.unread) == (False, 1)


def test_a_page_of_history_is_what_was_asked_for(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.store.commit([scene.draft(ada, Kind.SINGLE, bea) for _ in range(10)])

    def page(before: int | None, after: int | None, limit: int = 3) -> list[int]:
        found = scene.store.conversations.history(bea, Kind.SINGLE, ada, before, after, limit)
        assert (found.first, found.last) == (1, 10)
        return [message.seq for message in found.messages]

    assert page(None, None) == [8, 9, 10]
    assert page(8, None) == [5, 6, 7]
    assert page(2, None) == [1]
    assert page(1, None) == page(-5, None) == []
    assert page(10**9, None) == [8, 9, 10]
    assert page(None, 0) == page(None, -7) == [1, 2, 3]
    assert page(None, 9) == [10]
    assert page(None, 10) == page(None, 10**9) == []
    assert page(None, None, 200) == list(range(1, 11))


def test_history_is_for_those_who_ever_were_members(scene: Scene) -> None:
    ada, bea, stranger = scene.users(3)
    room = scene.community(ada, bea)
    history = scene.store.conversations.history
    for kind, dstid in ((Kind.COMMUNITY, room), (Kind.COMMUNITY, 999), (Kind.SINGLE, ada), (Kind.SINGLE, 999)):
        with pytest.raises(NotFound):
            history(stranger, kind, dstid, None, None, 50)
    empty = history(stranger, Kind.SINGLE, stranger, None, None, 50)
    assert empty.messages == ()
    assert empty.last < empty.first


def test_readers_are_present_members_who_got_that_far(scene: Scene) -> None:
    ada, bea, cid, former, stranger = scene.users(5)
    room = scene.community(ada, bea, cid, former)
    seq = scene.send(ada, Kind.COMMUNITY, room).seq
    for user_id, read in ((bea, seq), (cid, seq - 1), (former, seq)):
        scene.read(user_id, Kind.COMMUNITY, room, read)
    scene.leave(room, former)
    readers = scene.store.conversations.readers
    assert readers(ada, room, seq) == (bea,)
    assert readers(ada, room, seq - 1) == (bea, cid)
    for user_id, wanted in ((stranger, seq), (former, seq), (ada, 999), (ada, 0), (cid, 1)):
        with pytest.raises(NotFound):
            readers(user_id, room, wanted)
    with pytest.raises(NotFound):
        readers(ada, 999, 1)
