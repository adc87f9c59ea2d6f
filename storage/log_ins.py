"""The rows of sessions as accounts come, change and end; with the user's row locked."""

from imtornado.errors import AccountDisabled
from imtornado.records import Session, User
from storage.people_store import NewSession
from storage.transactions import Tx


def open_session(tx: Tx, user: User, new: NewSession) -> Session:
    """A session of a user whose row is locked. Raises: AccountDisabled."""
    if user.disabled_at_ms:
        raise AccountDisabled("This account is disabled.")
    tx.execute("DELETE FROM session WHERE user_id = ? AND expires_at_ms <= ?", (user.user_id, tx.now_ms))
    session_id = tx.next_ids("session")  # never given again: an old `session.ended` must not meet a new session
    tx.execute(
        "INSERT INTO session (id, user_id, token_sha256, device, ip, created_at_ms, seen_at_ms, expires_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(session_id, user.user_id, new.token_sha256.hex(), new.device, new.ip),
            *(tx.now_ms, tx.now_ms, new.expires_at_ms),
        ),
    )
    tx.tell(user.user_id, "session.added", id=session_id)
    return Session(session_id, user.user_id, new.device, new.ip, tx.now_ms, tx.now_ms, new.expires_at_ms)


def end_sessions(tx: Tx, user_id: int, keep_session_id: int) -> None:
    """All of his but the one kept (0: none is)."""
    for (session_id,) in tx.all("SELECT id FROM session WHERE user_id = ? AND id <> ?", user_id, keep_session_id):
        tx.tell(user_id, "session.ended", id=session_id)
    tx.execute("DELETE FROM session WHERE user_id = ? AND id <> ?", (user_id, keep_session_id))
