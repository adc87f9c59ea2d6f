"""Messages that are too old to be kept: the oldest of a conversation go, whole, and `first_seq` moves behind them.

Nothing of them stays: what names them by their seq in another table goes in the same transaction, their files lose
these uses, their cids may come again.
"""

from collections.abc import Iterable
from itertools import takewhile

from storage.file_uses import file_named, resource_name
from storage.locked import LockedConversation
from storage.transactions import Row, Tx

_OLDEST = (
    "SELECT seq, created_at_ms, url, pic, mention FROM message WHERE conversation_id = ? AND seq BETWEEN ? AND ?"
    " ORDER BY seq"
)
_BY_SEQ = ("reaction", "hidden", "earlier_text", "`change`", "message")


def expire(tx: Tx, conversation: LockedConversation, before_ms: int, limit: int) -> int:
    """Removes at most `limit` messages that came before then, the oldest first; how many it were."""
    conversation_id, first = conversation.conversation_id, conversation.first_seq
    end = min(conversation.last_seq, first + limit - 1)
    # Times do not decrease with the seq.
    rows = list(takewhile(lambda row: row[1] < before_ms, tx.all(_OLDEST, conversation_id, first, end)))
    if not rows:
        return 0
    _release_files(tx, conversation_id, rows)
    mentions = [(user_id, conversation_id, row[0]) for row in rows if row[4] for user_id in set(row[4].split(","))]
    if mentions:
        tx.executemany("DELETE FROM mention WHERE user_id = ? AND conversation_id = ? AND seq = ?", mentions)
    seqs = (conversation_id, first, rows[-1][0])
    for table in _BY_SEQ:
        tx.execute(f"DELETE FROM {table} WHERE conversation_id = ? AND seq BETWEEN ? AND ?", seqs)
    conversation.first_seq = rows[-1][0] + 1
    conversation.changed = True
    tx.execute("UPDATE conversation SET first_seq = ? WHERE id = ?", (conversation.first_seq, conversation_id))
    return len(rows)


def _release_files(tx: Tx, conversation_id: int, rows: Iterable[Row]) -> None:
    uses = []
    for seq, _, url, pic, _ in rows:
        for name in {resource_name(url), resource_name(pic)} - {""}:
            file = file_named(tx, name)
            if file is not None:
                uses.append((file, conversation_id, seq))
    if uses:
        tx.executemany("DELETE FROM file_use WHERE name = ? AND conversation_id = ? AND seq = ?", uses)
