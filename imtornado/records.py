"""What the storage gives and takes: frozen records, in the program's own names.

Ids are integers below 2**53, times epoch milliseconds (0 = never), empty texts "". Wire spellings stand in
`protocol.py` and `chat_protocol.py` only.
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
