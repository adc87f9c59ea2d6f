"""Work that one process does for all: its row in `job` says who, and until when he is waited for."""

from storage.transactions import Transactions


class SqlJobs:
    """`store.Store.hold` and `let_go`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def hold(self, job: str, holder: str, for_ms: int) -> bool:
        with self._transactions.write() as tx:
            until_ms = tx.now_ms + for_ms
            row = tx.one(f"SELECT holder, until_ms FROM job WHERE name = ?{tx.database.for_update}", job)
            if row is None:
                try:
                    tx.execute(
                        "INSERT INTO job (name, holder, until_ms, position, version) VALUES (?, ?, ?, 0, 0)",
                        (job, holder, until_ms),
                    )
                except tx.database.duplicate:
                    return False
                return True
            if row[0] != holder and row[1] > tx.now_ms:
                return False
            tx.execute("UPDATE job SET holder = ?, until_ms = ? WHERE name = ?", (holder, until_ms, job))
            return True

    def let_go(self, job: str, holder: str) -> None:
        with self._transactions.write() as tx:
            tx.execute("UPDATE job SET until_ms = 0 WHERE name = ? AND holder = ?", (job, holder))
