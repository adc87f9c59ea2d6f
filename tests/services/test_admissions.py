"""Getting into a community: by asking, by name, by a friend's hand, by a link."""

from collections.abc import Callable
from functools import partial

import pytest

from imtornado.drafts import Change
from imtornado.errors import LimitReached, NotAllowed, NotFound, NotFriends
from imtornado.records import Kind, Policy, Role, Ticket, conversation_key
from imtornado.services import community_rules
from imtornado.services.accounts import token_hash
from tests.services.world import World, at_once


def requests(world: World, admin_id: int, community_id: int) -> list[tuple[int, str]]:
    return [(request.user.user_id, request.memo) for request in world.admissions.requests(admin_id, community_id)]


def test_an_open_community_lets_anybody_in_once(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, name="open house")
    position = world.position()
    seen, inside = world.admissions.join_by_name(guest, "open house", "")
    assert (seen.community_id, seen.role, seen.member_count, inside) == (community, Role.MEMBER, 2, True)
    assert (guest, "community.joined", {"dstid": community}) in world.told(position)
    line = world.lines(community, guest)[-1]
    assert (line["kind"], line["userids"], line["by"]) == ("joined", [guest], guest)

    count = len(world.lines(community, owner))
    assert world.admissions.join(guest, community, "")[1] is True
    assert len(world.lines(community, owner)) == count, "coming twice is said once"


def test_joining_twenty_times_at_once_is_said_once(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner)
    assert at_once([lambda: world.admissions.join(guest, community, "")] * 20) == ["ok"] * 20
    assert [line["kind"] for line in world.lines(community, owner)].count("joined") == 1
    assert world.communities.info(owner, community).member_count == 2


@pytest.mark.parametrize("name", ["nowhere", "Open House", "open  house", "open", "%", ""])
def test_a_name_is_exact(world: World, name: str) -> None:
    owner, guest = world.users(2)
    world.community(owner, name="open house")
    with pytest.raises(NotFound):
        world.admissions.join_by_name(guest, name, "")


def test_approval_makes_a_request_that_the_admins_hear_of(world: World) -> None:
    owner, admin, member, guest = world.users(4)
    community = world.community(owner, admin, member, policy=Policy.APPROVAL)
    world.memberships.set_role(owner, community, admin, Role.ADMIN)
    position = world.position()
    seen, inside = world.admissions.join(guest, community, "let me in")
    assert (seen.role, inside) == (None, False)
    told = [event for event in world.told(position) if event[1] == "community.request"]
    assert sorted(told) == [
        (who, "community.request", {"dstid": community, "userid": guest}) for who in sorted((owner, admin))
    ]
    assert requests(world, admin, community) == [(guest, "let me in")]

    position = world.position()
    assert world.admissions.join(guest, community, "again")[1] is False
    assert world.told(position) == [], "asking again disturbs nobody"
    assert guest not in world.ids(community)


def test_approved_is_inside_and_the_request_is_gone(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.APPROVAL)
    world.admissions.join(guest, community, "")
    world.admissions.answer(owner, community, guest, approve=True)
    assert guest in world.ids(community)
    assert requests(world, owner, community) == []
    line = world.lines(community, guest)[-1]
    assert (line["kind"], line["userids"], line["by"]) == ("joined", [guest], owner)
    with pytest.raises(NotFound):
        world.admissions.answer(owner, community, guest, approve=True)


def test_turned_down_is_outside_and_may_ask_again(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.APPROVAL)
    for _ in range(2):
        world.admissions.join(guest, community, "")
        world.admissions.answer(owner, community, guest, approve=False)
        assert guest not in world.ids(community)
        assert requests(world, owner, community) == []


def test_approved_and_turned_down_at_once_is_one_of_both(world: World) -> None:
    owner = world.user()
    community = world.community(owner, policy=Policy.APPROVAL)
    for guest in world.users(8):
        world.admissions.join(guest, community, "")
        outcomes = at_once(
            [
                partial(world.admissions.answer, owner, community, guest, approve=approve)
                for approve in (True, False, True)
            ]
        )
        assert sorted(outcomes) == ["NotFound", "NotFound", "ok"]
        assert (guest in world.ids(community)) is (outcomes[1] != "ok")


def test_members_and_outsiders_answer_no_requests(world: World) -> None:
    owner, member, guest, other = world.users(4)
    community = world.community(owner, member, policy=Policy.APPROVAL)
    world.admissions.join(guest, community, "")
    for who, error in ((member, NotAllowed), (other, NotFound), (guest, NotFound)):
        for approve in (True, False):
            with pytest.raises(error):
                world.admissions.answer(who, community, guest, approve=approve)
    with pytest.raises(NotFound):
        world.admissions.answer(owner, community, other, approve=True)
    assert requests(world, owner, community) == [(guest, "")]


def test_by_invitation_only_means_it(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.INVITE, name="closed")
    calls: list[Callable[[], object]] = [
        partial(world.admissions.join, guest, community, ""),
        partial(world.admissions.join_by_name, guest, "closed", ""),
    ]
    for call in calls:
        with pytest.raises(NotAllowed):
            call()
    assert world.ids(community) == [owner]


@pytest.mark.parametrize(
    ("policy", "by", "added"),
    [
        (Policy.OPEN, "member", True),
        (Policy.APPROVAL, "member", False),
        (Policy.INVITE, "member", False),
        (Policy.APPROVAL, "admin", True),
        (Policy.INVITE, "owner", True),
    ],
)
def test_friends_are_let_in_or_wait_for_approval(world: World, policy: Policy, by: str, added: bool) -> None:
    people = dict(zip(("owner", "admin", "member"), world.users(3), strict=True))
    one, two = world.users(2)
    community = world.community(people["owner"], people["admin"], people["member"], policy=policy)
    world.memberships.set_role(people["owner"], community, people["admin"], Role.ADMIN)
    host = people[by]
    world.befriend(host, one, two, *(person for person in people.values() if person != host))

    inside = people["owner" if by == "admin" else "admin"]
    result = world.admissions.invite(host, community, (one, two, one, inside))
    assert result == (([one, two], []) if added else ([], [one, two]))
    assert ({one, two} <= set(world.ids(community))) is added
    assert [user_id for user_id, _ in requests(world, people["owner"], community)] == ([] if added else [one, two])
    if added:
        line = world.lines(community, one)[-1]
        assert (line["kind"], line["userids"], line["by"]) == ("joined", [one, two], host)


def test_only_friends_can_be_invited_and_all_or_none(world: World) -> None:
    owner, friend, stranger = world.users(3)
    community = world.community(owner)
    world.befriend(owner, friend)
    for invited in ((stranger,), (friend, stranger), (friend, 2**53 - 1), (owner,)):
        with pytest.raises(NotFriends):
            world.admissions.invite(owner, community, invited)
    assert world.ids(community) == [owner]


def test_who_blocked_the_host_is_left_alone_without_a_sign(world: World) -> None:
    owner, friend, shy = world.users(3)
    community = world.community(owner)
    world.befriend(owner, friend, shy)
    world.contacts.block(shy, owner)
    assert world.admissions.invite(owner, community, (friend, shy)) == ([friend], [shy])
    assert world.ids(community) == [owner, friend]
    assert requests(world, owner, community) == []


def test_outsiders_cannot_invite(world: World) -> None:
    owner, ex, stranger, friend = world.users(4)
    community = world.community(owner, ex)
    world.memberships.leave(ex, community)
    for who in (ex, stranger):
        world.befriend(who, friend)
        with pytest.raises(NotFound):
            world.admissions.invite(who, community, (friend,))
    assert friend not in world.ids(community)


@pytest.mark.parametrize("policy", Policy)
def test_a_link_opens_every_door_for_any_number_of_guests(world: World, policy: Policy) -> None:
    owner, one, two = world.users(3)
    community = world.community(owner, policy=policy)
    token, expires_at_ms = world.admissions.create_link(owner, community, 2)
    assert expires_at_ms - world.store.clock.now_ms() > 7_100_000
    for guest in (one, two, one):
        seen, inside = world.admissions.join_by_link(guest, token)
        assert (seen.community_id, seen.role, inside) == (community, Role.MEMBER, True)
    assert world.ids(community) == [owner, one, two]


def test_a_link_ends_when_it_is_revoked_expired_or_made_up(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.INVITE)
    revoked, _ = world.admissions.create_link(owner, community, 1)
    assert world.admissions.revoke_links(owner, community) == 1
    assert world.admissions.revoke_links(owner, community) == 0
    expired, expires_at_ms = world.admissions.create_link(owner, community, 1)
    world.store.clock.at_least(expires_at_ms)
    for token in (revoked, expired, "", "x" * 43, revoked[:-1]):
        with pytest.raises(NotFound) as refused:
            world.admissions.join_by_link(guest, token)
        assert refused.value.field == "invite"
    assert world.ids(community) == [owner]


def test_a_link_revoked_while_its_guest_is_on_the_way_lets_nobody_in(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.INVITE)
    token, _ = world.admissions.create_link(owner, community, 1)
    world.before_commit = partial(world.admissions.revoke_links, owner, community)
    with pytest.raises(NotFound):
        world.admissions.join_by_link(guest, token)
    assert world.ids(community) == [owner]


def test_revoking_leaves_other_communities_links_alone(world: World) -> None:
    owner, guest = world.users(2)
    community, other = world.community(owner), world.community(owner)
    world.admissions.create_link(owner, community, 1)
    kept, _ = world.admissions.create_link(owner, other, 1)
    world.admissions.revoke_links(owner, community)
    world.admissions.join_by_link(guest, kept)
    assert guest in world.ids(other)


@pytest.mark.parametrize("end", ["demoted", "kicked", "left", "dissolved"])
def test_a_link_ends_with_the_rank_of_its_maker(world: World, end: str) -> None:
    owner, admin, guest = world.users(3)
    community = world.community(owner, admin, policy=Policy.INVITE)
    world.memberships.set_role(owner, community, admin, Role.ADMIN)
    token, _ = world.admissions.create_link(admin, community, 1)
    if end == "demoted":
        world.memberships.set_role(owner, community, admin, Role.MEMBER)
    elif end == "kicked":
        world.memberships.kick(owner, community, admin)
    elif end == "left":
        world.memberships.leave(admin, community)
    else:
        world.memberships.dissolve(owner, community)
    with pytest.raises(NotFound):
        world.admissions.join_by_link(guest, token)
    assert world.role(community, guest) is None


def test_a_ticket_for_something_else_opens_no_community(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner)
    for purpose in ("password", "registration"):
        ticket = Ticket(purpose, community, owner, world.store.clock.now_ms() + 60_000)
        world.store.tickets.create(token_hash(purpose), ticket)
        with pytest.raises(NotFound):
            world.admissions.join_by_link(guest, purpose)
    assert world.role(community, guest) is None


def test_a_link_opens_its_own_community_only(world: World) -> None:
    owner, guest = world.users(2)
    community, other = world.community(owner), world.community(owner, policy=Policy.INVITE)
    token, _ = world.admissions.create_link(owner, community, 1)
    rule = partial(community_rules.join, user_id=guest, memo="", link=token_hash(token))
    with pytest.raises(NotFound):
        world.commit(Change(key=conversation_key(Kind.COMMUNITY, 0, other), apply=rule))
    assert world.ids(other) == [owner]


def test_an_open_request_ends_when_its_maker_gets_in_otherwise(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner, policy=Policy.APPROVAL)
    world.admissions.join(guest, community, "please")
    token, _ = world.admissions.create_link(owner, community, 1)
    world.admissions.join_by_link(guest, token)
    assert requests(world, owner, community) == []


def test_who_enters_sees_nothing_of_before(world: World) -> None:
    owner, guest = world.users(2)
    community = world.community(owner)
    world.say(owner, community, "before he came")
    world.admissions.join(guest, community, "")
    page = world.store.conversations.history(guest, 11, community, None, None, 100)
    assert [message.content for message in page.messages if message.media == 1] == []
    world.say(guest, community, "I am here")


def test_a_full_shelf_does_not_stop_anybody_from_joining(world: World) -> None:
    owner, collector = world.users(2)
    for _ in range(5):
        world.community(collector)
    with pytest.raises(LimitReached):
        world.community(collector)
    assert world.admissions.join(collector, world.community(owner), "")[1] is True
