"""Leaving, removing, ranks, silence, and the end of a community."""

from imtornado.config import Config
from imtornado.records import Role
from imtornado.services import community_rules
from imtornado.services.community_changes import CommunityChanges

SECOND_MS = 1000


class Memberships:
    """Every method takes the acting user first, then the community, and runs on a worker thread.

    Raises, everywhere: NotFound (no such community or member, or the actor is not in it: all look alike), NotAllowed
    (a rank is too low), Busy.
    """

    def __init__(self, config: Config, changes: CommunityChanges) -> None:
        self._max_owned = config.communities.max_owned
        self._changes = changes

    def leave(self, user_id: int, community_id: int) -> None:
        """Raises: LimitReached (the owner cannot)."""
        self._changes.run(community_id, lambda tx: community_rules.leave(tx, user_id))

    def kick(self, user_id: int, community_id: int, member_id: int) -> None:
        """Ends the membership of somebody of a lower rank."""
        self._changes.run(community_id, lambda tx: community_rules.kick(tx, user_id, member_id))

    def set_role(self, user_id: int, community_id: int, member_id: int, role: Role) -> None:
        """The owner makes somebody ADMIN or MEMBER."""
        self._changes.run(community_id, lambda tx: community_rules.set_role(tx, user_id, member_id, role))

    def transfer(self, user_id: int, community_id: int, member_id: int) -> None:
        """The owner hands the community over and stays as an admin. Raises: LimitReached (the other owns enough)."""
        limit = self._max_owned
        self._changes.run(community_id, lambda tx: community_rules.transfer(tx, user_id, member_id, limit))

    def silence(self, user_id: int, community_id: int, member_id: int | None, seconds: int) -> None:
        """Somebody of a lower rank, or (None) every plain member, may not write for so long; 0 lifts it."""
        for_ms = seconds * SECOND_MS
        self._changes.run(community_id, lambda tx: community_rules.silence(tx, user_id, member_id, for_ms))

    def dissolve(self, user_id: int, community_id: int) -> None:
        """The owner ends the community for everybody; its name is free again."""
        self._changes.run(community_id, lambda tx: community_rules.dissolve(tx, user_id))
