"""New passwords, and the links by which they are set."""

import pytest

from imtornado.errors import AccountDisabled, NotFound, WrongCredentials
from imtornado.records import Session
from storage.store import PASSWORD, NewSession, Store
from tests.storage.scene import Scene

LINK = b"l" * 32


def new_session(store: Store, token: bytes = b"t" * 32) -> NewSession:
    return NewSession(token, "d", "ip", store.clock.now_ms() + 60_000)


def password_of(scene: Scene, user_id: int) -> str:
    credentials = scene.store.users.credentials(user_id)
    assert credentials is not None
    return credentials.password_hash


def link(scene: Scene, user_id: int, token_sha256: bytes = LINK) -> None:
    scene.store.passwords.link(user_id, token_sha256, scene.store.clock.now_ms() + 60_000)


def three_sessions(scene: Scene, user_id: int) -> list[Session]:
    return [scene.store.sessions.create(user_id, new_session(scene.store, bytes([n]) * 32)) for n in range(3)]


def test_a_new_password_ends_the_other_sessions_and_the_links(scene: Scene) -> None:
    user_id = scene.user()
    sessions = three_sessions(scene, user_id)
    link(scene, user_id)
    position = scene.store.events.position()
    scene.store.passwords.set(user_id, "new hash", sessions[1].session_id)
    assert password_of(scene, user_id) == "new hash"
    assert scene.store.sessions.list(user_id) == (sessions[1],)
    assert scene.kinds(position, user_id) == ["session.ended"] * 2
    assert scene.store.tickets.find(LINK, PASSWORD) is None
    with pytest.raises(NotFound):
        scene.store.passwords.set(999, "hash", 0)


def test_a_password_that_was_changed_proves_nothing_any_more(scene: Scene) -> None:
    user_id = scene.user()
    scene.store.passwords.set(user_id, "new hash", 0, password_of(scene, user_id))
    sessions = three_sessions(scene, user_id)
    position = scene.store.events.position()
    with pytest.raises(WrongCredentials):
        scene.store.passwords.set(user_id, "a third", 0, "an older hash")
    with pytest.raises(WrongCredentials):
        scene.store.sessions.create(user_id, new_session(scene.store), "an older hash")
    assert password_of(scene, user_id) == "new hash"
    assert len(scene.store.sessions.list(user_id)) == len(sessions)
    assert scene.kinds(position, user_id) == []
    assert scene.store.sessions.create(user_id, new_session(scene.store), "new hash")


def test_a_link_sets_the_password_once_and_opens_the_only_session(scene: Scene) -> None:
    user_id = scene.user()
    three_sessions(scene, user_id)
    link(scene, user_id)
    user, session = scene.store.passwords.reset(LINK, "new hash", new_session(scene.store))
    assert user == scene.store.users.get(user_id)
    assert scene.store.sessions.list(user_id) == (session,)
    assert password_of(scene, user_id) == "new hash"
    with pytest.raises(NotFound):
        scene.store.passwords.reset(LINK, "a third", new_session(scene.store, b"u" * 32))
    assert password_of(scene, user_id) == "new hash"


def test_a_newer_link_ends_the_older_one_of_the_same_user(scene: Scene) -> None:
    ada, bea = scene.users(2)
    link(scene, ada)
    link(scene, bea, b"b" * 32)
    link(scene, ada, b"m" * 32)
    assert scene.store.tickets.find(LINK, PASSWORD) is None
    assert scene.store.tickets.find(b"m" * 32, PASSWORD) is not None
    assert scene.store.tickets.find(b"b" * 32, PASSWORD) is not None
    with pytest.raises(NotFound):
        link(scene, 999)


def test_a_link_that_cannot_open_a_session_is_not_used_up(scene: Scene) -> None:
    user_id = scene.user()
    before = password_of(scene, user_id)
    link(scene, user_id)
    scene.store.users.set_disabled(user_id, True)
    with pytest.raises(AccountDisabled):
        scene.store.passwords.reset(LINK, "new hash", new_session(scene.store))
    assert password_of(scene, user_id) == before
    scene.store.users.set_disabled(user_id, False)
    assert scene.store.passwords.reset(LINK, "new hash", new_session(scene.store))


def test_a_link_ends_with_its_time(scene: Scene) -> None:
    user_id = scene.user()
    link(scene, user_id)
    scene.later(60_000)
    with pytest.raises(NotFound):
        scene.store.passwords.reset(LINK, "new hash", new_session(scene.store))
