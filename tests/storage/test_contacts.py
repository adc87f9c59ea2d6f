"""Requests, friendship, blocks."""

import pytest

from imtornado.errors import BadParameter, Conflict, NotAllowed, NotFound, NotFriends, Silenced
from imtornado.records import Kind
from tests.storage.scene import Scene, at_once, errors


def friend_ids(scene: Scene, user_id: int) -> list[int]:
    return [friend.user.user_id for friend in scene.store.contacts.friends(user_id)]


def test_friends_at_once_have_each_other_and_may_write(scene: Scene) -> None:
    ada, bea = scene.users(2)
    position = scene.store.events.position()
    scene.store.contacts.befriend(ada, bea)
    assert (friend_ids(scene, ada), friend_ids(scene, bea)) == ([bea], [ada])
    assert scene.kinds(position, ada) == scene.kinds(position, bea) == ["contact.added"]
    assert scene.send(ada, Kind.SINGLE, bea).seq == 1
    assert scene.send(bea, Kind.SINGLE, ada).seq == 2


def test_befriend_refuses_oneself_strangers_and_a_second_time(scene: Scene) -> None:
    ada, bea = scene.friends()
    befriend = scene.store.contacts.befriend
    with pytest.raises(BadParameter):
        befriend(ada, ada)
    with pytest.raises(NotFound):
        befriend(ada, 999)
    with pytest.raises(Conflict):
        befriend(bea, ada)


def test_befriending_at_once_from_both_sides_happens_once(scene: Scene) -> None:
    ada, bea = scene.users(2)
    contacts = scene.store.contacts
    calls = [lambda: contacts.befriend(ada, bea), lambda: contacts.befriend(bea, ada)] * 4
    assert errors(at_once(calls)) == [Conflict] * 7
    assert friend_ids(scene, ada) == [bea]


def test_a_request_is_open_until_it_is_accepted(scene: Scene) -> None:
    ada, bea = scene.users(2)
    position = scene.store.events.position()
    assert scene.store.contacts.request(ada, bea, "hi 😀") is False
    (incoming,) = scene.store.contacts.requests(bea)
    (outgoing,) = scene.store.contacts.requests(ada)
    assert (incoming.user.user_id, incoming.memo, incoming.incoming) == (ada, "hi 😀", True)
    assert (outgoing.user.user_id, outgoing.incoming) == (bea, False)
    assert (scene.kinds(position, ada), scene.kinds(position, bea)) == (["contact.updated"], ["contact.request"])
    with pytest.raises(NotFound):
        scene.store.contacts.accept(ada, bea)  # his own
    scene.store.contacts.accept(bea, ada)
    assert scene.store.contacts.requests(ada) == scene.store.contacts.requests(bea) == ()
    assert friend_ids(scene, ada) == [bea]
    with pytest.raises(NotFound):
        scene.store.contacts.accept(bea, ada)


def test_a_request_repeated_has_the_new_memo_and_is_told_once(scene: Scene) -> None:
    ada, bea = scene.users(2)
    scene.store.contacts.request(ada, bea, "one")
    position = scene.store.events.position()
    scene.store.contacts.request(ada, bea, "two")
    assert [request.memo for request in scene.store.contacts.requests(bea)] == ["two"]
    assert scene.kinds(position, bea) == []


def test_two_who_ask_each_other_are_friends(scene: Scene) -> None:
    ada, bea = scene.users(2)
    contacts = scene.store.contacts
    outcomes = at_once([lambda: contacts.request(ada, bea, ""), lambda: contacts.request(bea, ada, "")])
    assert sorted(outcomes, key=repr) == [False, True]
    assert friend_ids(scene, bea) == [ada]
    assert contacts.requests(ada) == contacts.requests(bea) == ()
    with pytest.raises(Conflict):
        contacts.request(ada, bea, "")


def test_requests_to_nobody_and_to_oneself(scene: Scene) -> None:
    ada = scene.user()
    with pytest.raises(NotFound):
        scene.store.contacts.request(ada, 999, "")
    with pytest.raises(BadParameter):
        scene.store.contacts.request(ada, ada, "")


@pytest.mark.parametrize("by_asker", [True, False])
def test_reject_and_withdraw_drop_the_request(scene: Scene, by_asker: bool) -> None:
    ada, bea = scene.users(2)
    scene.store.contacts.request(ada, bea, "")
    position = scene.store.events.position()
    scene.store.contacts.reject(*((ada, bea) if by_asker else (bea, ada)))
    assert scene.store.contacts.requests(ada) == scene.store.contacts.requests(bea) == ()
    assert scene.kinds(position, ada) == scene.kinds(position, bea) == ["contact.updated"]
    with pytest.raises(NotFound):
        scene.store.contacts.reject(ada, bea)


def test_requests_are_newest_first(scene: Scene) -> None:
    ada, *others = scene.users(4)
    for other in others:
        scene.store.contacts.request(other, ada, "")
        scene.later(5)
    scene.store.contacts.request(ada, mine := scene.user(), "")
    assert [request.user.user_id for request in scene.store.contacts.requests(ada)] == [mine, *reversed(others)]


def test_since_gives_new_friends_remarks_and_profiles(scene: Scene) -> None:
    ada, bea = scene.friends()
    _, cid = scene.users(2)
    scene.later(5)
    since = scene.store.clock.now_ms()
    friends = scene.store.contacts.friends
    assert friends(ada, since) == ()
    scene.store.contacts.remark(ada, bea, "B.")
    assert [friend.remark for friend in friends(ada, since)] == ["B."]
    scene.store.contacts.befriend(ada, cid)
    assert [friend.user.user_id for friend in friends(ada, since)] == [bea, cid]
    assert friends(bea, since) == ()  # another's remark is none of his business
    scene.store.users.update(ada, {"nickname": "Ada"})
    assert [friend.user.nickname for friend in friends(bea, since)] == ["Ada"]


def test_a_remark_is_the_title_of_the_conversation(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    scene.later(5)
    since = scene.store.clock.now_ms()
    scene.store.contacts.remark(ada, bea, "my bea")
    (changed,) = scene.store.conversations.changed(ada, since, (0, 0), 10)
    assert changed.title == "my bea"
    with pytest.raises(NotFound):
        scene.store.contacts.remark(ada, scene.user(), "x")


def test_removing_ends_the_friendship_both_ways(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    since, position = scene.store.clock.now_ms(), scene.store.events.position()
    scene.store.contacts.remove(ada, bea)
    assert friend_ids(scene, ada) == friend_ids(scene, bea) == []
    assert scene.kinds(position, ada) == scene.kinds(position, bea) == ["contact.removed"]
    assert scene.store.contacts.removed(ada, since) == (bea,)
    for sender, other in ((ada, bea), (bea, ada)):
        with pytest.raises(NotFriends):
            scene.send(sender, Kind.SINGLE, other)
    assert len(scene.seen(ada, Kind.SINGLE, bea)) == 1  # what was said stays
    with pytest.raises(NotFound):
        scene.store.contacts.remove(ada, bea)


def test_friends_again_are_not_among_the_removed_and_go_on_writing(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    scene.store.contacts.remove(ada, bea)
    scene.store.contacts.befriend(bea, ada)
    assert scene.store.contacts.removed(ada, 0) == ()
    assert scene.send(bea, Kind.SINGLE, ada).seq == 2


def test_while_blocked_neither_may_write_and_the_reason_is_said(scene: Scene) -> None:
    ada, bea = scene.friends()
    position = scene.store.events.position()
    scene.store.contacts.block(ada, bea)
    scene.store.contacts.block(ada, bea)
    assert scene.kinds(position, ada) == ["contact.updated"]
    assert scene.kinds(position, bea) == []
    with pytest.raises(Silenced, match="You have blocked this user"):
        scene.send(ada, Kind.SINGLE, bea)
    with pytest.raises(Silenced, match="does not accept messages from you"):
        scene.send(bea, Kind.SINGLE, ada)
    assert [user.user_id for user in scene.store.contacts.blocked(ada)] == [bea]
    assert scene.store.contacts.blocked(bea) == ()
    scene.store.contacts.unblock(ada, bea)
    assert scene.send(bea, Kind.SINGLE, ada).seq == 1
    with pytest.raises(NotFound):
        scene.store.contacts.unblock(ada, bea)


def test_two_blocks_must_both_be_lifted(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.store.contacts.block(ada, bea)
    scene.store.contacts.block(bea, ada)
    scene.store.contacts.unblock(ada, bea)
    with pytest.raises(Silenced):
        scene.send(ada, Kind.SINGLE, bea)
    scene.store.contacts.unblock(bea, ada)
    scene.send(ada, Kind.SINGLE, bea)


def test_lifting_a_block_does_not_make_friends(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.store.contacts.block(ada, bea)
    scene.store.contacts.remove(ada, bea)
    scene.store.contacts.unblock(ada, bea)
    with pytest.raises(NotFriends):
        scene.send(ada, Kind.SINGLE, bea)


def test_nobody_blocks_himself_or_nobody(scene: Scene) -> None:
    ada = scene.user()
    with pytest.raises(BadParameter):
        scene.store.contacts.block(ada, ada)
    with pytest.raises(NotFound):
        scene.store.contacts.block(ada, 999)


def test_a_request_to_someone_who_blocked_me_looks_like_any_other(scene: Scene) -> None:
    ada, bea = scene.users(2)
    scene.store.contacts.block(bea, ada)
    position = scene.store.events.position()
    assert scene.store.contacts.request(ada, bea, "please") is False
    assert scene.kinds(position, bea) == []
    assert scene.store.contacts.requests(bea) == ()
    assert len(scene.store.contacts.requests(ada)) == 1
    assert scene.store.users.relation(ada, bea) == "requested"
    assert scene.store.users.relation(bea, ada) == "none"
    with pytest.raises(NotFound):
        scene.store.contacts.accept(bea, ada)
    with pytest.raises(NotAllowed):
        scene.store.contacts.befriend(ada, bea)
    with pytest.raises(NotAllowed):
        scene.store.contacts.request(bea, ada, "")
    scene.store.contacts.reject(ada, bea)  # he withdraws what was never seen
    assert scene.store.contacts.requests(ada) == ()


def test_blocking_hides_an_open_request_of_the_blocked(scene: Scene) -> None:
    ada, bea = scene.users(2)
    scene.store.contacts.request(ada, bea, "")
    scene.store.contacts.block(bea, ada)
    assert scene.store.contacts.requests(bea) == ()
    assert len(scene.store.contacts.requests(ada)) == 1  # he notices nothing
