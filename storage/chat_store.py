"""The part of the storage interface that is about communities and conversations; what `store` says goes for it too."""

from typing import Protocol

import msgspec

from imtornado.change_records import ChangePage
from imtornado.records import Community, Conversation, HistoryPage, JoinRequest, Member, Role


class NewCommunity(msgspec.Struct, frozen=True):
    owner_id: int
    name: str
    icon: str = ""
    cate: int = 0
    memo: str = ""


class Communities(Protocol):
    """Reads and the birth of communities; every change of an existing one is a `drafts.Change`."""

    def create(self, new: NewCommunity, max_owned: int) -> Community:
        """Owner inside, first line said ("created").

        Raises: Conflict(field=name), LimitReached, NotFound (icon, as avatars).
        """

    def get(self, community_id: int, user_id: int) -> Community | None:
        """As that user sees it; None when unknown or dissolved."""

    def by_name(self, name: str, user_id: int) -> Community | None:
        """Exact name, compared in binary after trimming and NFC."""

    def search(self, prefix: str, user_id: int, limit: int) -> tuple[Community, ...]:
        """Names that start with it, by name, policy INVITE left out."""

    def of_user(self, user_id: int) -> tuple[Community, ...]:
        """Those he is in, by id."""

    def members(self, community_id: int, after_id: int, limit: int) -> tuple[Member, ...]:
        """Present members with user id > after_id, ascending."""

    def role(self, community_id: int, user_id: int) -> Role | None: ...

    def requests(self, community_id: int) -> tuple[JoinRequest, ...]:
        """Open join requests, oldest first."""


class Conversations(Protocol):
    def list(self, user_id: int, before_ms: int, before_id: int, limit: int) -> tuple[Conversation, ...]:
        """Newest message first, strictly after the cursor (place_ms, conversation_id) of the last row given.

        (0, 0) starts. Listed are those with a visible message, the pinned ones, and always the notebook.
        Pinned ones carry their flag but are not moved. Conversations left are not in it.
        """

    def changed(self, user_id: int, since_ms: int, after: tuple[int, int], limit: int) -> tuple[Conversation, ...]:
        """Every one whose messages, ver, title, membership or own marks changed at or after `since_ms`, left ones too.

        What moved longest ago first, so that a move between two pages brings it again.
        A transaction takes its time when it begins: ask with a `since_ms` a few seconds back.
        """

    def history(
        self, user_id: int, kind: int, dstid: int, before: int | None, after: int | None, limit: int
    ) -> HistoryPage:
        """Seqs of [first, last] next to `before` or `after` (None, None: the newest page), gapless and ascending.

        Whoever left sees texts and reactions as they were then; only what is gone is gone for him too.
        Raises: NotFound (not a member ever, unknown).
        """

    def older(self, before_ms: int, after_id: int, limit: int) -> tuple[tuple[str, ...], int]:
        """Looks at the next `limit` conversations after an id: keys of those whose oldest message came before then.

        With the id of the last one looked at; 0 when that was the last of all.
        """

    def changes(self, user_id: int, kind: int, dstid: int, since: int, limit: int) -> ChangePage:
        """At most `limit` changes after the ver `since` of messages that he may see, ascending; up to his leaving.

        What was recorded of a message that is gone by now comes without its data.
        Raises: NotFound (not a member ever, unknown).
        """

    def check_right_to_write(self, user_id: int, kind: int, dstid: int) -> None:
        """Lets pass who may write there now; what is stored is checked again by its commit.

        Raises: NotFriends, NotMember, Silenced, AccountDisabled.
        """

    def readers(self, user_id: int, community_id: int, seq: int) -> tuple[int, ...]:
        """Present members whose read_seq >= seq. Raises: NotFound."""
