"""Uploads that may go on after an interruption: `store.PartialUploads`. Their bytes lie in files."""

from collections.abc import Sequence

from imtornado.file_records import PartialUpload, Usage
from storage.again import done_again
from storage.transactions import Transactions

_COLUMNS = "id, user_id, size_bytes, file_name, form, sha256, expires_at_ms"


@done_again
class SqlPartialUploads:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, partial: PartialUpload) -> None:
        with self._transactions.write() as tx:
            tx.execute(
                f"INSERT INTO partial_upload ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(partial.upload_id, partial.user_id, partial.size_bytes, partial.file_name, partial.form),
                    *(partial.sha256, partial.expires_at_ms),
                ),
            )

    def get(self, upload_id: str, user_id: int) -> PartialUpload | None:
        with self._transactions.read() as tx:
            row = tx.one(f"SELECT {_COLUMNS} FROM partial_upload WHERE id = ? AND user_id = ?", upload_id, user_id)
        return None if row is None else PartialUpload(*row)

    def arrived(self, upload_id: str, sha256: str) -> None:
        with self._transactions.write() as tx:
            tx.execute("UPDATE partial_upload SET sha256 = ? WHERE id = ?", (sha256, upload_id))

    def remove(self, upload_id: str) -> None:
        with self._transactions.write() as tx:
            tx.execute("DELETE FROM partial_upload WHERE id = ?", (upload_id,))

    def usage(self, user_id: int) -> Usage:
        with self._transactions.read() as tx:
            row = tx.one(
                "SELECT coalesce(sum(size_bytes), 0), count(*) FROM partial_upload WHERE user_id = ? AND sha256 = ''"
                " AND expires_at_ms > ?",
                user_id,
                tx.now_ms,
            )
        return Usage(*(int(number) for number in row or (0, 0)))

    def expired(self, before_ms: int) -> tuple[str, ...]:
        with self._transactions.read() as tx:
            return tuple(row[0] for row in tx.all("SELECT id FROM partial_upload WHERE expires_at_ms < ?", before_ms))

    def known(self, upload_ids: Sequence[str]) -> frozenset[str]:
        with self._transactions.read() as tx:
            return frozenset(row[0] for row in tx.among("SELECT id FROM partial_upload WHERE id IN ({})", upload_ids))
