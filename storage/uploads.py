"""Stored files, who uploaded them and who may see them: `store.Uploads`."""

import secrets
from collections.abc import Sequence

import msgspec

from imtornado.file_records import Upload, Usage
from storage.again import done_again
from storage.file_uses import IN_MESSAGE, file_named, may_see
from storage.transactions import Transactions, Tx

_UPLOAD = (
    "SELECT p.sha256, p.name, p.mime, p.size_bytes, p.width, p.height, p.thumb, p.placeholder, p.owner_id,"
    " p.created_at_ms, p.duration_ms, p.result_sha256 FROM upload p"
)
_IDLE = (
    "NOT EXISTS (SELECT 1 FROM file_use f WHERE f.name = p.name)"
    " AND NOT EXISTS (SELECT 1 FROM upload_claim c WHERE c.name = p.name AND c.created_at_ms >= ?)"
)
_KEY = "file_key"
KEEPING = "keep-files "  # names of `meta`: until when nothing is forgotten, for each who wants it so


@done_again
class SqlUploads:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def by_sha256(self, sha256: str) -> Upload | None:
        with self._transactions.read() as tx:
            return _of_bytes(tx, sha256)

    def by_result(self, result_sha256: str) -> Upload | None:
        with self._transactions.read() as tx:
            return _of_result(tx, result_sha256)

    def claim(self, upload: Upload, file_name: str = "") -> Upload:
        with self._transactions.write() as tx:
            stored = _kept(tx, _of_bytes(tx, upload.sha256))
            if stored is None:
                stored = _kept(tx, _of_result(tx, upload.result_sha256))
                if stored is None:
                    _insert(tx, upload)
                    stored = upload
                else:
                    tx.execute(
                        "INSERT INTO upload_alias (sha256, size_bytes, name) VALUES (?, ?, ?)",
                        (upload.sha256, upload.size_bytes, stored.name),
                    )
            _claim(tx, stored.name, upload.owner_id, file_name)
            return stored

    def claim_known(
        self, sha256: str, size_bytes: int, user_id: int, file_name: str = "", *, own: bool = False
    ) -> Upload | None:
        with self._transactions.write() as tx:
            stored = _kept(tx, _of_bytes(tx, sha256, size_bytes))
            if stored is None or (own and not _has_claimed(tx, stored.name, user_id)):
                return None
            _claim(tx, stored.name, user_id, file_name)
            return stored

    def visible(self, name: str, user_id: int) -> Upload | None:
        with self._transactions.read() as tx:
            file = file_named(tx, name)
            return _one(tx, "p.name = ?", file) if file is not None and may_see(tx, file, user_id) else None

    def file_name(self, name: str, user_id: int) -> str:
        with self._transactions.read() as tx:
            own = tx.one(
                "SELECT file_name FROM upload_claim WHERE name = ? AND user_id = ? AND file_name <> ''", name, user_id
            )
            if own is not None:
                return str(own[0])
            # Never the name that somebody gave it who has nothing to do with the one who looks.
            message = tx.one(
                "SELECT x.file, c.file_name"
                + IN_MESSAGE.format(more=" LEFT JOIN upload_claim c ON c.name = f.name AND c.user_id = x.sender_id"),
                name,
                user_id,
            )
        return "" if message is None else _told_name(message[0]) or str(message[1] or "")

    def unused(self, before_ms: int, limit: int) -> tuple[Upload, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(f"{_UPLOAD} WHERE {_IDLE} LIMIT ?", before_ms, limit)
        return tuple(Upload(*row) for row in rows)

    def keep_all(self, holder: str, until_ms: int) -> None:
        with self._transactions.write() as tx:
            # The row that `forget` locks too: whoever forgets after this commit sees it.
            tx.one(f"SELECT value FROM meta WHERE name = 'epoch'{tx.database.for_update}")
            tx.execute("DELETE FROM meta WHERE name = ?", (KEEPING + holder,))
            if until_ms > tx.now_ms:
                tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (KEEPING + holder, str(until_ms)))

    def forget(self, name: str, before_ms: int) -> bool:
        with self._transactions.write() as tx:
            if _are_all_kept(tx):
                return False
            # Whoever uses or claims it now waits here, or came first and is seen.
            tx.one(f"SELECT sha256 FROM upload WHERE name = ?{tx.database.for_update}", name)
            if _one(tx, f"p.name = ? AND {_IDLE}", name, before_ms) is None:
                return False
            for table in ("upload_claim", "upload_alias", "upload"):
                tx.execute(f"DELETE FROM {table} WHERE name = ?", (name,))
            return True

    def usage(self, user_id: int, since_ms: int) -> Usage:
        with self._transactions.read() as tx:
            row = tx.one(
                "SELECT coalesce(sum(p.size_bytes), 0), count(*) FROM upload_claim c CROSS JOIN upload p"
                " ON p.name = c.name WHERE c.user_id = ? AND c.created_at_ms >= ?",
                user_id,
                since_ms,
            )
        return Usage(*(int(number) for number in row or (0, 0)))

    def known(self, names: Sequence[str]) -> frozenset[str]:
        with self._transactions.read() as tx:
            own = tx.among("SELECT name FROM upload WHERE name IN ({})", names)
            thumbs = tx.among("SELECT thumb FROM upload WHERE thumb IN ({}) AND thumb <> ''", names)
            return frozenset(row[0] for rows in (own, thumbs) for row in rows)

    def after(self, name: str, limit: int) -> tuple[Upload, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(f"{_UPLOAD} WHERE p.name > ? ORDER BY p.name LIMIT ?", name, limit)
        return tuple(Upload(*row) for row in rows)

    def signing_key(self) -> bytes:
        with self._transactions.write() as tx:
            row = tx.one("SELECT value FROM meta WHERE name = ?", _KEY)
            if row is None:
                row = (secrets.token_hex(32),)
                tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (_KEY, *row))
            return bytes.fromhex(row[0])


def _are_all_kept(tx: Tx) -> bool:
    tx.one(f"SELECT value FROM meta WHERE name = 'epoch'{tx.database.for_update}")
    rows = tx.all("SELECT value FROM meta WHERE name LIKE ?", f"{KEEPING}%")
    return any(int(until_ms) > tx.now_ms for (until_ms,) in rows)


def _one(tx: Tx, condition: str, *parameters: object) -> Upload | None:
    row = tx.one(f"{_UPLOAD} WHERE {condition}", *parameters)
    return None if row is None else Upload(*row)


def _of_bytes(tx: Tx, sha256: str, size_bytes: int | None = None) -> Upload | None:
    """The file that was made of these bytes, of exactly this size unless it is None."""
    stored = _one(tx, "p.sha256 = ?", sha256)
    if stored is not None:
        return stored if size_bytes in (None, stored.size_bytes) else None
    alias = tx.one("SELECT name, size_bytes FROM upload_alias WHERE sha256 = ?", sha256)
    return _one(tx, "p.name = ?", alias[0]) if alias is not None and size_bytes in (None, alias[1]) else None


def _of_result(tx: Tx, result_sha256: str) -> Upload | None:
    return _one(tx, "p.result_sha256 = ?", result_sha256) if result_sha256 else None


def _kept(tx: Tx, upload: Upload | None) -> Upload | None:
    """The file, which nobody forgets before this transaction ends; None where that has been done."""
    if upload is None:
        return None
    lock = tx.database.for_share
    return None if tx.one(f"SELECT sha256 FROM upload WHERE name = ?{lock}", upload.name) is None else upload


def _insert(tx: Tx, upload: Upload) -> None:
    tx.execute(
        "INSERT INTO upload (sha256, name, mime, size_bytes, width, height, thumb, placeholder, owner_id,"
        " created_at_ms, duration_ms, result_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        msgspec.structs.astuple(upload),
    )


def _has_claimed(tx: Tx, name: str, user_id: int) -> bool:
    return tx.one("SELECT 1 FROM upload_claim WHERE name = ? AND user_id = ?", name, user_id) is not None


def _claim(tx: Tx, name: str, user_id: int, file_name: str) -> None:
    if not _has_claimed(tx, name, user_id):
        tx.execute(
            "INSERT INTO upload_claim (name, user_id, created_at_ms, file_name) VALUES (?, ?, ?, ?)",
            (name, user_id, tx.now_ms, file_name),
        )
        return
    tx.execute("UPDATE upload_claim SET created_at_ms = ? WHERE name = ? AND user_id = ?", (tx.now_ms, name, user_id))
    if file_name:
        tx.execute("UPDATE upload_claim SET file_name = ? WHERE name = ? AND user_id = ?", (file_name, name, user_id))


def _told_name(file: str) -> str:
    """The name in a message's `file`, "" where it tells none."""
    try:
        told = msgspec.json.decode(file) if file else None
    except msgspec.DecodeError:
        return ""
    name = told.get("name") if isinstance(told, dict) else None
    return name if isinstance(name, str) else ""
