"""The storage interface, grouped by noun. This module is the contract; `tests/storage/` holds every backend to it.

Every method is one transaction and is called on a worker thread, never on the IOLoop. Unique indexes decide
duplicates; limits that count lock the counted row first. `now_ms` comes from the store's clock. A method that
changes a relation, session, profile or community writes the events of the change in the same transaction and
hands them to `on_events` after the commit.

Kinds of events (their `data` is JSON with wire names; a NOTICE unless marked *):
    contact.request {userid}, contact.added {userid}, contact.removed {userid}, contact.updated {userid}
    profile.updated {userid}            for the user himself; watchers hear of it through presence
    community.joined {dstid}, community.left {dstid}, community.kicked {dstid}, community.request {dstid, userid}
    community.updated {dstid}, community.dissolved {dstid}          for all members
    session.added {id}, *session.ended {id}, *account.disabled {}
    conversation.updated {kind, dstid, deleted?}    pin, mute, clear of one's own; `deleted`: seqs deleted for himself

Raises, everywhere: Busy when the database is locked, full or away (nothing was committed, or the outcome is unknown).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from imtornado.clock import Clock
from imtornado.drafts import Draft, Outcome
from imtornado.errors import Busy
from imtornado.records import (
    ChangePage,
    Community,
    ContactRequest,
    Conversation,
    Credentials,
    Event,
    Friend,
    HistoryPage,
    JoinRequest,
    Member,
    Opening,
    Role,
    Session,
    Ticket,
    User,
)
from imtornado.timings import Timings
from storage.file_store import PartialUploads as PartialUploads
from storage.file_store import Uploads as Uploads
from storage.search_store import Search, SearchIndex

# Purposes of tickets.
REGISTRATION = "registration"  # `Users.create` takes them as invitations
PASSWORD = "password"  # noqa: S105 (no password: links of `Passwords`)


class Unsettled(Busy):
    """The batch may have been committed; `settle` gives its outcomes. Raises: Busy, as long as it cannot be told."""

    def __init__(self, settle: Callable[[], list[Outcome]]) -> None:
        super().__init__("The database is busy. Please try again.", retry_after_ms=1000)
        self.settle = settle


class NewUser(msgspec.Struct, frozen=True):
    mobile: str
    password_hash: str
    nickname: str
    avatar: str = ""
    sex: str = "U"
    memo: str = ""


class NewSession(msgspec.Struct, frozen=True):
    token_sha256: bytes
    device: str
    ip: str
    expires_at_ms: int


class NewCommunity(msgspec.Struct, frozen=True):
    owner_id: int
    name: str
    icon: str = ""
    cate: int = 0
    memo: str = ""


class Users(Protocol):
    def create(self, new: NewUser, invite_sha256: bytes | None = None, *, only_first: bool = False) -> User:
        """The new user, with his notebook (the conversation with himself). The very first user is administrator.

        With `invite_sha256` the registration ticket of that hash is used up in the same transaction.
        Raises: Conflict(field=mobile), NotFound(field=invite) for an unknown, used or expired invitation; NotAllowed
        with `only_first` for anybody but the very first;
        NotFound/NotAllowed as `uploads` say for an avatar that is not his to use.
        """

    def get(self, user_id: int) -> User | None: ...

    def by_mobile(self, mobile: str) -> Credentials | None: ...

    def credentials(self, user_id: int) -> Credentials | None: ...

    def count(self) -> int: ...

    def relation(self, user_id: int, other_id: int) -> str:
        """self, friend, requested (I asked), asks (he asked), none."""

    def update(self, user_id: int, columns: dict[str, str]) -> User:
        """Changes nickname, avatar, sex, memo. A new avatar under /resource/ becomes a file use.

        Event: profile.updated.

        Raises: NotFound (no such user, or an avatar that he neither uploaded nor may see).
        """

    def set_disabled(self, user_id: int, disabled: bool) -> None:
        """Disabling ends all sessions too. Event: account.disabled. Raises: NotFound."""

    def set_admin(self, user_id: int, is_admin: bool) -> None:
        """Event: profile.updated. Raises: NotFound."""

    def shared(self, user_id: int, other_ids: Sequence[int]) -> frozenset[int]:
        """Those of `other_ids` whose presence he may see: friends and fellow members of a community.

        Nobody whom he has blocked, or who has blocked him.
        """


class Passwords(Protocol):
    """New passwords. With each of them the user's sessions end, each with an event session.ended, and his links."""

    def set(self, user_id: int, password_hash: str, keep_session_id: int, proven_hash: str | None = None) -> None:
        """`keep_session_id` does not end (0: none is kept).

        Raises: NotFound; WrongCredentials where `proven_hash` is given and not that of his password any more.
        """

    def link(self, user_id: int, token_sha256: bytes, expires_at_ms: int) -> None:
        """One by which he sets a password, once, a ticket PASSWORD; earlier ones end. Raises: NotFound."""

    def reset(self, token_sha256: bytes, password_hash: str, new: NewSession) -> tuple[User, Session]:
        """Uses the link up, sets the password, opens a session: all of it or, on any error, nothing.

        Raises: NotFound(field=token) (unknown, used or expired), AccountDisabled.
        """


class Tickets(Protocol):
    def create(self, token_sha256: bytes, ticket: Ticket) -> None: ...

    def find(self, token_sha256: bytes, purpose: str) -> Ticket | None:
        """None when unknown, used or expired."""

    def revoke(self, purpose: str, subject_id: int) -> int:
        """Number of open tickets taken back."""


class Sessions(Protocol):
    def create(self, user_id: int, new: NewSession, proven_hash: str | None = None) -> Session:
        """Event: session.added.

        Raises: NotFound, AccountDisabled; WrongCredentials where `proven_hash` is given and not that of his password
        any more.
        """

    def find(self, token_sha256: bytes) -> tuple[Session, User] | None:
        """The live session and its enabled user, else None. Moves `seen` at most once a minute."""

    def opening(self, token_sha256: bytes) -> Opening | None:
        """As `find`, with the ids of all communities he is in, from one snapshot."""

    def list(self, user_id: int) -> tuple[Session, ...]:
        """Live ones, last seen first."""

    def revoke(self, user_id: int, session_id: int) -> None:
        """Event: session.ended. Raises: NotFound (unknown or another's)."""


class Contacts(Protocol):
    def request(self, user_id: int, other_id: int, memo: str) -> bool:
        """Stores a request; True when they are friends now because the other had asked before.

        Nothing visible happens where the other blocked the asker. Raises: NotFound, Conflict (friends already).
        Events: contact.request to the other; contact.updated to the asker; contact.added to both when friends.
        """

    def befriend(self, user_id: int, other_id: int) -> None:
        """Friends at once, both ways, with their conversation and both members of it able to send.

        Raises: NotFound, Conflict (friends already), NotAllowed (blocked), BadParameter (oneself).
        """

    def accept(self, user_id: int, asker_id: int) -> None:
        """Raises: NotFound (no open request of the asker). Events: contact.added to both."""

    def reject(self, user_id: int, other_id: int) -> None:
        """Drops the open request between the two, whoever asked. Raises: NotFound. Event: contact.updated to both."""

    def requests(self, user_id: int) -> tuple[ContactRequest, ...]:
        """Open ones, both directions, newest first."""

    def friends(self, user_id: int, since_ms: int = 0) -> tuple[Friend, ...]:
        """By id. With `since_ms` only those whose relation or profile changed at or after it."""

    def removed(self, user_id: int, since_ms: int) -> tuple[int, ...]:
        """Ids told of as removed (event contact.removed) since then and not friends now."""

    def remark(self, user_id: int, friend_id: int, remark: str) -> None:
        """Raises: NotFound. Event: contact.updated."""

    def remove(self, user_id: int, friend_id: int) -> None:
        """Ends the friendship both ways; neither may send from then on.

        Raises: NotFound. Events: contact.removed to both.
        """

    def block(self, user_id: int, target_id: int) -> None:
        """Neither may send to the other until unblocked; no open request stays that he can see.

        Idempotent; the other notices nothing. Raises: NotFound. Event: contact.updated.
        """

    def unblock(self, user_id: int, target_id: int) -> None:
        """Raises: NotFound (was not blocked)."""

    def blocked(self, user_id: int) -> tuple[User, ...]: ...


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


class Events(Protocol):
    def position(self) -> int:
        """The id of the newest event, 0 when there is none."""

    def after(self, event_id: int, limit: int) -> tuple[Event, ...]:
        """Ascending by id."""

    def prune(self, before_ms: int, limit: int) -> int:
        """Removes about `limit` of the oldest events of before then; how many it were, fewer where no more are left."""


class Cached(Protocol):
    """What is remembered of the database, bounded; `hits` were found there, `misses` were not."""

    hits: int
    misses: int

    def __len__(self) -> int: ...


class Store(Protocol):
    users: Users
    passwords: Passwords
    tickets: Tickets
    sessions: Sessions
    contacts: Contacts
    communities: Communities
    conversations: Conversations
    search: Search
    search_index: SearchIndex
    events: Events
    uploads: Uploads
    partial_uploads: PartialUploads
    clock: Clock
    timings: Timings  # of its transactions, by the method that opened them; those of `commit` are "batch"
    caches: Mapping[str, Cached]  # by what they remember

    @property
    def epoch(self) -> str:
        """The database's own uuid: a restore makes a new one."""

    def on_events(self, callback: Callable[[Sequence[Event]], None]) -> None:
        """`callback` gets, after each commit outside of `commit` and on the committing thread, the events it wrote."""

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """One transaction for all drafts, in order; an outcome for each. Threads of the writer only.

        Repeats of a (sender, cid) get the first one's place with `dup`; the same cid with another body is a
        CidConflict; a sender without the right at this moment gets NotFriends, NotMember or Silenced (AccountDisabled
        where his account is). A url or pic under /resource/
        becomes a file use, or NotFound(field=url|pic) where the sender neither uploaded it nor may see it. A reply to a
        seq outside his window is BadParameter(field=reply). No draft can make another fail.
        Raises: Busy: the whole batch has an unknown outcome. Unsettled: and it will be known.
        """

    @property
    def commits_at_once(self) -> bool:
        """`commit` may run on several threads, each with conversations of its own."""

    def settled_ms(self) -> int:
        """The stamp to give somebody now: every change of an earlier time is seen by whoever reads from now on."""

    def reserve_ids(self, count: int) -> int:
        """First of `count` message ids that nobody else will ever get; below 2**53."""

    def hold(self, job: str, holder: str, for_ms: int) -> bool:
        """True: `holder` is the one who does the job, for so long from now. False: another one is.

        Asked again in time he stays it; whoever falls silent is followed by the next who asks.
        """

    def let_go(self, job: str, holder: str) -> None:
        """Who asks next gets the job at once, if `holder` has it still."""

    def check(self) -> None:
        """Proves that the database answers. Raises: Busy."""

    def checkpoint(self) -> None:
        """What was removed leaves the database's journal too, where it keeps one. Raises: Busy."""

    def close(self) -> None:
        """Closes every connection. No call may follow."""
