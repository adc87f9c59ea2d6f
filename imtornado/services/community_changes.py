"""The way from a community service to the writer and back."""

from collections.abc import Callable
from typing import TypeVar, cast

from imtornado.drafts import Change, Changed, ConversationTx, Draft, Read, Stored
from imtornado.errors import NotFound
from imtornado.records import Community, Kind, conversation_key
from storage.store import Store

T = TypeVar("T")
Commit = Callable[[Draft], Changed | Read | Stored]


class CommunityChanges:
    """Runs rules of `community_rules` in the writer's transaction, and shows what came of it. Worker threads only."""

    def __init__(self, store: Store, commit: Commit) -> None:
        self._store = store
        self._commit = commit

    def run(self, community_id: int, rule: Callable[[ConversationTx], T]) -> T:
        """What the rule returned, after the commit. Blocks.

        Raises: what the rule raised; NotFound (no such community); Busy (outcome unknown).
        """
        outcome = self._commit(Change(key=conversation_key(Kind.COMMUNITY, 0, community_id), apply=rule))
        return cast(T, cast(Changed, outcome).result)

    def seen_by(self, user_id: int, community_id: int) -> Community:
        """The community as the user sees it now, from inside or outside. Raises: NotFound."""
        community = self._store.communities.get(community_id, user_id)
        if community is None:
            raise NotFound("There is no such community.", field="dstid")
        return community
