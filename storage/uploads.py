"""Stored files, who uploaded them and who may see them: `store.Uploads`."""

from collections.abc import Sequence

from imtornado.records import Upload
from storage.file_uses import file_named, may_see
from storage.transactions import Transactions, Tx

_UPLOAD = (
    "SELECT p.sha256, p.name, p.mime, p.size_bytes, p.width, p.height, p.thumb, p.placeholder, p.owner_id,"
    " p.created_at_ms FROM upload p"
)
_IDLE = (
    "NOT EXISTS (SELECT 1 FROM file_use f WHERE f.name = p.name)"
    " AND NOT EXISTS (SELECT 1 FROM upload_claim c WHERE c.name = p.name AND c.created_at_ms >= ?)"
)


class SqlUploads:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def by_sha256(self, sha256: str) -> Upload | None:
        with self._transactions.read() as tx:
            return _one(tx, "p.sha256 = ?", sha256)

    def claim(self, upload: Upload) -> Upload:
        with self._transactions.write() as tx:
            stored = _one(tx, "p.sha256 = ?", upload.sha256)
            if stored is None:
                _insert(tx, upload)
                stored = upload
            _claim(tx, stored.name, upload.owner_id)
            return stored

    def claim_known(self, sha256: str, size_bytes: int, user_id: int) -> Upload | None:
        with self._transactions.write() as tx:
            stored = _one(tx, "p.sha256 = ?", sha256)
            if stored is None or stored.size_bytes != size_bytes:
                return None
            _claim(tx, stored.name, user_id)
            return stored

    def visible(self, name: str, user_id: int) -> Upload | None:
        with self._transactions.read() as tx:
            file = file_named(tx, name)
            return _one(tx, "p.name = ?", file) if file is not None and may_see(tx, file, user_id) else None

    def unused(self, before_ms: int, limit: int) -> tuple[Upload, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(f"{_UPLOAD} WHERE {_IDLE} LIMIT ?", before_ms, limit)
        return tuple(Upload(*row) for row in rows)

    def forget(self, name: str, before_ms: int) -> bool:
        with self._transactions.write() as tx:
            if _one(tx, f"p.name = ? AND {_IDLE}", name, before_ms) is None:
                return False
            tx.execute("DELETE FROM upload_claim WHERE name = ?", (name,))
            tx.execute("DELETE FROM upload WHERE name = ?", (name,))
            return True

    def used_bytes(self, user_id: int, since_ms: int) -> int:
        with self._transactions.read() as tx:
            return tx.number(
                "SELECT sum(p.size_bytes) FROM upload_claim c CROSS JOIN upload p ON p.name = c.name"
                " WHERE c.user_id = ? AND c.created_at_ms >= ?",
                user_id,
                since_ms,
            )

    def known(self, names: Sequence[str]) -> frozenset[str]:
        with self._transactions.read() as tx:
            own = tx.among("SELECT name FROM upload WHERE name IN ({})", names)
            thumbs = tx.among("SELECT thumb FROM upload WHERE thumb IN ({}) AND thumb <> ''", names)
            return frozenset(row[0] for rows in (own, thumbs) for row in rows)


def _one(tx: Tx, condition: str, *parameters: object) -> Upload | None:
    row = tx.one(f"{_UPLOAD} WHERE {condition}", *parameters)
    return None if row is None else Upload(*row)


def _insert(tx: Tx, upload: Upload) -> None:
    tx.execute(
        "INSERT INTO upload (sha256, name, mime, size_bytes, width, height, thumb, placeholder, owner_id,"
        " created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(upload.sha256, upload.name, upload.mime, upload.size_bytes, upload.width, upload.height),
            *(upload.thumb, upload.placeholder, upload.owner_id, upload.created_at_ms),
        ),
    )


def _claim(tx: Tx, name: str, user_id: int) -> None:
    if not tx.change(
        "UPDATE upload_claim SET created_at_ms = ? WHERE name = ? AND user_id = ?", tx.now_ms, name, user_id
    ):
        tx.execute(
            "INSERT INTO upload_claim (name, user_id, created_at_ms) VALUES (?, ?, ?)", (name, user_id, tx.now_ms)
        )
