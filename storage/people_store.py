"""The part of the storage interface about accounts, log-ins and who knows whom; what `store` says goes for it too."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from imtornado.records import ContactRequest, Credentials, Friend, Opening, Session, Ticket, User

# Purposes of tickets.
REGISTRATION = "registration"  # `Users.create` takes them as invitations
PASSWORD = "password"  # noqa: S105 (no password: links of `Passwords`)


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


class Users(Protocol):
    def create(self, new: NewUser) -> User:
        """The new user, with his notebook (the conversation with himself). The very first user is administrator.

        Raises: Conflict(field=mobile); NotFound/NotAllowed as `uploads` say for an avatar that is not his to use.
        """

    def register(
        self, new: NewUser, session: NewSession, invite_sha256: bytes | None = None, *, only_first: bool = False
    ) -> tuple[User, Session]:
        """As `create`, with his first session. With `invite_sha256` the registration ticket of that hash is used up.

        Raises: as `create`; NotFound(field=invite) for an unknown, used or expired invitation; NotAllowed with
        `only_first` for anybody but the very first. Event: session.added.
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
