"""Ranks and what they allow: leaving, removing, promoting, handing over, silencing, dissolving; also all at once."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from imtornado.errors import BadParameter, LimitReached, NotAllowed, NotFound
from imtornado.records import Role
from tests.services.world import World, at_once, outcome

MINUTE_S = 60


class Cast:
    """A community with one person of every standing towards it, and a member to act upon."""

    def __init__(self, world: World) -> None:
        self.owner, self.admin, self.other_admin, self.member, self.target = world.users(5)
        self.ex, self.stranger = world.users(2)
        self.community = world.community(self.owner, self.admin, self.other_admin, self.member, self.target, self.ex)
        for admin in (self.admin, self.other_admin):
            world.memberships.set_role(self.owner, self.community, admin, Role.ADMIN)
        world.memberships.leave(self.ex, self.community)


Act = Callable[[World, Cast, int], object]
ACTS: dict[str, Act] = {
    "kick": lambda w, c, who: w.memberships.kick(who, c.community, c.target),
    "kick admin": lambda w, c, who: w.memberships.kick(who, c.community, c.other_admin),
    "kick owner": lambda w, c, who: w.memberships.kick(who, c.community, c.owner),
    "kick himself": lambda w, c, who: w.memberships.kick(who, c.community, who),
    "promote": lambda w, c, who: w.memberships.set_role(who, c.community, c.target, Role.ADMIN),
    "demote": lambda w, c, who: w.memberships.set_role(who, c.community, c.other_admin, Role.MEMBER),
    "demote owner": lambda w, c, who: w.memberships.set_role(who, c.community, c.owner, Role.MEMBER),
    "transfer": lambda w, c, who: w.memberships.transfer(who, c.community, c.target),
    "silence": lambda w, c, who: w.memberships.silence(who, c.community, c.target, MINUTE_S),
    "silence admin": lambda w, c, who: w.memberships.silence(who, c.community, c.other_admin, MINUTE_S),
    "silence owner": lambda w, c, who: w.memberships.silence(who, c.community, c.owner, MINUTE_S),
    "silence all": lambda w, c, who: w.memberships.silence(who, c.community, None, MINUTE_S),
    "lift all": lambda w, c, who: w.memberships.silence(who, c.community, None, 0),
    "leave": lambda w, c, who: w.memberships.leave(who, c.community),
    "dissolve": lambda w, c, who: w.memberships.dissolve(who, c.community),
    "update": lambda w, c, who: w.communities.update(who, c.community, {"memo": "new"}),
    "announce": lambda w, c, who: w.communities.announce(who, c.community, "news"),
    "requests": lambda w, c, who: w.admissions.requests(who, c.community),
    "create link": lambda w, c, who: w.admissions.create_link(who, c.community, 1),
    "revoke links": lambda w, c, who: w.admissions.revoke_links(who, c.community),
    "members": lambda w, c, who: w.communities.members(who, c.community, 0, 10),
    "invite nobody": lambda w, c, who: w.admissions.invite(who, c.community, ()),
}
# who: what comes of it for (member, admin, owner); outside it is always NotFound
RIGHTS: dict[str, tuple[str, str, str]] = {
    "kick": ("NotAllowed", "ok", "ok"),
    "kick admin": ("NotAllowed", "NotAllowed", "ok"),
    "kick owner": ("NotAllowed", "NotAllowed", "NotAllowed"),
    "kick himself": ("NotAllowed", "NotAllowed", "NotAllowed"),
    "promote": ("NotAllowed", "NotAllowed", "ok"),
    "demote": ("NotAllowed", "NotAllowed", "ok"),
    "demote owner": ("NotAllowed", "NotAllowed", "NotAllowed"),
    "transfer": ("NotAllowed", "NotAllowed", "ok"),
    "silence": ("NotAllowed", "ok", "ok"),
    "silence admin": ("NotAllowed", "NotAllowed", "ok"),
    "silence owner": ("NotAllowed", "NotAllowed", "NotAllowed"),
    "silence all": ("NotAllowed", "ok", "ok"),
    "lift all": ("NotAllowed", "ok", "ok"),
    "leave": ("ok", "ok", "LimitReached"),
    "dissolve": ("NotAllowed", "NotAllowed", "ok"),
    "update": ("NotAllowed", "ok", "ok"),
    "announce": ("NotAllowed", "ok", "ok"),
    "requests": ("NotAllowed", "ok", "ok"),
    "create link": ("NotAllowed", "ok", "ok"),
    "revoke links": ("NotAllowed", "ok", "ok"),
    "members": ("ok", "ok", "ok"),
    "invite nobody": ("ok", "ok", "ok"),
}


def roles(world: World, community_id: int) -> dict[int, Role]:
    return {one.user.user_id: one.role for one in world.store.communities.members(community_id, 0, 100)}


@pytest.mark.parametrize("act", ACTS)
def test_rank_decides_and_outside_there_is_nothing(world: World, act: str) -> None:
    assert ACTS.keys() == RIGHTS.keys()
    for standing, expected in zip(("member", "admin", "owner"), RIGHTS[act], strict=True):
        cast = Cast(world)
        before = roles(world, cast.community), world.communities.info(cast.owner, cast.community)
        position = world.position()
        for outsider in (cast.stranger, cast.ex):
            assert outcome(ACTS[act], world, cast, outsider) == "NotFound"
        result = outcome(ACTS[act], world, cast, getattr(cast, standing))
        assert result == expected, standing
        if expected != "ok":
            after = roles(world, cast.community), world.communities.info(cast.owner, cast.community)
            assert after == before, "a refused act changed something"
            assert world.told(position) == []


@pytest.mark.parametrize("act", ACTS)
def test_unknown_and_dissolved_communities_look_like_foreign_ones(world: World, act: str) -> None:
    cast = Cast(world)
    foreign = _refusal(ACTS[act], world, cast, cast.stranger)
    world.memberships.dissolve(cast.owner, cast.community)
    for who in (cast.owner, cast.admin, cast.member, cast.stranger):
        assert _refusal(ACTS[act], world, cast, who) == foreign
    cast.community = 2**53 - 1
    assert _refusal(ACTS[act], world, cast, cast.stranger) == foreign


def _refusal(act: Act, world: World, cast: Cast, who: int) -> tuple[int, str, str]:
    with pytest.raises(NotFound) as refused:
        act(world, cast, who)
    return refused.value.code, refused.value.sentence, refused.value.field


@pytest.mark.parametrize("target", ["stranger", "ex", "unknown"])
def test_only_present_members_can_be_acted_upon(world: World, target: str) -> None:
    cast = Cast(world)
    target_id = 2**53 - 1 if target == "unknown" else getattr(cast, target)
    calls: list[Callable[[], object]] = [
        partial(world.memberships.kick, cast.owner, cast.community, target_id),
        partial(world.memberships.set_role, cast.owner, cast.community, target_id, Role.ADMIN),
        partial(world.memberships.transfer, cast.owner, cast.community, target_id),
        partial(world.memberships.silence, cast.owner, cast.community, target_id, MINUTE_S),
    ]
    for call in calls:
        with pytest.raises(NotFound) as refused:
            call()
        assert refused.value.field == "memberid"


def test_whoever_leaves_is_out_and_all_are_told(world: World) -> None:
    cast = Cast(world)
    position = world.position()
    world.memberships.leave(cast.member, cast.community)
    assert cast.member not in world.ids(cast.community)
    assert (cast.member, "community.left", {"dstid": cast.community}) in world.told(position)
    for reader in (cast.owner, cast.member):  # his own leaving is the last thing that he sees
        last = world.lines(cast.community, reader)[-1]
        assert (last["kind"], last["userids"], last["by"]) == ("left", [cast.member], cast.member)
    with pytest.raises(NotFound):
        world.memberships.leave(cast.member, cast.community)


def test_the_owner_cannot_leave_and_is_told_what_to_do(world: World) -> None:
    cast = Cast(world)
    with pytest.raises(LimitReached, match=r"Hand it over .* or dissolve it"):
        world.memberships.leave(cast.owner, cast.community)
    world.memberships.transfer(cast.owner, cast.community, cast.member)
    world.memberships.leave(cast.owner, cast.community)
    assert cast.owner not in world.ids(cast.community)


def test_a_kicked_member_is_out_told_and_sees_no_more(world: World) -> None:
    cast = Cast(world)
    position = world.position()
    world.memberships.kick(cast.admin, cast.community, cast.target)
    assert (cast.target, "community.kicked", {"dstid": cast.community}) in world.told(position)
    world.say(cast.owner, cast.community)
    assert world.lines(cast.community, cast.target)[-1]["kind"] == "kicked"
    page = world.store.conversations.history(cast.target, 11, cast.community, None, None, 100)
    assert "hello" not in [message.content for message in page.messages]
    with pytest.raises(NotFound):
        world.memberships.kick(cast.admin, cast.community, cast.target)


def test_who_was_kicked_cannot_write_any_more(world: World) -> None:
    cast = Cast(world)
    world.say(cast.target, cast.community)
    world.memberships.kick(cast.admin, cast.community, cast.target)
    assert outcome(world.say, cast.target, cast.community) == "NotMember"


def test_an_admin_who_was_kicked_comes_back_as_a_member(world: World) -> None:
    cast = Cast(world)
    world.memberships.kick(cast.owner, cast.community, cast.admin)
    world.admissions.join(cast.admin, cast.community, "")
    assert world.role(cast.community, cast.admin) == Role.MEMBER


def test_roles_change_once_with_one_line(world: World) -> None:
    cast = Cast(world)
    for role, name in ((Role.ADMIN, "admin"), (Role.ADMIN, None), (Role.MEMBER, "member"), (Role.MEMBER, None)):
        count = len(world.lines(cast.community, cast.owner))
        world.memberships.set_role(cast.owner, cast.community, cast.target, role)
        assert world.role(cast.community, cast.target) == role
        said = world.lines(cast.community, cast.owner)[count:]
        assert [(line["kind"], line["userids"], line["role"]) for line in said] == (
            [("role", [cast.target], name)] if name else []
        )


def test_after_a_transfer_the_old_owner_is_an_admin(world: World) -> None:
    cast = Cast(world)
    position = world.position()
    world.memberships.transfer(cast.owner, cast.community, cast.target)
    assert world.role(cast.community, cast.owner) == Role.ADMIN
    assert world.role(cast.community, cast.target) == Role.OWNER
    assert world.communities.info(cast.target, cast.community).owner_id == cast.target
    assert (0, "community.updated", {"dstid": cast.community}) in world.told(position)
    with pytest.raises(NotAllowed):
        world.memberships.dissolve(cast.owner, cast.community)
    with pytest.raises(BadParameter):
        world.memberships.transfer(cast.target, cast.community, cast.target)


def test_a_transfer_counts_what_the_other_owns(world: World) -> None:
    cast = Cast(world)
    for _ in range(5):
        world.community(cast.target)
    with pytest.raises(LimitReached):
        world.memberships.transfer(cast.owner, cast.community, cast.target)
    assert world.role(cast.community, cast.owner) == Role.OWNER
    world.memberships.dissolve(cast.target, world.owned(cast.target)[0])
    world.memberships.transfer(cast.owner, cast.community, cast.target)
    assert len(world.owned(cast.target)) == 5


def test_transfers_to_one_member_at_once_stop_at_five(world: World) -> None:
    heir = world.user()
    handed_over = [(owner, world.community(owner, heir)) for owner in world.users(12)]
    outcomes = at_once(
        [partial(world.memberships.transfer, owner, community, heir) for owner, community in handed_over]
    )
    assert sorted(outcomes) == ["LimitReached"] * 7 + ["ok"] * 5
    assert len(world.owned(heir)) == 5


def test_transfers_and_creations_at_once_stop_at_five(world: World) -> None:
    heir = world.user()
    handed_over = [(owner, world.community(owner, heir)) for owner in world.users(8)]
    outcomes = at_once(
        [partial(world.memberships.transfer, owner, community, heir) for owner, community in handed_over]
        + [partial(world.communities.create, heir, f"own {number}") for number in range(8)]
    )
    assert outcomes.count("ok") == 5
    assert set(outcomes) == {"ok", "LimitReached"}
    assert len(world.owned(heir)) == 5


def test_of_two_transfers_at_once_one_wins(world: World) -> None:
    for _ in range(5):
        cast = Cast(world)
        outcomes = at_once(
            [partial(world.memberships.transfer, cast.owner, cast.community, to) for to in (cast.member, cast.target)]
        )
        assert sorted(outcomes) == ["NotAllowed", "ok"]
        assert list(roles(world, cast.community).values()).count(Role.OWNER) == 1


def test_a_silenced_member_cannot_write_until_it_is_lifted(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.admin, cast.community, cast.target, MINUTE_S)
    assert outcome(world.say, cast.target, cast.community) == "Silenced"
    assert outcome(world.say, cast.member, cast.community) == "ok"
    line = world.lines(cast.community, cast.target)[-1]
    assert (line["kind"], line["userids"], line["by"]) == ("silenced", [cast.target], cast.admin)
    assert line["until"].endswith("Z")
    world.memberships.silence(cast.admin, cast.community, cast.target, 0)
    assert outcome(world.say, cast.target, cast.community) == "ok"
    assert world.lines(cast.community, cast.target)[-1]["kind"] == "unsilenced"


def test_leaving_and_coming_back_does_not_lift_a_silence(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.admin, cast.community, cast.target, MINUTE_S)
    world.memberships.leave(cast.target, cast.community)
    world.admissions.join(cast.target, cast.community, "")
    assert outcome(world.say, cast.target, cast.community) == "Silenced"


def test_a_silence_of_all_is_not_taken_along(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.admin, cast.community, None, MINUTE_S)
    world.memberships.leave(cast.target, cast.community)
    world.memberships.silence(cast.admin, cast.community, None, 0)
    world.admissions.join(cast.target, cast.community, "")
    assert outcome(world.say, cast.target, cast.community) == "ok"


def test_a_short_silence_of_his_own_does_not_shorten_that_of_all(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.admin, cast.community, cast.target, MINUTE_S)
    world.memberships.silence(cast.admin, cast.community, None, 60 * MINUTE_S)
    world.memberships.leave(cast.target, cast.community)
    world.admissions.join(cast.target, cast.community, "")
    world.store.clock.at_least(world.store.clock.now_ms() + 2 * MINUTE_S * 1000)
    assert outcome(world.say, cast.target, cast.community) == "Silenced"


def test_silence_for_all_spares_admins_and_meets_newcomers(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.admin, cast.community, None, MINUTE_S)
    assert world.communities.info(cast.member, cast.community).all_silenced
    world.admissions.join(cast.stranger, cast.community, "")
    for silenced in (cast.member, cast.target, cast.stranger):
        assert outcome(world.say, silenced, cast.community) == "Silenced"
    for heard in (cast.owner, cast.admin):
        assert outcome(world.say, heard, cast.community) == "ok"

    world.memberships.set_role(cast.owner, cast.community, cast.member, Role.ADMIN)
    assert outcome(world.say, cast.member, cast.community) == "ok"
    world.memberships.set_role(cast.owner, cast.community, cast.member, Role.MEMBER)
    assert outcome(world.say, cast.member, cast.community) == "Silenced"

    world.memberships.silence(cast.admin, cast.community, None, 0)
    assert not world.communities.info(cast.member, cast.community).all_silenced
    for heard in (cast.member, cast.target, cast.stranger):
        assert outcome(world.say, heard, cast.community) == "ok"


def test_a_new_owner_can_speak_although_he_was_silenced(world: World) -> None:
    cast = Cast(world)
    world.memberships.silence(cast.owner, cast.community, cast.target, MINUTE_S)
    world.memberships.transfer(cast.owner, cast.community, cast.target)
    assert outcome(world.say, cast.target, cast.community) == "ok"


def test_dissolving_ends_it_for_everybody_and_frees_name_and_limit(world: World) -> None:
    owner, member, stranger = world.users(3)
    community = world.community(owner, member, name="phoenix")
    position = world.position()
    world.memberships.dissolve(owner, community)
    assert (0, "community.dissolved", {"dstid": community}) in world.told(position)
    assert world.owned(owner) == []
    assert outcome(world.say, member, community) == "NotMember"
    assert outcome(world.admissions.join, stranger, community, "") == "NotFound"
    assert world.communities.create(stranger, "phoenix").community_id != community


def test_join_leave_and_kick_at_once_leave_a_whole_state(world: World) -> None:
    cast = Cast(world)
    for _ in range(10):
        outcomes = at_once(
            [
                lambda: world.admissions.join(cast.target, cast.community, ""),
                lambda: world.memberships.leave(cast.target, cast.community),
                lambda: world.memberships.kick(cast.owner, cast.community, cast.target),
                lambda: world.memberships.set_role(cast.owner, cast.community, cast.target, Role.ADMIN),
                lambda: world.admissions.join(cast.target, cast.community, ""),
            ]
        )
        assert set(outcomes) <= {"ok", "NotFound"}
        inside = cast.target in world.ids(cast.community)
        assert (outcome(world.say, cast.target, cast.community) == "ok") is inside
        info = world.communities.info(cast.owner, cast.community)
        assert info.member_count == len(world.ids(cast.community))
        assert (world.role(cast.community, cast.target) is not None) is inside
    kinds = [line["kind"] for line in world.lines(cast.community, cast.owner) if line["userids"] == [cast.target]]
    moves = [kind for kind in kinds if kind in ("joined", "left", "kicked")]
    assert all((one == "joined") != (two == "joined") for one, two in pairwise(moves))


@pytest.mark.parametrize("act", ["kick", "silence", "silence all", "update", "announce"])
def test_an_admin_demoted_on_the_way_changes_nothing(world: World, act: str) -> None:
    cast = Cast(world)
    world.before_commit = partial(world.memberships.set_role, cast.owner, cast.community, cast.admin, Role.MEMBER)
    assert outcome(ACTS[act], world, cast, cast.admin) == "NotAllowed"
    assert world.lines(cast.community, cast.owner)[-1]["kind"] == "role"


@pytest.mark.parametrize("act", sorted(ACTS.keys() - {"requests", "create link", "revoke links", "members"}))
def test_who_was_kicked_on_the_way_is_a_stranger(world: World, act: str) -> None:
    cast = Cast(world)
    world.before_commit = partial(world.memberships.kick, cast.owner, cast.community, cast.admin)
    assert outcome(ACTS[act], world, cast, cast.admin) == "NotFound"


def test_a_demotion_that_committed_first_stops_the_admin(world: World) -> None:
    for _ in range(10):
        cast = Cast(world)
        outcomes = at_once(
            [
                lambda: world.memberships.set_role(cast.owner, cast.community, cast.admin, Role.MEMBER),  # noqa: B023
                lambda: world.memberships.kick(cast.admin, cast.community, cast.target),  # noqa: B023
            ]
        )
        assert outcomes[0] == "ok"
        kinds = [line["kind"] for line in world.lines(cast.community, cast.owner)][-2:]
        assert kinds == (["kicked", "role"] if outcomes[1] == "ok" else [kinds[0], "role"])
        assert (cast.target in world.ids(cast.community)) is (outcomes[1] != "ok")
