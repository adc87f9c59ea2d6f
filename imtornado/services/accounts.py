"""Accounts and their sessions: who may register, what a log-in gives, what ends it.

A call that needs bcrypt comes in hops: this service looks up (database pool), `imtornado.passwords` works
(password pool), this service writes (database pool). So log-ins never hold a database thread.
"""

import hashlib
import re
import secrets

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import BadParameter, NotAllowed, NotFound
from imtornado.protocol import RESOURCE
from imtornado.records import Credentials, Friend, Opening, Record, Session, User
from storage.store import PASSWORD, REGISTRATION, NewSession, NewUser, Store

DAY_MS = 86_400_000
_MOBILE = re.compile(r"(?=.{3,20}\Z)\+?[0-9]+", re.ASCII)


class Registration(Record, frozen=True):
    """What somebody says of himself; an empty nickname is filled with a random one."""

    mobile: str
    nickname: str = ""
    avatar: str = ""
    sex: str = "U"
    memo: str = ""


class Device(Record, frozen=True):
    """Where a session is opened: a name that its owner will recognize, and the address."""

    name: str
    ip: str


class Grant(Record, frozen=True):
    """A fresh session. `token` exists here and at the client only: its SHA-256 is stored."""

    user: User
    session: Session
    token: str


class Found(Record, frozen=True):
    """Somebody looked up; `relation` as `store.Users.relation` says it, `friend` set where it is "friend"."""

    user: User
    relation: str
    friend: Friend | None


def new_token() -> str:
    """256 random bits, fit for a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is stored of a token. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def require_mobile(mobile: str, field: str = "mobile") -> str:
    """The mobile itself. Raises: BadParameter unless it is 3 to 20 characters: digits, perhaps a + before them."""
    if not _MOBILE.fullmatch(mobile):
        raise BadParameter("A mobile is 3 to 20 digits, with or without a + before them.", field=field)
    return mobile


def random_nickname() -> str:
    """For somebody who gave none; says nothing of the mobile."""
    return f"user-{secrets.token_hex(3)}"


class Accounts:
    """Every method runs on a database thread. Raises, everywhere: Busy."""

    def __init__(self, store: Store, config: Config, clock: Clock) -> None:
        self._store = store
        self._mode = config.accounts.registration
        self._session_ms = config.accounts.session_days * DAY_MS
        self._clock = clock
        self._anybody = False  # an account exists: once true, true for ever

    def registration(self) -> str:
        """Who may register now: "open", "invite" or "closed". Whoever comes first always may."""
        if not self._anybody:
            self._anybody = self._store.users.count() > 0
        return self._mode if self._anybody else "open"

    def admit(self, invite: str) -> None:
        """Raises: NotAllowed (nobody, or nobody without an invitation, may), NotFound(field=invite).

        Before any work is done for a stranger.
        """
        mode = self.registration()
        if mode == "closed":
            raise NotAllowed("This server does not take registrations. Ask its operator for an account.")
        if mode == "invite" and not invite:
            raise NotAllowed("Registration is by invitation only. Ask the operator for an invitation.", field="invite")
        if mode == "invite" and self._store.tickets.find(token_hash(invite), REGISTRATION) is None:
            raise NotFound("This invitation is unknown, used or expired.", field="invite")

    def register(self, registration: Registration, password_hash: str, invite: str, device: Device) -> Grant:
        """The new user, logged in. Uses the invitation up where one is needed.

        Raises: Conflict(field=mobile), NotAllowed, NotFound (invitation, or an avatar that is not his).
        """
        new = NewUser(
            mobile=registration.mobile,
            password_hash=password_hash,
            nickname=registration.nickname or random_nickname(),
            avatar=_picture(registration.avatar),
            sex=registration.sex,
            memo=registration.memo,
        )
        opened, token = self._new_session(device)
        return Grant(*self._register(new, opened, invite), token)

    def _register(self, new: NewUser, opened: NewSession, invite: str) -> tuple[User, Session]:
        if self.registration() != self._mode:
            try:
                return self._store.users.register(new, opened, only_first=True)
            except NotAllowed:
                self._anybody = True  # another one, perhaps on another node, was first
        self.admit(invite)
        return self._store.users.register(new, opened, token_hash(invite) if self._mode == "invite" else None)

    def credentials(self, mobile: str) -> Credentials | None:
        """To be handed to `Passwords.check` and nowhere else; None for an unknown mobile."""
        return self._store.users.by_mobile(mobile)

    def own_credentials(self, user_id: int) -> Credentials | None:
        """As `credentials`, of somebody logged in."""
        return self._store.users.credentials(user_id)

    def log_in(self, proven: Credentials, device: Device) -> Grant:
        """A session for whom `Passwords.check` has proven. Raises: AccountDisabled, WrongCredentials.

        A password that was changed while the old one was being checked is no longer proven.
        """
        new, token = self._new_session(device)
        session = self._store.sessions.create(proven.user.user_id, new, proven.password_hash)
        return Grant(proven.user, session, token)

    def _new_session(self, device: Device) -> tuple[NewSession, str]:
        """With its token."""
        token = new_token()
        expires_at_ms = self._clock.now_ms() + self._session_ms
        return NewSession(token_hash(token), device.name, device.ip, expires_at_ms), token

    def identify(self, token: str) -> tuple[Session, User] | None:
        """The live session of the token and its enabled user."""
        return self._store.sessions.find(token_hash(token))

    def opening(self, token: str) -> Opening | None:
        """As `identify`, with what a chat socket needs at its upgrade."""
        return self._store.sessions.opening(token_hash(token))

    def find(self, user_id: int, other_id: int, mobile: str) -> Found:
        """Whoever has the id, or, where that is 0, the mobile. Raises: NotFound."""
        if other_id:
            user = self._store.users.get(other_id)
        else:
            credentials = self._store.users.by_mobile(mobile)
            user = credentials.user if credentials else None
        if user is None:
            raise NotFound("There is no such user.", field="id" if other_id else "mobile")
        relation = self._store.users.relation(user_id, user.user_id)
        friends = self._store.contacts.friends(user_id) if relation == "friend" else ()
        return Found(user, relation, next((one for one in friends if one.user.user_id == user.user_id), None))

    def update(self, user_id: int, columns: dict[str, str]) -> User:
        """Changes nickname, avatar, sex, memo. Raises: BadParameter, NotFound (avatar)."""
        if "avatar" in columns:
            _picture(columns["avatar"])
        return self._store.users.update(user_id, columns)

    def set_password(self, proven: Credentials, password_hash: str, keep_session_id: int) -> None:
        """For whom `Passwords.check` has proven; ends every session but the one kept, and links for a new password.

        Raises: WrongCredentials, as `log_in`.
        """
        self._store.passwords.set(proven.user.user_id, password_hash, keep_session_id, proven.password_hash)

    def require_reset(self, token: str) -> None:
        """Raises: NotFound: before any work is done for a stranger."""
        if self._store.tickets.find(token_hash(token), PASSWORD) is None:
            raise NotFound("This link is unknown, used or expired.", field="token")

    def reset(self, token: str, password_hash: str, device: Device) -> Grant:
        """Sets the password of the link's user, ends all sessions, logs him in. Raises: NotFound, AccountDisabled."""
        new, token_of_session = self._new_session(device)
        user, session = self._store.passwords.reset(token_hash(token), password_hash, new)
        return Grant(user, session, token_of_session)

    def sessions(self, user_id: int) -> tuple[Session, ...]:
        """Live ones, last seen first."""
        return self._store.sessions.list(user_id)

    def revoke(self, user_id: int, session_id: int) -> None:
        """Raises: NotFound (unknown, or another's)."""
        self._store.sessions.revoke(user_id, session_id)


def _picture(url: str) -> str:
    """Raises: BadParameter for a picture that is not one of ours: others would see who looks at it."""
    if url and not url.startswith(RESOURCE):
        raise BadParameter("A picture must be uploaded here first.", field="avatar")
    return url
