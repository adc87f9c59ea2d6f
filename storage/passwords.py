"""New passwords: what must be so that one is set, and what ends with the old one (`store.Passwords`)."""

from imtornado.errors import NotFound
from imtornado.records import Session, Ticket, User
from storage.again import done_again
from storage.log_ins import end_sessions, open_session
from storage.people_store import PASSWORD, NewSession
from storage.tickets import create_ticket, revoke_tickets, ticket_of, use_ticket
from storage.transactions import Transactions, Tx
from storage.users import locked_user, require_password


@done_again
class SqlPasswords:
    """The user's row is locked first, then his links and sessions: two changes at once follow each other."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def set(self, user_id: int, password_hash: str, keep_session_id: int, proven_hash: str | None = None) -> None:
        with self._transactions.write() as tx:
            locked_user(tx, user_id)
            if proven_hash is not None:
                require_password(tx, user_id, proven_hash)
            _set(tx, user_id, password_hash, keep_session_id)

    def link(self, user_id: int, token_sha256: bytes, expires_at_ms: int) -> None:
        with self._transactions.write() as tx:
            locked_user(tx, user_id)
            revoke_tickets(tx, PASSWORD, user_id)
            create_ticket(tx, token_sha256, Ticket(PASSWORD, user_id, 0, expires_at_ms))

    def reset(self, token_sha256: bytes, password_hash: str, new: NewSession) -> tuple[User, Session]:
        with self._transactions.write() as tx:
            ticket = ticket_of(tx, token_sha256, PASSWORD)
            user = locked_user(tx, ticket.subject_id) if ticket is not None else None
            if user is None or use_ticket(tx, token_sha256, PASSWORD) is None:
                raise NotFound("This link is unknown, used or expired.", field="token")
            _set(tx, user.user_id, password_hash, 0)
            return user, open_session(tx, user, new)


def _set(tx: Tx, user_id: int, password_hash: str, keep_session_id: int) -> None:
    tx.execute("UPDATE user SET password_hash = ? WHERE id = ?", (password_hash, user_id))
    revoke_tickets(tx, PASSWORD, user_id)
    end_sessions(tx, user_id, keep_session_id)
