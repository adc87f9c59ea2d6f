"""How people get into a community: by asking, by a friend's hand, by a link, by an admin's approval."""

from collections.abc import Sequence

from imtornado.errors import NotFound, NotFriends
from imtornado.records import Community, JoinRequest, Role, Ticket
from imtornado.services import community_rules
from imtornado.services.accounts import new_token, token_hash
from imtornado.services.community_changes import CommunityChanges
from imtornado.services.community_rules import INVITATION
from storage.store import Store

HOUR_MS = 3_600_000


class Admissions:
    """Every method takes the acting user first and runs on a worker thread.

    Raises, everywhere: NotFound (no such community, or the actor is not in it: both look alike), NotAllowed (his
    rank), Busy.
    """

    def __init__(self, store: Store, changes: CommunityChanges) -> None:
        self._store = store
        self._changes = changes

    def join(self, user_id: int, community_id: int, memo: str) -> tuple[Community, bool]:
        """The community, and True: he is inside; False: he waits for approval.

        Raises: NotAllowed (by invitation only).
        """
        return self._join(user_id, community_id, memo)

    def join_by_name(self, user_id: int, name: str, memo: str) -> tuple[Community, bool]:
        """As `join`, by the exact name."""
        community = self._store.communities.by_name(name, user_id)
        if community is None:
            raise NotFound("There is no such community.", field="dstname")
        return self._join(user_id, community.community_id, memo)

    def join_by_link(self, user_id: int, token: str) -> tuple[Community, bool]:
        """As `join`, whatever the policy.

        Raises: NotFound (unknown, expired, revoked, or its maker is no admin now).
        """
        link = token_hash(token)
        ticket = self._store.tickets.find(link, INVITATION)
        if ticket is None:
            raise NotFound("This invitation is not valid any more.", field="invite")
        return self._join(user_id, ticket.subject_id, "", link)

    def invite(self, user_id: int, community_id: int, friend_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """(ids let in now, ids waiting for approval). Raises: NotFriends, before anybody is let in.

        A friend who has blocked the actor is left alone, which must not be noticed: he seems to wait for approval.
        """
        friends = {friend.user.user_id for friend in self._store.contacts.friends(user_id)}
        if not friends.issuperset(friend_ids):
            raise NotFriends("You can invite your friends only.", field="userids")
        outside = [one for one in dict.fromkeys(friend_ids) if self._store.communities.role(community_id, one) is None]
        shut = [friend_id for friend_id in outside if self._has_blocked(friend_id, user_id)]
        invited = [friend_id for friend_id in outside if friend_id not in shut]
        added, waiting = self._changes.run(community_id, lambda tx: community_rules.invite(tx, user_id, invited))
        return added, waiting + shut

    def create_link(self, user_id: int, community_id: int, hours: int) -> tuple[str, int]:
        """The token of a new link for any number of guests, and the epoch milliseconds at which it expires."""
        self._as_admin(user_id, community_id)
        token = new_token()
        expires_at_ms = self._store.clock.now_ms() + hours * HOUR_MS
        self._store.tickets.create(token_hash(token), Ticket(INVITATION, community_id, user_id, expires_at_ms))
        return token, expires_at_ms

    def revoke_links(self, user_id: int, community_id: int) -> int:
        """How many links were open and are not any more."""
        self._as_admin(user_id, community_id)
        return self._store.tickets.revoke(INVITATION, community_id)

    def requests(self, user_id: int, community_id: int) -> tuple[JoinRequest, ...]:
        """Open requests, oldest first."""
        self._as_admin(user_id, community_id)
        return self._store.communities.requests(community_id)

    def answer(self, user_id: int, community_id: int, asker_id: int, *, approve: bool) -> None:
        """Lets somebody in who asked, or not. Raises: NotFound (no open request of his)."""
        self._changes.run(community_id, lambda tx: community_rules.answer(tx, user_id, asker_id, approve))

    def _join(self, user_id: int, community_id: int, memo: str, link: bytes | None = None) -> tuple[Community, bool]:
        joined = self._changes.run(community_id, lambda tx: community_rules.join(tx, user_id, memo, link))
        return self._changes.seen_by(user_id, community_id), joined

    def _has_blocked(self, user_id: int, other_id: int) -> bool:
        return any(blocked.user_id == other_id for blocked in self._store.contacts.blocked(user_id))

    def _as_admin(self, user_id: int, community_id: int) -> None:
        """For what changes no row of the community. A link counts only while its maker is an admin, see `join`."""
        community_rules.ranked(self._store.communities.role(community_id, user_id), Role.ADMIN)
