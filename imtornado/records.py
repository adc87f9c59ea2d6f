"""What the storage gives and takes: frozen records, in the program's own names.

Ids are integers below 2**53, times epoch milliseconds (0 = never), empty texts "". Wire spellings stand in
`protocol.py` only.
"""

from enum import IntEnum

import msgspec


class Kind(IntEnum):
    """Kind of a conversation; on the wire also the `cmd` of its messages."""

    SINGLE = 10
    COMMUNITY = 11


class Role(IntEnum):
    """Rank inside a community; a greater one may act upon a lesser one. PEER: both ends of a single chat."""

    PEER = 0
    MEMBER = 1
    ADMIN = 2
    OWNER = 3


class Policy(IntEnum):
    """Who enters a community: whoever asks, whoever an admin approves, only the invited."""

    OPEN = 0
    APPROVAL = 1
    INVITE = 2


class Gone(IntEnum):
    """Why the text of a stored seq is no longer given out."""

    NO = 0
    RECALLED = 1
    DELETED = 2
    EXPIRED = 3


SYSTEM_MEDIA = 20  # a line that only the server writes: "X joined"


def conversation_key(kind: int, sender_id: int, dstid: int) -> str:
    """The unique name of the conversation that `sender_id` calls (kind, dstid): "10:3:7" or "11:5"."""
    if kind == Kind.COMMUNITY:
        return f"11:{dstid}"
    return f"10:{sender_id}:{dstid}" if sender_id <= dstid else f"10:{dstid}:{sender_id}"


class Record(msgspec.Struct, frozen=True):
    """Base of all records: immutable, slotted, compared by value."""


class User(Record, frozen=True):
    user_id: int
    mobile: str
    nickname: str
    avatar: str = ""
    sex: str = "U"
    memo: str = ""
    is_admin: bool = False
    created_at_ms: int = 0
    disabled_at_ms: int = 0


class Credentials(Record, frozen=True):
    """A user with what proves the password; never leaves the accounts service."""

    user: User
    password_hash: str


class Session(Record, frozen=True):
    session_id: int
    user_id: int
    device: str
    ip: str
    created_at_ms: int
    seen_at_ms: int
    expires_at_ms: int


class Opening(Record, frozen=True):
    """What a socket needs at its upgrade, read in one transaction."""

    session: Session
    user: User
    community_ids: tuple[int, ...]


class Friend(Record, frozen=True):
    user: User
    remark: str
    created_at_ms: int


class ContactRequest(Record, frozen=True):
    """An open request; `user` is the other side."""

    user: User
    memo: str
    created_at_ms: int
    incoming: bool


class Community(Record, frozen=True):
    """A community as one user sees it: `role` is his, None for somebody outside."""

    community_id: int
    conversation_id: int
    name: str
    owner_id: int
    icon: str
    cate: int
    memo: str
    announcement: str
    policy: Policy
    all_silenced: bool
    created_at_ms: int
    member_count: int
    role: Role | None


class Member(Record, frozen=True):
    user: User
    role: Role
    silenced_until_ms: int


class JoinRequest(Record, frozen=True):
    user: User
    memo: str
    created_at_ms: int


class Ticket(Record, frozen=True):
    """A secret link: a password reset (subject = user), a registration (0), a community's invitation (community)."""

    purpose: str
    subject_id: int
    created_by: int
    expires_at_ms: int


class Message(Record, frozen=True):
    """One stored message. `file` and `event` are JSON texts, `mention` a tuple of user ids, `reply_seq` 0 = none."""

    kind: int
    dstid: int  # the community, or the user that it was sent to
    seq: int
    message_id: int
    sender_id: int
    cid: str
    media: int
    content: str
    created_at_ms: int
    pic: str = ""
    url: str = ""
    memo: str = ""
    amount: int = 0
    reply_seq: int = 0
    file: str = ""
    event: str = ""
    mention: tuple[int, ...] = ()
    edited_at_ms: int = 0
    gone: Gone = Gone.NO


class MessageChange(Record, frozen=True):
    """A recall, edit or reaction of a stored message. `data` is a JSON object with wire names, "" for none.

    `blind` holds the present members who may not see that message: of the change they hear nothing but its ver.
    """

    kind: int
    dstid: int  # the community, or the other user as the actor calls him
    actor_id: int
    ver: int
    change: str
    seq: int
    data: str
    blind: frozenset[int] = frozenset()


class ChangePage(Record, frozen=True):
    """Changes that the caller may see, ascending. He has then all up to `ver`; `last_ver` is the newest for him."""

    changes: tuple[MessageChange, ...]
    ver: int
    last_ver: int


class Reaction(Record, frozen=True):
    """One emoji below a message: how many gave it, the first few of them, and whether the caller is one."""

    emoji: str
    count: int
    mine: bool
    user_ids: tuple[int, ...]


class HistoryPage(Record, frozen=True):
    """Every seq of a range, ascending, and the caller's window [first, last] (last < first: nothing to see).

    `reactions` is {seq: its emojis, oldest first} of those that have any; `ver` the last change that is in it all;
    `expired`: there were messages before `first` that he could see, until they became too old to be kept.
    """

    messages: tuple[Message, ...]
    first: int
    last: int
    reactions: dict[int, tuple[Reaction, ...]]
    ver: int
    expired: bool = False


class Conversation(Record, frozen=True):
    """A conversation as one member sees it: `peer_read` None in a community, `last` None if nothing is visible.

    `expired`: as in HistoryPage.
    """

    kind: Kind
    dstid: int
    conversation_id: int
    title: str
    avatar: str
    first: int
    expired: bool
    last_seq: int
    read_seq: int
    peer_read: int | None
    unread: int
    mentioned: bool
    ver: int
    pinned: bool
    muted: bool
    left: bool
    active_at_ms: int  # of the newest message; 0 where he has left
    place_ms: int  # the time by which the page is sorted
    deleted: int  # how many of his window he deleted for himself
    last: Message | None


class Found(Record, frozen=True):
    """A message that holds what was searched for; (kind, dstid) is its conversation as the caller calls it."""

    kind: Kind
    dstid: int
    title: str
    avatar: str
    nickname: str  # of the sender, or what the caller calls him
    message: Message


class FoundPage(Record, frozen=True):
    """Newest first. `next_position` (created_at_ms, conversation_id, seq): go on before it; None at the end.

    `behind` says at the end that there may be more: messages wait to be indexed for longer than usual.
    """

    rows: tuple[Found, ...]
    next_position: tuple[int, int, int] | None
    behind: bool


class Indexed(Record, frozen=True):
    """One step of the job behind the search index: how many messages, and how long the first of them had waited."""

    messages: int
    lag_ms: int
    more: bool


class Event(Record, frozen=True):
    """A change of a relation, session, profile or community: for one user, or for all members of a community.

    `data` is JSON with wire names. Idempotent; kept a day.
    """

    event_id: int
    user_id: int
    community_id: int
    kind: str
    data: str
    created_at_ms: int


class Picture(Record, frozen=True):
    """A picture as it was re-encoded: our type and size in pixels, and `placeholder`, a data: URL of a tiny WebP."""

    mime: str
    width: int
    height: int
    placeholder: str


class Content(Record, frozen=True):
    """What is kept of an upload: the type that its bytes prove, and the SHA-256 of the bytes that are kept.

    `width`, `height` and `placeholder` are 0 and "" for what is no picture or video, `duration_ms` is 0 for what
    has none or does not tell it.
    """

    mime: str
    result_sha256: str
    width: int = 0
    height: int = 0
    placeholder: str = ""
    duration_ms: int = 0
    has_thumb: bool = False


class Upload(Record, frozen=True):
    """A stored file. `name` is random and says nothing; `thumb` is the name of the thumbnail or "".

    `sha256` and `size_bytes` are those of the bytes that were sent; what is kept may be smaller, and another type.
    """

    sha256: str
    name: str
    mime: str
    size_bytes: int
    width: int
    height: int
    thumb: str
    placeholder: str
    owner_id: int
    created_at_ms: int
    duration_ms: int = 0
    result_sha256: str = ""


class Usage(Record, frozen=True):
    """What a user has uploaded."""

    size_bytes: int
    files: int


class PartialUpload(Record, frozen=True):
    """An upload that may go on after an interruption. `sha256` is "" until all `size_bytes` have come."""

    upload_id: str
    user_id: int
    size_bytes: int
    file_name: str
    form: str
    sha256: str
    expires_at_ms: int
