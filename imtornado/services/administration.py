"""What the operator does to accounts, from the command line: adding, disabling, links for passwords and invitations."""

from imtornado.clock import Clock
from imtornado.errors import NotFound
from imtornado.records import Ticket, User
from imtornado.services.accounts import new_token, token_hash
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
        """Ends all sessions of the user, and the links for a new password. Raises: NotFound."""
        self._store.passwords.set(user_id, password_hash, 0)

    def set_disabled(self, user_id: int, disabled: bool) -> None:
        """Disabling ends all sessions of the user. Raises: NotFound."""
        self._store.users.set_disabled(user_id, disabled)

    def set_admin(self, user_id: int, *, is_admin: bool) -> None:
        """Raises: NotFound."""
        self._store.users.set_admin(user_id, is_admin)

    def password_link(self, user_id: int, hours: int) -> str:
        """The path of a page on which the user sets a new password, once; earlier ones end. Raises: NotFound."""
        token = new_token()
        self._store.passwords.link(user_id, token_hash(token), self._in(hours))
        return f"/password#{token}"

    def invitation(self, hours: int) -> str:
        """The path of a page on which one person registers."""
        token = new_token()
        self._store.tickets.create(token_hash(token), Ticket(REGISTRATION, 0, 0, self._in(hours)))
        return f"/register#{token}"

    def _in(self, hours: int) -> int:
        """The time then, in epoch milliseconds."""
        return self._clock.now_ms() + hours * HOUR_MS
