"""Communities: birth, what can be seen of them, and how they present themselves."""

import re
from collections.abc import Sequence

from imtornado.config import Config
from imtornado.errors import BadParameter, NotFound
from imtornado.protocol import RESOURCE
from imtornado.records import Community, Kind, Member, Policy, Record, Role
from imtornado.services import community_rules
from imtornado.services.admissions import Admissions
from imtornado.services.community_changes import Commit, CommunityChanges
from imtornado.services.memberships import Memberships
from storage.store import NewCommunity, Store

FRESH_MS = 23 * 3_600_000  # events are kept a day: none is pruned while a stamp of this age is being answered
SEARCH_ROWS = 20
CHANGED_ROWS = 200


class CommunityList(Record, frozen=True):
    """`full`: these are all; otherwise what changed, and the ids of those that he is not in any more."""

    communities: tuple[Community, ...]
    removed_ids: tuple[int, ...]
    full: bool
    now_ms: int  # read before the list: the stamp to ask from next


class Communities:
    """Every method takes the acting user first and runs on a worker thread.

    Raises, everywhere: NotFound (unknown, dissolved, or its inside asked for from outside: all look alike), Busy.
    """

    def __init__(self, store: Store, config: Config, commit: Commit) -> None:
        self._store = store
        self._max_owned = config.communities.max_owned
        self._changes = CommunityChanges(store, commit)
        self.memberships = Memberships(config, self._changes)
        self.admissions = Admissions(store, self._changes)

    def create(self, user_id: int, name: str, *, icon: str = "", cate: int = 0, memo: str = "") -> Community:
        """Raises: Conflict (name), LimitReached, BadParameter or NotFound (icon)."""
        new = NewCommunity(owner_id=user_id, name=name, icon=self._icon(user_id, icon), cate=cate, memo=memo)
        return self._store.communities.create(new, self._max_owned)

    def list(self, user_id: int, since_ms: int | None = None) -> CommunityList:
        """Those he is in; with `since_ms` of the last day only what changed since, some perhaps without need."""
        now_ms = self._store.settled_ms()
        communities = self._store.communities.of_user(user_id)
        if since_ms is None or now_ms - since_ms > FRESH_MS:
            return CommunityList(communities, (), full=True, now_ms=now_ms)
        left = self._changed(user_id, since_ms)
        changed = tuple(one for one in communities if left.get(one.community_id) is False)
        gone = tuple(community_id for community_id, has_left in left.items() if has_left)
        return CommunityList(changed, gone, full=False, now_ms=now_ms)

    def search(self, user_id: int, prefix: str) -> Sequence[Community]:
        """At most 20 whose name starts with it, by name, without those that are by invitation only."""
        return self._store.communities.search(prefix, user_id, SEARCH_ROWS)

    def info(self, user_id: int, community_id: int) -> Community:
        """From outside only what can be found by search."""
        community = self._changes.seen_by(user_id, community_id)
        if community.role is None and community.policy == Policy.INVITE:
            raise NotFound("There is no such community.", field="dstid")
        return community

    def members(self, user_id: int, community_id: int, after_id: int, limit: int) -> tuple[Member, ...]:
        """By id, those above `after_id`, for members only."""
        community_rules.ranked(self._store.communities.role(community_id, user_id), Role.MEMBER)
        return self._store.communities.members(community_id, after_id, limit)

    def update(self, user_id: int, community_id: int, columns: dict[str, object]) -> Community:
        """`columns`: name, icon, cate, memo, policy.

        Raises: NotAllowed (not an admin), Conflict (name), BadParameter or NotFound (icon).
        """
        if "icon" in columns:
            columns = columns | {"icon": self._icon(user_id, str(columns["icon"]))}
        self._changes.run(community_id, lambda tx: community_rules.update(tx, user_id, columns))
        return self._changes.seen_by(user_id, community_id)

    def announce(self, user_id: int, community_id: int, announcement: str) -> Community:
        """ "" takes the announcement away. Raises: NotAllowed (not an admin)."""
        self._changes.run(community_id, lambda tx: community_rules.announce(tx, user_id, announcement))
        return self._changes.seen_by(user_id, community_id)

    def _changed(self, user_id: int, since_ms: int) -> dict[int, bool]:
        """{community id: he has left it} of those with any change since then."""
        left: dict[int, bool] = {}
        after = (0, 0)
        while True:
            rows = self._store.conversations.changed(user_id, since_ms, after, CHANGED_ROWS)
            left |= {row.dstid: row.left for row in rows if row.kind == Kind.COMMUNITY}
            if len(rows) < CHANGED_ROWS:
                return left
            after = (rows[-1].place_ms, rows[-1].conversation_id)

    def _icon(self, user_id: int, icon: str) -> str:
        """ "" or a picture that he may use. Raises: BadParameter, NotFound."""
        if icon.startswith("/asset/"):
            return ""  # the stock picture inside the original's clients: ours draw their own
        if icon and not re.fullmatch(re.escape(RESOURCE) + r"[A-Za-z0-9_.-]{1,120}", icon):
            raise BadParameter("An icon is a picture that was uploaded here.", field="icon")
        if icon and self._store.uploads.visible(icon.removeprefix(RESOURCE), user_id) is None:
            raise NotFound("There is no such picture.", field="icon")
        return icon
