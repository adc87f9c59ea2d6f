"""Accounts."""

from functools import partial

import pytest

from imtornado.errors import Conflict, NotFound
from imtornado.records import Kind, Role, Ticket, User
from storage.store import REGISTRATION, NewSession, NewUser, Store
from tests.storage.scene import Scene, at_once, errors


def test_a_new_user_is_found_by_id_and_mobile(store: Store) -> None:
    user = store.users.create(NewUser("+4912345", "hash", "Ada 😀", "https://x/a.png", "W", "memo"))
    assert store.users.get(user.user_id) == user
    credentials = store.users.by_mobile("+4912345")
    assert credentials is not None
    assert (credentials.user, credentials.password_hash) == (user, "hash")
    assert store.users.credentials(user.user_id) == credentials
    assert (user.nickname, user.avatar, user.sex, user.memo) == ("Ada 😀", "https://x/a.png", "W", "memo")


def test_unknown_users_are_none(store: Store) -> None:
    assert store.users.get(1) is None
    assert store.users.by_mobile("1") is None
    assert store.users.credentials(2**53 - 1) is None
    assert store.users.count() == 0


def test_a_mobile_is_taken_once_also_by_threads(store: Store) -> None:
    outcomes = at_once([lambda: store.users.create(NewUser("123", "hash", "name")) for _ in range(12)])
    assert errors(outcomes) == [Conflict] * 11
    assert store.users.count() == 1
    with pytest.raises(Conflict) as caught:
        store.users.create(NewUser("123", "hash", "name"))
    assert caught.value.field == "mobile"


@pytest.mark.parametrize("other", ["abcDEF ", "ABCdef", " abcDEF", "abcDE"])
def test_mobiles_are_compared_in_binary(store: Store, other: str) -> None:
    store.users.create(NewUser("abcDEF", "hash", "name"))
    store.users.create(NewUser(other, "hash", "name"))
    assert store.users.count() == 2


def test_exactly_one_first_user_is_administrator(store: Store) -> None:
    users = at_once([lambda n=n: store.users.create(NewUser(str(n), "hash", "name")) for n in range(12)])  # type: ignore[misc]
    assert errors(users) == []
    assert sum(user.is_admin for user in users if not isinstance(user, Exception)) == 1


def test_a_new_user_has_a_notebook(scene: Scene) -> None:
    user_id = scene.user("Ada")
    (notebook,) = scene.store.conversations.list(user_id, 0, 0, 10)
    assert (notebook.kind, notebook.dstid, notebook.title, notebook.last) == (Kind.SINGLE, user_id, "Ada", None)
    assert scene.send(user_id, Kind.SINGLE, user_id).seq == 1


def register(store: Store, number: int, invite: bytes) -> User:
    session = NewSession(bytes([number]) * 32, "d", "ip", store.clock.now_ms() + 60_000)
    return store.users.register(NewUser(str(number), "hash", "name"), session, invite)[0]


def test_whoever_registers_is_logged_in_or_nobody_is(store: Store) -> None:
    session = NewSession(b"t" * 32, "d", "ip", store.clock.now_ms() + 60_000)
    user, opened = store.users.register(NewUser("1", "hash", "name"), session)
    assert store.sessions.find(b"t" * 32) == (opened, user)
    with pytest.raises(Conflict):  # of the token, which is random: it stands for whatever goes wrong at the end
        store.users.register(NewUser("2", "hash", "name"), session)
    assert store.users.by_mobile("2") is None


def test_an_invitation_is_used_up_with_the_account(store: Store) -> None:
    token = b"t" * 32
    store.tickets.create(token, Ticket(REGISTRATION, 0, 0, store.clock.now_ms() + 60_000))
    calls = [partial(register, store, n, token) for n in range(6)]
    assert errors(at_once(calls)) == [NotFound] * 5
    assert store.users.count() == 1


def test_a_taken_mobile_does_not_use_up_the_invitation(store: Store) -> None:
    token = b"t" * 32
    store.tickets.create(token, Ticket(REGISTRATION, 0, 0, store.clock.now_ms() + 60_000))
    store.users.create(NewUser("1", "hash", "name"))
    with pytest.raises(Conflict):
        register(store, 1, token)
    assert store.tickets.find(token, REGISTRATION) is not None


def test_an_avatar_of_another_is_refused_and_nobody_created(scene: Scene) -> None:
    scene.upload(scene.user(), "private")
    with pytest.raises(NotFound) as caught:
        scene.store.users.create(NewUser("1", "hash", "name", "/resource/private"))
    assert caught.value.field == "avatar"
    assert scene.store.users.by_mobile("1") is None


def test_update_changes_what_is_named_and_tells(scene: Scene) -> None:
    user_id = scene.user("Ada")
    position = scene.store.events.position()
    user = scene.store.users.update(user_id, {"nickname": "Bea", "memo": "O'Brien"})
    assert (user.nickname, user.memo, user.sex) == ("Bea", "O'Brien", "U")
    assert scene.store.users.get(user_id) == user
    assert scene.kinds(position, user_id) == ["profile.updated"]


def test_update_refuses_other_columns_and_unknown_users(scene: Scene) -> None:
    user_id = scene.user()
    with pytest.raises(ValueError, match="is_admin"):
        scene.store.users.update(user_id, {"is_admin": "1"})
    with pytest.raises(NotFound):
        scene.store.users.update(999, {"nickname": "x"})


def test_a_new_avatar_must_be_his_to_use(scene: Scene) -> None:
    ada, bea = scene.users(2)
    scene.upload(ada, "ada-file", "ada-thumb")
    with pytest.raises(NotFound):
        scene.store.users.update(bea, {"avatar": "/resource/ada-file"})
    scene.store.users.update(ada, {"avatar": "/resource/ada-thumb"})
    assert scene.store.uploads.visible("ada-file", bea) is not None  # a profile picture of anyone
    scene.store.users.update(bea, {"avatar": "/resource/ada-file"})
    scene.store.users.update(ada, {"avatar": ""})
    assert scene.store.uploads.visible("ada-file", scene.user()) is not None  # bea still shows it
    scene.store.users.update(bea, {"avatar": ""})
    assert scene.store.uploads.visible("ada-file", bea) is None


def test_disabling_ends_everything_and_can_be_undone(scene: Scene) -> None:
    ada, bea = scene.friends()
    token = b"a" * 32
    scene.store.sessions.create(ada, NewSession(token, "d", "ip", scene.store.clock.now_ms() + 60_000))
    position = scene.store.events.position()
    scene.store.users.set_disabled(ada, True)
    assert scene.store.sessions.find(token) is None
    assert scene.kinds(position, ada) == ["account.disabled", "session.ended"]  # a socket hears the first
    user = scene.store.users.get(ada)
    assert user is not None
    assert user.disabled_at_ms > 0
    scene.store.users.set_disabled(ada, False)
    assert scene.send(ada, Kind.SINGLE, bea).seq == 1
    with pytest.raises(NotFound):
        scene.store.users.set_disabled(999, True)


def test_relation_names_who_asked_whom(scene: Scene) -> None:
    ada, bea = scene.users(2)
    relation = scene.store.users.relation
    assert (relation(ada, ada), relation(ada, bea), relation(ada, 999)) == ("self", "none", "none")
    scene.store.contacts.request(ada, bea, "hi")
    assert (relation(ada, bea), relation(bea, ada)) == ("requested", "asks")
    scene.store.contacts.accept(bea, ada)
    assert (relation(ada, bea), relation(bea, ada)) == ("friend", "friend")


def test_shared_are_friends_and_present_fellow_members(scene: Scene) -> None:
    ada, friend, fellow, former, stranger = scene.users(5)
    scene.store.contacts.befriend(ada, friend)
    room = scene.community(ada, fellow, former)
    scene.leave(room, former)
    others = [friend, fellow, former, stranger, 999]
    assert scene.store.users.shared(ada, others) == {friend, fellow}
    assert scene.store.users.shared(stranger, [ada]) == frozenset()
    assert scene.store.users.shared(ada, []) == frozenset()
    scene.store.contacts.remove(ada, friend)
    assert scene.store.users.shared(ada, others) == {fellow}
    assert scene.store.communities.role(room, fellow) == Role.MEMBER


def test_a_block_hides_both_from_each_other(scene: Scene) -> None:
    ada, friend, fellow = scene.users(3)
    scene.store.contacts.befriend(ada, friend)
    scene.community(ada, fellow)
    scene.store.contacts.block(ada, friend)
    scene.store.contacts.block(fellow, ada)
    assert scene.store.users.shared(ada, [friend, fellow]) == frozenset()
    assert scene.store.users.shared(friend, [ada]) == frozenset()
    assert scene.store.users.shared(fellow, [ada]) == frozenset()
    scene.store.contacts.unblock(ada, friend)
    assert scene.store.users.shared(friend, [ada]) == {ada}
