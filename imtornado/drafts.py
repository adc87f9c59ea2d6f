"""What the writer commits: drafts in, outcomes out, in the same order.

A draft belongs to one conversation, named by its key. The rules that a change must obey run inside the
writer's transaction (`Change.apply`), so that what committed first wins: there is no gap between a check
and its effect.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from imtornado.errors import ImError
from imtornado.records import Event, Gone, Message, Policy, Role, Ticket, conversation_key


class MessageDraft(msgspec.Struct):
    """A message that wants a place in its conversation. `message_id` is given by the writer before the commit."""

    sender_id: int
    kind: int
    dstid: int
    cid: str  # "" only from clients that know no cid: never folded, never looked up
    media: int
    content: str = ""
    pic: str = ""
    url: str = ""
    memo: str = ""
    amount: int = 0
    reply_seq: int = 0
    file: str = ""
    mention: tuple[int, ...] = ()
    message_id: int = 0

    @property
    def key(self) -> str:
        return conversation_key(self.kind, self.sender_id, self.dstid)


class ReadDraft(msgspec.Struct):
    """A user has read a conversation up to `seq`."""

    user_id: int
    kind: int
    dstid: int
    seq: int

    @property
    def key(self) -> str:
        return conversation_key(self.kind, self.user_id, self.dstid)


class MemberState(msgspec.Struct, frozen=True):
    """A member row as it stands inside the transaction; one who left has `left_seq` set."""

    user_id: int
    role: Role
    may_send: bool
    silenced_until_ms: int
    joined_seq: int
    left_seq: int | None

    @property
    def present(self) -> bool:
        return self.left_seq is None


class ConversationTx(Protocol):
    """One locked conversation inside the writer's transaction. Worker (writer) thread only.

    A rule raises an ImError before its first write or after it: the draft's own writes are undone, its
    neighbours in the batch are not touched.
    """

    @property
    def now_ms(self) -> int: ...

    @property
    def community_id(self) -> int:
        """The community of the conversation, 0 in a single chat."""

    def member(self, user_id: int) -> MemberState | None:
        """The member row, also of one who left; None for a stranger."""

    def community(self) -> tuple[int, str, Policy, bool]:
        """(owner_id, name, policy, all_silenced). Raises: NotFound where it is dissolved."""

    def admin_ids(self) -> tuple[int, ...]:
        """Owner and admins."""

    def enter(self, user_id: int, role: Role) -> None:
        """Makes him a member from the next seq on (also again), and drops his open join request."""

    def depart(self, user_id: int) -> None:
        """Ends his window with the conversation's last seq at the end of this draft (lines said included)."""

    def set_role(self, user_id: int, role: Role) -> None: ...

    def silence(self, user_id: int | None, until_ms: int) -> None:
        """Nobody silenced may send before `until_ms` (0 lifts); None: every plain member, and those who come later."""

    def set_community(self, **columns: object) -> None:
        """Changes name, icon, cate, memo, announcement, policy or owner_id. Raises: Conflict for a taken name."""

    def owned_count(self, user_id: int) -> int:
        """Communities that the user owns, with his row locked until the commit."""

    def ask(self, user_id: int, memo: str) -> bool:
        """Stores an open join request; False where one was open before."""

    def drop_request(self, user_id: int) -> bool:
        """Removes his open join request; False where there was none."""

    def ticket(self, token_sha256: bytes, purpose: str) -> Ticket | None:
        """The open ticket, locked until the commit; None when unknown, used, revoked or expired."""

    def dissolve(self) -> None:
        """Ends everybody's window; the community is found no more and its name is free."""

    def nicknames(self, user_ids: tuple[int, ...]) -> dict[int, str]:
        """{user_id: nickname} of those that exist."""

    def say(self, actor_id: int, content: str, event: str) -> Message:
        """Appends a system line (media 20, `event` a JSON text); every member gets it after the commit."""

    def tell(self, user_id: int, kind: str, data: str) -> None:
        """Writes an event for one user, or for all members (user_id 0)."""

    # For the changes of stored messages (recall, edit, reaction, delete, clear, pin, mute)
    def message(self, seq: int) -> Message | None:
        """The stored message, None outside 1..last_seq."""

    def blank(self, seq: int, why: Gone) -> None:
        """Removes text, earlier changes of it, search entry and file uses of a message for ever."""


class Change(msgspec.Struct):
    """Any change of a conversation but a message or a read mark. `apply` is run again when a batch is retried."""

    key: str
    apply: Callable[[ConversationTx], object]


Draft = MessageDraft | ReadDraft | Change


class Stored(msgspec.Struct, frozen=True):
    """The message has its place; `dup`: it had it before, with this very id and seq."""

    message_id: int
    seq: int
    created_at_ms: int
    dup: bool


class Read(msgspec.Struct, frozen=True):
    """The read mark now; `moved` is False where it stood there or further already."""

    seq: int
    moved: bool


class Changed(msgspec.Struct, frozen=True):
    """What `apply` returned, the lines that it said and the events that it told, in order."""

    result: object
    lines: tuple[Message, ...]
    events: tuple[Event, ...]


Outcome = Stored | Read | Changed | ImError
