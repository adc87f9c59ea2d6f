"""What the operator does to accounts, from the command line: adding, disabling, links for passwords and invitations."""

from imtornado.clock import Clock
from imtornado.errors import NotFound
from imtornado.records import Ticket, User
from imtornado.services.accounts import PASSWORD, new_token, token_hash
from storage.store import REGISTRATION, NewUser, Store

HOUR_MS = 3_600_000


class Administration:
    """Every method is called off the IOLoop. A running server hears of the changes by their events. Raises: Busy."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def add_user(self, mobile: str, nickname: str, password_hash: str) -> User:
        """The first account of a server is its administrator. Raises: Conflict."""
        return self._store.users.create(NewUser(mobile=mobile, password_hash=password_hash, nickname=nickname))

    def user(self, mobile: str) -> User:
        """Raises: NotFound."""
        credentials = self._store.users.by_mobile(mobile)
        if credentials is None:
            raise NotFound("There is no account with the mobile {mobile}.", field="mobile", mobile=mobile)
        return credentials.user

    def set_password(self, user_id: int, password_hash: str) -> None:
        """Ends all sessions of the user."""
        self._store.users.set_password(user_id, password_hash, 0)

    def set_disabled(self, user_id: int, disabled: bool) -> None:
        """Disabling ends all sessions of the user. Raises: NotFound."""
        self._store.users.set_disabled(user_id, disabled)

    def set_admin(self, user_id: int, *, is_admin: bool) -> None:
        """Raises: NotFound."""
        self._store.users.set_admin(user_id, is_admin)

    def password_link(self, user_id: int, hours: int) -> str:
        """The path of a page on which the user sets a new password, once; earlier links of his end."""
        self._store.tickets.revoke(PASSWORD, user_id)
        return f"/password#{self._ticket(PASSWORD, user_id, hours)}"

    def invitation(self, hours: int) -> str:
        """The path of a page on which one person registers."""
        return f"/register#{self._ticket(REGISTRATION, 0, hours)}"

    def _ticket(self, purpose: str, subject_id: int, hours: int) -> str:
        token = new_token()
        expires_at_ms = self._clock.now_ms() + hours * HOUR_MS
        self._store.tickets.create(token_hash(token), Ticket(purpose, subject_id, 0, expires_at_ms))
        return token
