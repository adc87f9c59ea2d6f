"""Accounts and their sessions: who may register, what a log-in gives, what ends it.

A call that needs bcrypt comes in hops: this service looks up (database pool), `imtornado.passwords` works
(password pool), this service writes (database pool). So log-ins never hold a database thread.
"""

import hashlib
import re
import secrets
import threading

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import BadParameter, NotAllowed, NotFound, WrongCredentials
from imtornado.protocol import RESOURCE
from imtornado.records import Credentials, Friend, Opening, Record, Session, User
from storage.store import REGISTRATION, NewSession, NewUser, Store

PASSWORD = "password"  # noqa: S105 (purpose of the tickets behind password links)
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
        self._first = threading.Lock()  # of two at once on a closed server, one is the first account
        self._anybody = False  # an account exists: once true, true for ever

    def registration(self) -> str:
        """Who may register now: "open", "invite" or "closed". Whoever comes first always may."""
        if not self._anybody:
            self._anybody = self._store.users.count() > 0
        return self._mode if self._anybody else "open"

    def admit(self, invite: str) -> None:
        """Raises: NotAllowed, NotFound(field=invite): before any work is done for a stranger."""
        mode = self.registration()
        if mode == "closed":
            raise NotAllowed("This server does not take registrations. Ask its operator for an account.")
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
        with self._first:
            self.admit(invite)
            invite_sha256 = token_hash(invite) if self.registration() == "invite" else None
            user = self._store.users.create(new, invite_sha256)
        return self._open_session(user, device)

    def credentials(self, mobile: str) -> Credentials | None:
        """To be handed to `Passwords.check` and nowhere else; None for an unknown mobile."""
        return self._store.users.by_mobile(mobile)

    def own_credentials(self, user_id: int) -> Credentials | None:
        """As `credentials`, of somebody logged in."""
        return self._store.users.credentials(user_id)

    def log_in(self, proven: Credentials, device: Device) -> Grant:
        """A session for whom `Passwords.check` has proven. Raises: AccountDisabled, WrongCredentials."""
        grant = self._open_session(proven.user, device)
        now = self._store.users.credentials(proven.user.user_id)
        if now is None or now.password_hash != proven.password_hash:
            # The password was changed while the old one was being checked: its end of all sessions must hold.
            self._store.sessions.revoke(proven.user.user_id, grant.session.session_id)
            raise WrongCredentials("Wrong mobile or password.")
        return grant

    def _open_session(self, user: User, device: Device) -> Grant:
        """Raises: AccountDisabled."""
        token = new_token()
        expires_at_ms = self._clock.now_ms() + self._session_ms
        session = self._store.sessions.create(
            user.user_id, NewSession(token_hash(token), device.name, device.ip, expires_at_ms)
        )
        return Grant(user, session, token)

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

    def set_password(self, user_id: int, password_hash: str, keep_session_id: int) -> None:
        """Ends every session but the one kept."""
        self._store.users.set_password(user_id, password_hash, keep_session_id)

    def require_reset(self, token: str) -> None:
        """Raises: NotFound: before any work is done for a stranger."""
        if self._store.tickets.find(token_hash(token), PASSWORD) is None:
            raise NotFound("This link is unknown, used or expired.", field="token")

    def reset(self, token: str, password_hash: str, device: Device) -> Grant:
        """Sets the password of the link's user, ends all sessions, logs him in. Raises: NotFound, AccountDisabled."""
        try:
            ticket = self._store.tickets.use(token_hash(token), PASSWORD)
        except NotFound as error:
            raise NotFound("This link is unknown, used or expired.", field="token") from error
        self._store.users.set_password(ticket.subject_id, password_hash, 0)
        user = self._store.users.get(ticket.subject_id)
        if user is None:
            raise NotFound("This link is unknown, used or expired.", field="token")
        return self._open_session(user, device)

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
