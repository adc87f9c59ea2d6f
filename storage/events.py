"""What changed, for those who catch up: `store.Events`."""

from imtornado.records import Event
from storage.again import done_again
from storage.transactions import Transactions


@done_again
class SqlEvents:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def position(self) -> int:
        with self._transactions.read() as tx:
            return tx.number("SELECT max(id) FROM event")

    def after(self, event_id: int, limit: int) -> tuple[Event, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(
                "SELECT id, user_id, community_id, kind, data, created_at_ms FROM event"
                " WHERE id > ? ORDER BY id LIMIT ?",
                event_id,
                limit,
            )
        return tuple(Event(*row) for row in rows)

    def prune(self, before_ms: int, limit: int) -> int:
        with self._transactions.write() as tx:
            oldest = tx.all(
                "SELECT id FROM event WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?", before_ms, limit
            )
            if not oldest:
                return 0
            # By ids that follow each other: those of one time nearly do.
            return tx.change(
                "DELETE FROM event WHERE id BETWEEN ? AND ? AND created_at_ms < ?",
                *(min(oldest)[0], max(oldest)[0], before_ms),
            )
