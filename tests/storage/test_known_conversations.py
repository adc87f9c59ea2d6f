"""Which conversation a draft means is looked up once, and never remembered before there is one."""

from functools import partial

from imtornado.drafts import Draft
from imtornado.records import Kind
from storage.known_conversations import KnownConversations
from storage.store import Store
from tests.storage.scene import Scene, at_once


def look(store: Store, known: KnownConversations, drafts: list[Draft]) -> list[int]:
    with store._transactions.read() as tx:  # type: ignore[attr-defined]
        return known.of(tx, drafts)


def test_the_last_that_were_looked_up_are_known(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(3)]
    drafts: list[Draft] = [scene.draft(ada, Kind.COMMUNITY, room) for room in rooms]
    known = KnownConversations(2)
    ids = [look(scene.store, known, [draft])[0] for draft in drafts]
    assert ids == [scene.shown(ada, Kind.COMMUNITY, room).conversation_id for room in rooms]
    assert (len(known), known.hits, known.misses) == (2, 0, 3)
    assert look(scene.store, known, drafts) == ids
    assert (len(known), known.hits, known.misses) == (2, 2, 4)


def test_what_does_not_exist_is_asked_for_again(scene: Scene) -> None:
    ada, bea = scene.users(2)
    known = KnownConversations()
    drafts: list[Draft] = [scene.draft(ada, Kind.SINGLE, bea), scene.draft(bea, Kind.SINGLE, ada)]
    assert look(scene.store, known, drafts) == [0, 0]
    assert len(known) == 0
    scene.store.contacts.befriend(ada, bea)
    scene.send(ada, Kind.SINGLE, bea)
    conversation_id = scene.shown(ada, Kind.SINGLE, bea).conversation_id
    assert look(scene.store, known, drafts) == [conversation_id, conversation_id]


def test_many_threads_keep_it_bounded(scene: Scene) -> None:
    ada = scene.user()
    drafts: list[Draft] = [scene.draft(ada, Kind.COMMUNITY, scene.community(ada)) for _ in range(12)]
    known = KnownConversations(4)
    found = at_once([partial(look, scene.store, known, drafts) for _ in range(4)])
    assert found == [found[0]] * 4
    assert len(known) == 4
    assert known.hits + known.misses == 4 * 12
