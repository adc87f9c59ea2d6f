"""Secret links, of which only the hash is stored: `store.Tickets`."""

from imtornado.records import Ticket
from storage.again import done_again
from storage.transactions import Transactions, Tx

_TICKET = (
    "SELECT purpose, subject_id, created_by, expires_at_ms FROM ticket WHERE token_sha256 = ? AND purpose = ?"
    " AND used_at_ms = 0 AND expires_at_ms > ?"
)


@done_again
class SqlTickets:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, token_sha256: bytes, ticket: Ticket) -> None:
        with self._transactions.write() as tx:
            create_ticket(tx, token_sha256, ticket)

    def find(self, token_sha256: bytes, purpose: str) -> Ticket | None:
        with self._transactions.read() as tx:
            return ticket_of(tx, token_sha256, purpose)

    def revoke(self, purpose: str, subject_id: int) -> int:
        with self._transactions.write() as tx:
            return revoke_tickets(tx, purpose, subject_id)


def create_ticket(tx: Tx, token_sha256: bytes, ticket: Ticket) -> None:
    tx.execute(
        "INSERT INTO ticket (token_sha256, purpose, subject_id, created_by, created_at_ms, expires_at_ms,"
        " used_at_ms) VALUES (?, ?, ?, ?, ?, ?, 0)",
        (
            *(token_sha256.hex(), ticket.purpose, ticket.subject_id, ticket.created_by),
            *(tx.now_ms, ticket.expires_at_ms),
        ),
    )


def revoke_tickets(tx: Tx, purpose: str, subject_id: int) -> int:
    """Number of open tickets taken back."""
    return tx.change(
        "UPDATE ticket SET used_at_ms = ? WHERE purpose = ? AND subject_id = ? AND used_at_ms = 0"
        " AND expires_at_ms > ?",
        *(tx.now_ms, purpose, subject_id, tx.now_ms),
    )


def ticket_of(tx: Tx, token_sha256: bytes, purpose: str, lock: str = "") -> Ticket | None:
    """The ticket as it stands; None when it is not valid."""
    row = tx.one(_TICKET + lock, token_sha256.hex(), purpose, tx.now_ms)
    return None if row is None else Ticket(*row)


def open_ticket(tx: Tx, token_sha256: bytes, purpose: str) -> Ticket | None:
    """The ticket, locked until the commit, so that it cannot be revoked in between; None when it is not valid."""
    return ticket_of(tx, token_sha256, purpose, tx.database.for_update)


def use_ticket(tx: Tx, token_sha256: bytes, purpose: str) -> Ticket | None:
    """The ticket, used up if this transaction commits; None when it is not valid."""
    ticket = open_ticket(tx, token_sha256, purpose)
    if ticket is not None:
        tx.execute("UPDATE ticket SET used_at_ms = ? WHERE token_sha256 = ?", (tx.now_ms, token_sha256.hex()))
    return ticket
