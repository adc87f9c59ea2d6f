"""What several people, or one on several devices, do to accounts, relations and communities at the same moment.

Each kind of race is run many times, on two nodes with one database: what they leave is what they would have left one
after the other, in one order or another.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import pytest

from imtornado.errors import AccountDisabled, Conflict, ImError, LimitReached, NotAllowed, NotFound, WrongCredentials
from imtornado.records import Kind, Policy, Role, Ticket
from imtornado.services import community_rules
from storage.store import PASSWORD, REGISTRATION, NewCommunity, NewSession, NewUser, Store
from tests.storage.scene import Scene, at_once, change, errors
from tests.storage.test_at_once import busy_machine, commit_patiently, patiently

__all__ = ["busy_machine"]  # for all tests of this file

T = TypeVar("T")

ROUNDS = 20
LINK = b"l" * 31


@pytest.fixture
def nodes(store: Store, reopen: Callable[[], Store]) -> tuple[Store, Store]:
    return store, reopen()


def raced(*calls: Callable[[], T]) -> list[T | ImError]:
    """What came of calls that ran at the same time, each asked for until the database had time for it."""
    return at_once([partial(patiently, call) for call in calls])


def new_session(store: Store, *token: int) -> NewSession:
    return NewSession(bytes(token).ljust(32, b"t"), "d", "ip", store.clock.now_ms() + 600_000)


def password_of(store: Store, user_id: int) -> str:
    credentials = store.users.credentials(user_id)
    assert credentials is not None
    return credentials.password_hash


def may_write(store: Store, user_id: int, other_id: int) -> bool:
    try:
        store.conversations.check_right_to_write(user_id, Kind.SINGLE, other_id)
    except ImError:
        return False
    return True


def rule(node: Store, community_id: int, apply: Callable[..., object], *arguments: object) -> Callable[[], object]:
    """A rule of communities as a draft of this node. Raises, when called, what it was refused with."""

    def call() -> object:
        (outcome,) = commit_patiently(node, [change(community_id, lambda tx: apply(tx, *arguments))])
        if isinstance(outcome, ImError):
            raise outcome
        return outcome

    return call


def require_books(scene: Scene, community_id: int, people: Sequence[int]) -> set[int]:
    """Members by their rows, by the number that the community shows and by who may write: all the same."""
    store = scene.store
    members = {member.user.user_id for member in store.communities.members(community_id, 0, 1000)}
    community = store.communities.get(community_id, people[0])
    assert community is not None
    assert community.member_count == len(members)
    assert members == {one for one in people if store.communities.role(community_id, one) is not None}
    for user_id in people:
        if user_id in members:
            store.conversations.check_right_to_write(user_id, Kind.COMMUNITY, community_id)
        else:
            with pytest.raises(ImError):
                store.conversations.check_right_to_write(user_id, Kind.COMMUNITY, community_id)
    return members


def test_a_mobile_and_an_invitation_are_taken_once(nodes: tuple[Store, Store]) -> None:
    store = nodes[0]
    store.users.create(NewUser("1", "h", "n"))
    for n in range(ROUNDS):
        invite = bytes([n]) * 32
        store.tickets.create(invite, Ticket(REGISTRATION, 0, 0, store.clock.now_ms() + 600_000))
        same = [partial(node.users.create, NewUser(f"200{n}", "h", "n")) for node in nodes * 2]
        invited = [
            partial(node.users.register, NewUser(f"3{place}{n:03d}", "h", "n"), new_session(node, n, place), invite)
            for place, node in enumerate(nodes * 2)
        ]
        found = raced(*same, *invited)
        assert errors(found[:4]) == [Conflict] * 3
        assert errors(found[4:]) == [NotFound] * 3
        assert store.users.count() == 1 + 2 * (n + 1)


def test_one_is_first_on_a_server_that_takes_nobody_else(nodes: tuple[Store, Store]) -> None:
    calls = [
        partial(node.users.register, NewUser(f"{place}", "h", "n"), new_session(node, place), only_first=True)
        for place, node in enumerate(nodes * 4)
    ]
    assert errors(raced(*calls)) == [NotAllowed] * 7
    assert nodes[0].users.count() == 1


def test_a_password_link_is_used_once(scene: Scene, nodes: tuple[Store, Store]) -> None:
    user_id = scene.user()
    for n in range(ROUNDS):
        link = LINK + bytes([n])
        scene.store.passwords.link(user_id, link, scene.store.clock.now_ms() + 600_000)
        found = raced(
            *(
                partial(node.passwords.reset, link, f"hash {n} {place}", new_session(node, n, place))
                for place, node in enumerate(nodes * 2)
            )
        )
        assert errors(found) == [NotFound] * 3
        (winner,) = [place for place, one in enumerate(found) if isinstance(one, tuple)]
        assert password_of(scene.store, user_id) == f"hash {n} {winner}"
        assert len(scene.store.sessions.list(user_id)) == 1


def test_of_links_that_are_made_at_once_one_is_left(scene: Scene, nodes: tuple[Store, Store]) -> None:
    user_id = scene.user()
    for n in range(ROUNDS):
        links = [bytes([n, place]) + LINK[1:] for place in range(4)]
        due_ms = scene.store.clock.now_ms() + 600_000
        made = raced(
            *(partial(node.passwords.link, user_id, one, due_ms) for node, one in zip(nodes * 2, links, strict=True))
        )
        assert not errors(made)
        assert len([one for one in links if scene.store.tickets.find(one, PASSWORD)]) == 1


def test_no_session_of_an_old_password_outlives_it(scene: Scene, nodes: tuple[Store, Store]) -> None:
    user_id = scene.user()
    for n in range(ROUNDS):
        before = password_of(scene.store, user_id)
        entering: list[Callable[[], object]] = [
            partial(node.sessions.create, user_id, new_session(node, n, place), before)
            for place, node in enumerate(nodes)
        ]
        changing: list[Callable[[], object]] = [
            partial(node.passwords.set, user_id, f"{n} {place}", 0, before) for place, node in enumerate(nodes)
        ]
        found = raced(*entering, *changing)
        assert set(errors(found[:2])) <= {WrongCredentials}
        assert errors(found[2:]) == [WrongCredentials]
        assert scene.store.sessions.list(user_id) == ()


def test_nobody_enters_while_he_is_disabled(scene: Scene, nodes: tuple[Store, Store]) -> None:
    for n in range(ROUNDS):
        user_id = scene.user()
        found: list[object] = raced(
            partial(nodes[0].sessions.create, user_id, new_session(nodes[0], n)),
            partial(nodes[1].users.set_disabled, user_id, True),
        )
        assert set(errors(found)) <= {AccountDisabled}
        assert scene.store.sessions.list(user_id) == ()


def test_a_session_is_revoked_once_and_found_by_nobody_after_it(scene: Scene, nodes: tuple[Store, Store]) -> None:
    user_id = scene.user()
    for n in range(ROUNDS):
        new = new_session(scene.store, n)
        session_id = scene.store.sessions.create(user_id, new).session_id
        found: list[object] = raced(
            *(partial(node.sessions.revoke, user_id, session_id) for node in nodes),
            *(partial(node.sessions.find, new.token_sha256) for node in nodes),
        )
        assert errors(found) == [NotFound]
        assert [node.sessions.find(new.token_sha256) for node in nodes] == [None, None]


@pytest.mark.parametrize("first", ["request", "befriend"])
def test_a_relation_is_what_one_order_would_have_made(scene: Scene, nodes: tuple[Store, Store], first: str) -> None:
    """Two act upon each other in every way at once; the lists of both and the rights in their chat agree."""
    store = scene.store
    for n in range(ROUNDS):
        ada, bea = scene.users(2)
        if n % 2:
            store.contacts.request(bea, ada, "")
        one, two = nodes
        starting: Callable[[], object] = partial(one.contacts.befriend, ada, bea)
        if first == "request":
            starting = partial(one.contacts.request, ada, bea, "")
        found: list[object] = raced(
            starting,
            partial(two.contacts.accept, ada, bea),
            partial(one.contacts.reject, ada, bea),
            partial(two.contacts.block, bea, ada),
            partial(one.contacts.remove, bea, ada),
            partial(two.contacts.remark, ada, bea, "B"),
        )
        assert set(errors(found)) <= {NotFound, Conflict, NotAllowed}
        friends = [[friend.user.user_id for friend in store.contacts.friends(user_id)] for user_id in (ada, bea)]
        assert friends in ([[bea], [ada]], [[], []])
        assert [user.user_id for user in store.contacts.blocked(bea)] == [ada]
        for user_id, other_id in ((ada, bea), (bea, ada)):
            with pytest.raises(ImError):
                store.conversations.check_right_to_write(user_id, Kind.SINGLE, other_id)
        store.contacts.unblock(bea, ada)
        if friends[0]:
            store.conversations.check_right_to_write(ada, Kind.SINGLE, bea)
            assert not store.contacts.requests(ada) + store.contacts.requests(bea)


def test_who_may_write_is_what_the_relation_says(scene: Scene, nodes: tuple[Store, Store]) -> None:
    """Friends, and no block between them: whatever becomes of both in the same moment."""
    store = scene.store
    for n in range(ROUNDS):
        ada, bea = scene.friends()
        if n % 2:
            store.contacts.block(ada, bea)
        one, two = nodes
        raced(
            partial(one.contacts.remove if n % 4 < 2 else one.contacts.unblock, ada, bea),
            partial(two.contacts.block, bea, ada),
            partial(one.contacts.unblock, ada, bea),
            partial(two.contacts.unblock, bea, ada),
        )
        friends = bool(store.contacts.friends(ada))
        blocked = bool(store.contacts.blocked(ada) or store.contacts.blocked(bea))
        assert may_write(store, ada, bea) == may_write(store, bea, ada) == (friends and not blocked)
        sent = commit_patiently(store, [scene.draft(ada, Kind.SINGLE, bea)])
        assert bool(errors(sent)) != (friends and not blocked)


def test_nobody_owns_more_communities_than_allowed(scene: Scene, nodes: tuple[Store, Store]) -> None:
    limit = 3
    for n in range(ROUNDS):
        ada, bea = scene.users(2)
        rooms = [scene.community(bea, ada) for _ in range(3)]
        creating: list[Callable[[], object]] = [
            partial(node.communities.create, NewCommunity(ada, f"new {n} {place}"), limit)
            for place, node in enumerate(nodes * 2)
        ]
        handing = [
            rule(nodes[place % 2], room, community_rules.transfer, bea, ada, limit) for place, room in enumerate(rooms)
        ]
        found = raced(*creating, *handing)
        assert errors(found) == [LimitReached] * 4
        owned = [one for one in scene.store.communities.of_user(ada) if one.owner_id == ada]
        assert len(owned) == limit


def test_a_name_is_given_to_one_community(scene: Scene, nodes: tuple[Store, Store]) -> None:
    for n in range(ROUNDS):
        ada = scene.user()
        room = scene.community(ada)
        calls: list[Callable[[], object]] = [
            partial(node.communities.create, NewCommunity(ada, f"name {n}"), 100) for node in nodes * 2
        ]
        calls += [rule(node, room, community_rules.update, ada, {"name": f"name {n}"}) for node in nodes]
        found = raced(*calls)
        named = scene.store.communities.by_name(f"name {n}", ada)
        assert named is not None
        # The two who rename the same one are of one mind.
        assert errors(found) == [Conflict] * (4 if named.community_id == room else 5)


def test_comings_and_goings_keep_the_books(scene: Scene, nodes: tuple[Store, Store]) -> None:
    rules = community_rules
    for n in range(ROUNDS):
        owner, admin, one, two, new = people = scene.users(5)
        room = scene.community(owner, admin, one, two)
        a, b = nodes
        rule(a, room, rules.set_role, owner, admin, Role.ADMIN)()
        found: list[object] = raced(
            rule(a, room, rules.leave, one),
            rule(b, room, rules.kick, admin, one),
            rule(a, room, rules.kick, owner, two),
            rule(b, room, rules.join, two, ""),
            rule(a, room, rules.join, new, ""),
            rule(b, room, rules.join, new, ""),
            rule(a, room, rules.set_role, owner, admin, Role.MEMBER),
        )
        assert set(errors(found)) <= {NotFound, NotAllowed}
        members = require_books(scene, room, people)
        assert members - {two} == {owner, admin, new}, n
        messages = scene.seen(owner, Kind.COMMUNITY, room)
        assert [message.seq for message in messages] == list(range(1, len(messages) + 1))


def test_a_request_to_join_is_answered_once(scene: Scene, nodes: tuple[Store, Store]) -> None:
    for _ in range(ROUNDS):
        owner, new = scene.users(2)
        room = scene.community(owner)
        scene.change(room, lambda tx: tx.set_community(policy=Policy.APPROVAL))
        rule(nodes[0], room, community_rules.join, new, "")()
        found: list[object] = raced(
            *(
                rule(node, room, community_rules.answer, owner, new, approve)
                for node in nodes
                for approve in (True, False)
            )
        )
        assert errors(found) == [NotFound] * 3
        assert scene.store.communities.requests(room) == ()
        require_books(scene, room, (owner, new))


def test_a_community_ends_for_all_or_for_nobody(scene: Scene, nodes: tuple[Store, Store]) -> None:
    rules = community_rules
    for _ in range(ROUNDS):
        owner, heir, new = scene.users(3)
        room = scene.community(owner, heir)
        a, b = nodes
        found: list[object] = raced(
            rule(a, room, rules.dissolve, owner),
            rule(b, room, rules.transfer, owner, heir, 5),
            rule(a, room, rules.join, new, ""),
            rule(b, room, rules.leave, heir),
        )
        assert set(errors(found)) <= {NotFound, NotAllowed, LimitReached}
        community = scene.store.communities.get(room, owner)
        if community is None:
            assert [scene.store.communities.of_user(one) for one in (owner, heir, new)] == [(), (), ()]
        else:
            assert community.owner_id == heir
            require_books(scene, room, (owner, heir, new))


def test_two_changes_of_a_profile_are_both_made(scene: Scene, nodes: tuple[Store, Store]) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    for n in range(ROUNDS):
        found: list[object] = raced(
            partial(nodes[0].users.update, ada, {"nickname": f"ada {n}"}),
            partial(nodes[1].users.update, ada, {"memo": f"memo {n}"}),
            partial(nodes[0].users.set_admin, ada, n % 2 == 0),
            partial(nodes[1].contacts.remark, bea, ada, f"remark {n}"),
        )
        assert not errors(found)
        user = scene.store.users.get(ada)
        assert user is not None
        assert (user.nickname, user.memo, user.is_admin) == (f"ada {n}", f"memo {n}", n % 2 == 0)
        assert scene.shown(bea, Kind.SINGLE, ada).title == f"remark {n}"
