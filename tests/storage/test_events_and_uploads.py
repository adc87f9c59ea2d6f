"""Events for those who catch up; files, who may see them, and which nobody needs."""

from collections.abc import Callable

import pytest

from imtornado.errors import Conflict
from imtornado.file_records import Upload, Usage
from imtornado.records import Event, Kind
from storage.store import Store
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene


def test_events_are_read_in_order_and_pruned_by_time(scene: Scene) -> None:
    assert scene.store.events.position() == 0
    ada, bea = scene.friends()
    assert scene.store.events.position() == 2
    first, second = scene.store.events.after(0, 10)
    assert [(e.user_id, e.community_id, e.kind, e.data) for e in (first, second)] == [
        (ada, 0, "contact.added", f'{{"userid":{bea}}}'),
        (bea, 0, "contact.added", f'{{"userid":{ada}}}'),
    ]
    assert scene.store.events.after(0, 1) == (first,)
    assert scene.store.events.after(first.event_id, 10) == (second,)
    scene.later(5)
    before_ms = scene.store.clock.now_ms()
    scene.store.contacts.remark(ada, bea, "x")
    assert scene.store.events.prune(before_ms, 10) == 2
    assert len(scene.store.events.after(0, 10)) == 1
    assert scene.store.events.prune(before_ms, 10) == 0


def test_events_are_pruned_in_pieces_from_the_oldest_on(scene: Scene) -> None:
    ada, bea = scene.friends()
    for number in range(5):
        scene.later(5)
        scene.store.contacts.remark(ada, bea, f"{number}")
    before_ms = scene.store.clock.now_ms() + 1
    left = [[event.event_id for event in scene.store.events.after(0, 10)]]
    while scene.store.events.prune(before_ms, 2):
        left.append([event.event_id for event in scene.store.events.after(0, 10)])
    assert left == [[1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 6, 7], [5, 6, 7], [7], []]


def test_event_ids_go_on_after_all_were_pruned(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.store.events.prune(scene.store.clock.now_ms() + 1, 10)
    scene.store.contacts.remark(ada, bea, "x")
    assert scene.store.events.position() == 3


def test_the_listener_gets_what_was_committed_and_only_that(scene: Scene, reopen: Callable[[], Store]) -> None:
    heard: list[Event] = []
    scene.store.on_events(heard.extend)
    ada, bea = scene.friends()
    assert heard == list(reopen().events.after(0, 10))
    with pytest.raises(Conflict):
        scene.store.contacts.befriend(ada, bea)
    assert len(heard) == 2


def test_a_listener_that_fails_undoes_nothing(scene: Scene, expect_log: ExpectLog) -> None:
    expect_log("storage.transactions", "the listener of events failed")
    ada, bea = scene.users(2)

    def fail(events: object) -> None:
        raise RuntimeError("listener")

    scene.store.on_events(fail)
    scene.store.contacts.befriend(ada, bea)
    assert scene.store.users.relation(ada, bea) == "friend"


def test_the_same_bytes_are_stored_once_and_claimed_by_each(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    first = scene.upload(ada, "file", "thumb")
    uploads = scene.store.uploads
    assert uploads.by_sha256(first.sha256) == first
    assert uploads.by_sha256("0" * 64) is None
    again = uploads.claim(Upload(first.sha256, "other", "image/png", 5, 1, 1, "", "", bea, 1))
    assert again == first
    assert uploads.visible("file", bea) == uploads.visible("thumb", bea) == first
    assert uploads.visible("other", bea) is None
    assert uploads.visible("file", cid) is None
    assert uploads.visible("", ada) is None


def test_instant_upload_wants_the_right_size(scene: Scene) -> None:
    ada, bea = scene.users(2)
    first = scene.upload(ada, "file")
    uploads = scene.store.uploads
    assert uploads.claim_known(first.sha256, first.size_bytes + 1, bea) is None
    assert uploads.claim_known("0" * 64, 1, bea) is None
    assert uploads.visible("file", bea) is None
    assert uploads.claim_known(first.sha256, first.size_bytes, bea) == first
    assert uploads.visible("file", bea) == first


def test_a_file_in_a_message_is_seen_inside_the_window_only(scene: Scene) -> None:
    ada, bea, late, former, stranger = scene.users(5)
    room = scene.community(ada, bea, former)
    scene.leave(room, former)
    scene.upload(ada, "file", "thumb")
    scene.send(ada, Kind.COMMUNITY, room, url="/resource/file", pic="/resource/thumb")
    scene.join(room, late)
    visible = scene.store.uploads.visible
    assert [visible("file", user_id) is not None for user_id in (ada, bea, late, former, stranger)] == [
        *(True, True, False, False, False)
    ]
    scene.leave(room, bea)
    assert visible("thumb", bea) is not None  # the window that he had stays his
    scene.join(room, bea)
    assert visible("thumb", bea) is None  # it begins anew
    scene.send(ada, Kind.COMMUNITY, room, url="/resource/file?x=1")
    assert visible("file", late) is not None


def test_unused_are_the_old_ones_that_stand_nowhere(scene: Scene) -> None:
    ada, bea = scene.friends()
    for name in ("used", "avatar", "lonely"):
        scene.upload(ada, name)
    scene.send(ada, Kind.SINGLE, bea, url="/resource/used")
    scene.store.users.update(ada, {"avatar": "/resource/avatar"})
    scene.later(5)
    now_ms = scene.store.clock.now_ms()
    scene.upload(ada, "fresh")
    uploads = scene.store.uploads
    assert [upload.name for upload in uploads.unused(now_ms, 10)] == ["lonely"]
    assert uploads.unused(now_ms, 0) == ()
    assert not uploads.forget("used", now_ms)
    assert not uploads.forget("fresh", now_ms)
    assert not uploads.forget("unknown", now_ms)
    assert uploads.forget("lonely", now_ms)
    assert not uploads.forget("lonely", now_ms)
    assert uploads.visible("lonely", ada) is None


def test_a_file_claimed_again_is_not_forgotten(scene: Scene) -> None:
    ada, bea = scene.users(2)
    first = scene.upload(ada, "file")
    scene.later(5)
    now_ms = scene.store.clock.now_ms()
    scene.store.uploads.claim_known(first.sha256, first.size_bytes, bea)
    assert not scene.store.uploads.forget("file", now_ms)


def test_usage_is_what_was_claimed_since(scene: Scene) -> None:
    ada, bea = scene.users(2)
    first = scene.upload(ada, "one")
    scene.later(5)
    since = scene.store.clock.now_ms()
    scene.upload(ada, "two")
    used = scene.store.uploads.usage
    assert (used(ada, 0), used(ada, since), used(bea, 0)) == (Usage(2000, 2), Usage(1000, 1), Usage(0, 0))
    scene.store.uploads.claim_known(first.sha256, 1000, ada)
    assert used(ada, since) == Usage(2000, 2)


def test_known_names_are_own_and_thumbnails(scene: Scene) -> None:
    ada = scene.user()
    scene.upload(ada, "file", "thumb")
    scene.upload(ada, "bare")
    assert scene.store.uploads.known(["file", "thumb", "bare", "x", ""]) == {"file", "thumb", "bare"}
    assert scene.store.uploads.known([]) == frozenset()


def test_nothing_is_forgotten_while_somebody_wants_all_kept(scene: Scene) -> None:
    """A backup that reads files which its snapshot speaks of."""
    uploads = scene.store.uploads
    scene.upload(scene.user(), "lonely")
    scene.later(10)
    now_ms = scene.store.clock.now_ms()
    uploads.keep_all("one", now_ms + 60_000)
    uploads.keep_all("other", now_ms + 120_000)
    assert not uploads.forget("lonely", now_ms)
    uploads.keep_all("one", 0)
    assert not uploads.forget("lonely", now_ms)
    uploads.keep_all("other", now_ms + 5)  # said again: shorter
    scene.later(10)
    assert uploads.forget("lonely", now_ms)
