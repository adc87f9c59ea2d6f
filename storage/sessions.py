"""Log-ins of devices, of whose tokens only the hash is stored: `store.Sessions`."""

import logging
import threading

from imtornado.errors import Busy, NotFound
from imtornado.records import Opening, Session, User
from storage.again import done_again
from storage.log_ins import open_session
from storage.people_store import NewSession
from storage.rows import SESSION, SESSION_WIDTH, USER, session_of, user_of
from storage.transactions import LIST_LIMIT, Transactions, Tx
from storage.users import locked_user, require_password

log = logging.getLogger(__name__)

SEEN_EVERY_MS = 60_000
SEEN_GATHER_MS = 1000
_LIVE = (
    f"SELECT {SESSION}, {USER} FROM session s CROSS JOIN user u ON u.id = s.user_id"
    " WHERE s.token_sha256 = ? AND s.expires_at_ms > ? AND u.disabled_at_ms = 0"
)
_COMMUNITIES = (
    "SELECT c.id FROM member m CROSS JOIN community c ON c.conversation_id = m.conversation_id"
    " WHERE m.user_id = ? AND m.role > 0 AND m.left_seq IS NULL ORDER BY c.id"
)


@done_again
class SqlSessions:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._seen: set[int] = set()  # ids of sessions in use and not yet noted
        self._seen_written_ms = 0
        self._seen_mutex = threading.Lock()

    def create(self, user_id: int, new: NewSession, proven_hash: str | None = None) -> Session:
        with self._transactions.write() as tx:
            user = locked_user(tx, user_id)
            if proven_hash is not None:
                require_password(tx, user_id, proven_hash)
            return open_session(tx, user, new)

    def find(self, token_sha256: bytes) -> tuple[Session, User] | None:
        with self._transactions.read() as tx:
            found = _live(tx, token_sha256)
            now_ms = tx.now_ms
        if found is not None:
            self._see(found[0], now_ms)
        return found

    def opening(self, token_sha256: bytes) -> Opening | None:
        with self._transactions.read() as tx:
            found = _live(tx, token_sha256)
            if found is None:
                return None
            session, user = found
            opening = Opening(session, user, tuple(row[0] for row in tx.all(_COMMUNITIES, user.user_id)))
            now_ms = tx.now_ms
        self._see(session, now_ms)
        return opening

    def list(self, user_id: int) -> tuple[Session, ...]:
        self._write_seen()
        with self._transactions.read() as tx:
            rows = tx.all(
                f"SELECT {SESSION} FROM session s WHERE s.user_id = ? AND s.expires_at_ms > ?"
                " ORDER BY s.seen_at_ms DESC, s.id DESC",
                user_id,
                tx.now_ms,
            )
        return tuple(session_of(row) for row in rows)

    def revoke(self, user_id: int, session_id: int) -> None:
        with self._transactions.write() as tx:
            if not tx.change("DELETE FROM session WHERE id = ? AND user_id = ?", session_id, user_id):
                raise NotFound("There is no such session.", field="id")
            tx.tell(user_id, "session.ended", id=session_id)

    def _see(self, session: Session, now_ms: int) -> None:
        """Notes that the session is in use, at most once a minute each; when everybody comes back at once, together."""
        if now_ms - session.seen_at_ms < SEEN_EVERY_MS:
            return
        with self._seen_mutex:
            self._seen.add(session.session_id)
            if 0 <= now_ms - self._seen_written_ms < SEEN_GATHER_MS:
                return
            self._seen_written_ms = now_ms
        self._write_seen()

    def _write_seen(self) -> None:
        """Writes what was gathered; a busy database is no reason to refuse the user who happens to do it."""
        with self._seen_mutex:
            seen, self._seen = sorted(self._seen), set()
        if not seen:
            return
        try:
            with self._transactions.write() as tx:
                for start in range(0, len(seen), LIST_LIMIT):
                    part = seen[start : start + LIST_LIMIT]
                    marks = ",".join("?" * len(part))
                    tx.execute(f"UPDATE session SET seen_at_ms = ? WHERE id IN ({marks})", (tx.now_ms, *part))
        except Busy:
            log.info("%d sessions: seen not noted, the database is busy", len(seen))


def _live(tx: Tx, token_sha256: bytes) -> tuple[Session, User] | None:
    row = tx.one(_LIVE, token_sha256.hex(), tx.now_ms)
    return None if row is None else (session_of(row[:SESSION_WIDTH]), user_of(row[SESSION_WIDTH:]))
