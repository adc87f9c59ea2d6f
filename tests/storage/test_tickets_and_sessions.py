"""Secret links, and log-ins of devices."""

import pytest

from imtornado.errors import AccountDisabled, Conflict, NotFound
from imtornado.records import Ticket
from storage.store import NewSession, Store
from tests.storage.scene import Scene

TOKEN = bytes(range(32))


def ticket(store: Store, life_ms: int = 60_000) -> Ticket:
    return Ticket("password", 7, 3, store.clock.now_ms() + life_ms)


def new_session(store: Store, token: bytes = TOKEN, life_ms: int = 3_600_000) -> NewSession:
    return NewSession(token, "Firefox 😀", "127.0.0.1", store.clock.now_ms() + life_ms)


def test_a_ticket_is_found_by_token_and_purpose(store: Store) -> None:
    made = ticket(store)
    store.tickets.create(TOKEN, made)
    assert store.tickets.find(TOKEN, "password") == made
    assert store.tickets.find(TOKEN, "registration") is None
    assert store.tickets.find(b"other" * 6, "password") is None
    with pytest.raises(Conflict):
        store.tickets.create(TOKEN, made)


def test_an_expired_ticket_is_nothing(scene: Scene) -> None:
    store = scene.store
    store.tickets.create(TOKEN, ticket(store, 500))
    scene.later(500)
    assert store.tickets.find(TOKEN, "password") is None
    assert store.tickets.revoke("password", 7) == 0


def test_revoke_takes_back_the_open_tickets_of_one_subject(store: Store) -> None:
    for n in range(3):
        store.tickets.create(bytes([n]) * 32, ticket(store))
    store.tickets.create(TOKEN, Ticket("password", 8, 3, store.clock.now_ms() + 60_000))
    assert store.tickets.revoke("password", 7) == 3
    assert store.tickets.revoke("password", 7) == 0
    assert store.tickets.find(b"\1" * 32, "password") is None
    assert store.tickets.find(TOKEN, "password") is not None


def test_a_session_is_found_with_its_user(scene: Scene) -> None:
    user_id = scene.user()
    position = scene.store.events.position()
    session = scene.store.sessions.create(user_id, new_session(scene.store))
    assert scene.store.sessions.find(TOKEN) == (session, scene.store.users.get(user_id))
    assert scene.store.sessions.find(b"x" * 32) is None
    assert scene.kinds(position, user_id) == ["session.added"]
    with pytest.raises(NotFound):
        scene.store.sessions.create(999, new_session(scene.store, b"y" * 32))


def test_a_disabled_account_gets_no_session(scene: Scene) -> None:
    user_id = scene.user()
    scene.store.users.set_disabled(user_id, True)
    with pytest.raises(AccountDisabled):
        scene.store.sessions.create(user_id, new_session(scene.store))


def test_an_expired_session_is_nothing(scene: Scene) -> None:
    user_id = scene.user()
    scene.store.sessions.create(user_id, new_session(scene.store, TOKEN, 500))
    scene.later(500)
    assert scene.store.sessions.find(TOKEN) is None
    assert scene.store.sessions.opening(TOKEN) is None
    assert scene.store.sessions.list(user_id) == ()


def test_seen_moves_once_a_minute(scene: Scene) -> None:
    user_id = scene.user()
    session = scene.store.sessions.create(user_id, new_session(scene.store))
    scene.later(59_000)
    scene.store.sessions.find(TOKEN)
    assert scene.store.sessions.list(user_id)[0].seen_at_ms == session.seen_at_ms
    scene.later(1_000)
    scene.store.sessions.find(TOKEN)
    assert scene.store.sessions.list(user_id)[0].seen_at_ms >= session.seen_at_ms + 60_000


def test_the_opening_names_all_communities_he_is_in(scene: Scene) -> None:
    ada, bea = scene.friends()
    mine, joined, left, dissolved = (
        scene.community(ada),
        scene.community(bea, ada),
        scene.community(bea, ada),
        scene.community(bea, ada),
    )
    scene.leave(left, ada)
    scene.change(dissolved, lambda tx: tx.dissolve())
    session = scene.store.sessions.create(ada, new_session(scene.store))
    opening = scene.store.sessions.opening(TOKEN)
    assert opening is not None
    assert (opening.session, opening.user.user_id, opening.community_ids) == (session, ada, (mine, joined))


def test_revoke_ends_ones_own_session_only(scene: Scene) -> None:
    ada, bea = scene.users(2)
    session = scene.store.sessions.create(ada, new_session(scene.store))
    with pytest.raises(NotFound):
        scene.store.sessions.revoke(bea, session.session_id)
    position = scene.store.events.position()
    scene.store.sessions.revoke(ada, session.session_id)
    assert scene.store.sessions.find(TOKEN) is None
    assert [event.data for event in scene.store.events.after(position, 10)] == [f'{{"id":{session.session_id}}}']
    with pytest.raises(NotFound):
        scene.store.sessions.revoke(ada, session.session_id)


def test_a_session_id_is_never_given_again(scene: Scene) -> None:
    user_id = scene.user()
    first = scene.store.sessions.create(user_id, new_session(scene.store))
    scene.store.sessions.revoke(user_id, first.session_id)
    second = scene.store.sessions.create(user_id, new_session(scene.store))
    assert second.session_id > first.session_id


def test_sessions_are_listed_last_seen_first(scene: Scene) -> None:
    user_id = scene.user()
    for n in range(3):
        scene.store.sessions.create(user_id, new_session(scene.store, bytes([n]) * 32))
        scene.later(70_000)
    scene.store.sessions.find(b"\1" * 32)
    ids = [session.session_id for session in scene.store.sessions.list(user_id)]
    assert ids[0] == sorted(ids)[1]
    assert ids[1] > ids[2]


def test_sessions_that_come_back_together_are_noted_together(scene: Scene) -> None:
    """Whoever is seen within a second of the last note waits for the next one, and is in every list before that."""
    people = scene.users(5)
    tokens = [bytes([number]) * 32 for number in range(len(people))]
    for user_id, token in zip(people, tokens, strict=True):
        scene.store.sessions.create(user_id, new_session(scene.store, token))
    scene.later(70_000)
    now_ms = scene.store.clock.now_ms()
    for token in tokens:
        assert scene.store.sessions.opening(token) is not None
    noted = [scene.store.sessions.find(token) for token in tokens]
    assert [found is not None and found[0].seen_at_ms >= now_ms for found in noted] == [True] + [False] * 4
    assert scene.store.sessions.list(people[4])[0].seen_at_ms >= now_ms
    scene.later(2_000)
    assert scene.store.sessions.opening(tokens[1]) is not None
    again = [scene.store.sessions.find(token) for token in tokens]
    assert all(found is not None and found[0].seen_at_ms >= now_ms for found in again)
