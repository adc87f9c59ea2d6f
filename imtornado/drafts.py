"""What the writer commits: drafts in, outcomes out, in the same order.

A draft belongs to one conversation, named by its key. The rules that a change must obey run inside the
writer's transaction (`Change.apply`), so that what committed first wins: there is no gap between a check
and its effect.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from imtornado.change_records import MessageChange
from imtornado.errors import ImError
from imtornado.records import Event, Gone, Message, Policy, Role, Ticket, conversation_key


class MessageDraft(msgspec.Struct, gc=False):
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
        """Writes an event for one user, or for all members (user_id 0); their view of the conversation has changed."""

    @property
    def messages(self) -> "MessagesTx":
        """What is stored in the conversation."""

    def view(self, user_id: int) -> "ViewTx | None":
        """The member's own view of it, also of one who left; None for a stranger."""


class MessagesTx(Protocol):
    """The stored messages of a locked conversation; seqs that do not exist are the caller's mistake but for `get`."""

    @property
    def ver(self) -> int:
        """The last one given."""

    def get(self, seq: int) -> Message | None:
        """The stored message, None outside 1..last_seq."""

    def blank(self, seq: int, why: Gone) -> None:
        """Removes text, earlier changes, reactions, mentions and file uses of a message for ever. Raises: NotFound."""

    def expire(self, before_ms: int, limit: int) -> int:
        """Removes at most `limit` messages that came before then, the oldest first, for ever; how many it were.

        Everybody's window begins after them; their seqs are not given again.
        """

    def record(self, actor_id: int, change: str, seq: int, data: str) -> int:
        """Gives the next ver to a change of a message; every member hears of it after the commit.

        `data` is a JSON object with wire names, "" where there is nothing to add. Whoever may not see the message
        hears only that ver has moved.
        """

    def rewrite(self, seq: int, content: str, ver: int) -> None:
        """Puts another text in place, by the edit `ver`. Members who have left keep the one that they could see."""

    def tally(self, seq: int, user_id: int) -> dict[str, tuple[int, bool]]:
        """{emoji: (how many, whether the user is one of them)} of a message's reactions."""

    def react(self, seq: int, user_id: int, emoji: str, on: bool) -> None:
        """Adds a reaction that was not there, or removes one that was."""


class ViewTx(Protocol):
    """What one member sees of a locked conversation, and what is his alone in it."""

    @property
    def present(self) -> bool: ...

    @property
    def window(self) -> tuple[int, int]:
        """[first, last] seq that he may see; last < first: nothing."""

    def hides(self, seq: int) -> bool:
        """He has deleted it for himself."""

    def refusal(self) -> ImError | None:
        """Why he may not write now; None when he may."""

    def hide(self, seqs: Sequence[int]) -> tuple[int, ...]:
        """Deletes messages for him; those that were not deleted before."""

    def clear(self, seq: int) -> None:
        """Lets his window begin after `seq`, one of it."""

    def pin(self, pinned: bool) -> bool:
        """True where that is new."""

    def mute(self, muted: bool) -> bool:
        """True where that is new."""


class Change(msgspec.Struct):
    """Any change of a conversation but a message or a read mark. `apply` is run again when a batch is retried."""

    key: str
    apply: Callable[[ConversationTx], object]


Draft = MessageDraft | ReadDraft | Change


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The message has its place; `dup`: it had it before, with this very id and seq."""

    message_id: int
    seq: int
    created_at_ms: int
    dup: bool


class Read(msgspec.Struct, frozen=True):
    """The read mark now; `moved` is False where it stood there or further already.

    `quiet`: the other side is not told, they may not write to each other. He finds it in his list.
    """

    seq: int
    moved: bool
    quiet: bool = False


class Changed(msgspec.Struct, frozen=True):
    """What `apply` returned, the lines it said, the changes it recorded and the events it told, each in order."""

    result: object
    lines: tuple[Message, ...]
    events: tuple[Event, ...]
    changes: tuple[MessageChange, ...] = ()


Outcome = Stored | Read | Changed | ImError
