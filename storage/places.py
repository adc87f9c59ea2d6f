"""The rows that make a conversation and a place in it; shared by the modules that create conversations.

Whoever changes rights of members locks the conversation's row first, as the writer does: what commits first wins.
"""

from imtornado.records import Kind, Role, conversation_key
from storage.transactions import Tx


def open_conversation(tx: Tx, kind: Kind, key: str) -> int:
    """The id of a conversation that did not exist."""
    return tx.insert(
        "INSERT INTO conversation (kind, `key`, first_seq, last_seq, ver, changed_at_ms, active_at_ms)"
        " VALUES (?, ?, 1, 0, 0, ?, ?)",
        *(kind, key, tx.now_ms, tx.now_ms),
    )


def locked_conversation(tx: Tx, key: str) -> int | None:
    """The conversation's id, its row locked until the commit; None when there is none."""
    row = tx.one(f"SELECT id FROM conversation WHERE `key` = ?{tx.database.for_update}", key)
    return None if row is None else int(row[0])


def add_member(tx: Tx, conversation_id: int, user_id: int, role: Role, joined_seq: int = 1) -> None:
    """A place for somebody who never had one there."""
    tx.execute(
        "INSERT INTO member (user_id, conversation_id, role, may_send, silenced_until_ms, joined_seq, left_seq,"
        " read_seq, sent_seq, cleared_seq, pinned, muted, changed_at_ms)"
        " VALUES (?, ?, ?, 1, 0, ?, NULL, 0, 0, 0, 0, 0, ?)",
        (user_id, conversation_id, role, joined_seq, tx.now_ms),
    )


def settle_peers(tx: Tx, user_id: int, other_id: int) -> None:
    """Lets both write to each other exactly if they are friends and no block stands between them."""
    conversation_id = locked_conversation(tx, conversation_key(Kind.SINGLE, user_id, other_id))
    if conversation_id is None:
        return
    may_send = are_friends(tx, user_id, other_id) and not is_blocked(tx, user_id, other_id)
    tx.execute(
        "UPDATE member SET may_send = ?, changed_at_ms = ? WHERE conversation_id = ?",
        (int(may_send), tx.now_ms, conversation_id),
    )


def are_friends(tx: Tx, user_id: int, other_id: int) -> bool:
    return tx.one("SELECT 1 FROM contact WHERE owner_id = ? AND friend_id = ?", user_id, other_id) is not None


def blocks(tx: Tx, owner_id: int, target_id: int) -> bool:
    """The owner has blocked the target."""
    return tx.one("SELECT 1 FROM block WHERE owner_id = ? AND target_id = ?", owner_id, target_id) is not None


def is_blocked(tx: Tx, user_id: int, other_id: int) -> bool:
    """Either has blocked the other."""
    return blocks(tx, user_id, other_id) or blocks(tx, other_id, user_id)


def owned_count(tx: Tx, user_id: int) -> int:
    """Communities that the user owns, with his row locked: two at once count one after the other."""
    tx.one(f"SELECT id FROM user WHERE id = ?{tx.database.for_update}", user_id)
    return tx.number("SELECT count(*) FROM community WHERE owner_id = ? AND dissolved_at_ms = 0", user_id)
