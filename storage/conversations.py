"""Conversations as one member sees them, and their messages: `store.Conversations`."""

from typing import NamedTuple

from imtornado.change_records import ChangePage, MessageChange
from imtornado.errors import NotFound
from imtornado.records import Conversation, HistoryPage, Kind, conversation_key
from storage.again import done_again
from storage.earlier_texts import as_of
from storage.previews import COLUMNS, conversations_of, shown
from storage.reactions import reactions_now, reactions_then
from storage.refusals import refusal
from storage.rows import MESSAGE, PINNED, destination, has_expired, notebook_key, window
from storage.transactions import Transactions, Tx

CHANGES_SCANNED = 2000  # of which a page of changes is taken: those outside of a window are many for who came late

# What the member may see of a conversation is not empty: the same rule as `rows.window`.
_HAS_MESSAGES = "(c.last_seq >= m.joined_seq AND c.last_seq > m.cleared_seq AND c.last_seq >= c.first_seq)"
_LIST = (
    f"SELECT {COLUMNS}, c.active_at_ms FROM member m CROSS JOIN conversation c ON c.id = m.conversation_id"
    f" WHERE m.user_id = ? AND m.left_seq IS NULL AND ({_HAS_MESSAGES} OR m.pinned = {PINNED} OR c.`key` = ?)"
    " AND (? = 0 OR c.active_at_ms < ? OR (c.active_at_ms = ? AND c.id < ?))"
    " ORDER BY c.active_at_ms DESC, c.id DESC LIMIT ?"
)
# Of a conversation that he left, nothing after his leaving may show, not even that something happened.
_MOVED = (
    "(CASE WHEN m.left_seq IS NULL AND c.changed_at_ms > m.changed_at_ms THEN c.changed_at_ms ELSE m.changed_at_ms END)"
)
_CHANGED = (
    f"SELECT {COLUMNS}, {_MOVED} FROM member m CROSS JOIN conversation c ON c.id = m.conversation_id"
    f" WHERE m.user_id = ? AND {_MOVED} >= ?"
    f" AND ({_HAS_MESSAGES} OR m.pinned > 0 OR c.`key` = ? OR m.left_seq IS NOT NULL OR m.cleared_seq > 0"
    " OR c.first_seq > 1)"
    # The oldest move first: what moves while the pages are turned comes again on a later page, and is never skipped.
    f" AND (? = 0 OR {_MOVED} > ? OR ({_MOVED} = ? AND c.id > ?))"
    f" ORDER BY {_MOVED}, c.id LIMIT ?"
)
_OLDEST = (
    "SELECT c.id, c.`key`, x.created_at_ms FROM conversation c"
    " LEFT JOIN message x ON x.conversation_id = c.id AND x.seq = c.first_seq WHERE c.id > ? ORDER BY c.id LIMIT ?"
)
_PLACE = (
    "SELECT c.id, c.first_seq, c.last_seq, m.joined_seq, m.cleared_seq, m.left_seq,"
    " CASE WHEN m.left_seq IS NULL THEN c.ver ELSE m.left_ver END FROM conversation c"
    " CROSS JOIN member m ON m.user_id = ? AND m.conversation_id = c.id WHERE c.`key` = ?"
)
_RANGE = (
    f"SELECT {MESSAGE}, h.seq FROM message x LEFT JOIN hidden h"
    " ON h.user_id = ? AND h.conversation_id = x.conversation_id AND h.seq = x.seq"
    " WHERE x.conversation_id = ? AND x.seq BETWEEN ? AND ? ORDER BY x.seq"
)
_CHANGES = (
    "SELECT x.actor_id, x.ver, x.kind, x.seq, x.data FROM `change` x"
    " WHERE x.conversation_id = ? AND x.ver > ? AND x.ver <= ? AND x.seq BETWEEN ? AND ?"
    " AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = ? AND h.conversation_id = x.conversation_id"
    " AND h.seq = x.seq) ORDER BY x.ver LIMIT ?"
)


class _Place(NamedTuple):
    """A row of _PLACE; `ver` is the newest change that is his to see."""

    conversation_id: int
    first_seq: int
    last_seq: int
    joined_seq: int
    cleared_seq: int
    left_seq: int | None
    ver: int

    @property
    def window(self) -> tuple[int, int]:
        return window(self.first_seq, self.last_seq, self.joined_seq, self.cleared_seq, self.left_seq)

    @property
    def expired(self) -> bool:
        return has_expired(self.first_seq, self.joined_seq, self.cleared_seq)


@done_again
class SqlConversations:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def list(self, user_id: int, before_ms: int, before_id: int, limit: int) -> tuple[Conversation, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(_LIST, user_id, notebook_key(user_id), before_ms, before_ms, before_ms, before_id, limit)
            return conversations_of(tx, user_id, rows)

    def changed(self, user_id: int, since_ms: int, after: tuple[int, int], limit: int) -> tuple[Conversation, ...]:
        after_ms, after_id = after
        with self._transactions.read() as tx:
            rows = tx.all(
                _CHANGED,
                *(user_id, since_ms, notebook_key(user_id), after_ms, after_ms, after_ms, after_id, limit),
            )
            return conversations_of(tx, user_id, rows)

    def history(
        self, user_id: int, kind: int, dstid: int, before: int | None, after: int | None, limit: int
    ) -> HistoryPage:
        key = conversation_key(kind, user_id, dstid)
        with self._transactions.read() as tx:
            place = _place(tx, user_id, key)
            first, last = place.window
            if after is not None:
                start = max(first, after + 1)
                end = min(last, start + limit - 1)
            else:
                end = last if before is None else min(last, before - 1)
                start = max(first, end - limit + 1)
            conversation_id, seqs = place.conversation_id, (start, end)
            messages = tuple(shown(key, row) for row in tx.all(_RANGE, user_id, conversation_id, *seqs))
            if place.left_seq is None:
                reactions = reactions_now(tx, conversation_id, user_id, seqs)
            else:
                messages = as_of(tx, conversation_id, messages, place.ver)
                reactions = reactions_then(tx, conversation_id, user_id, seqs, place.ver)
        return HistoryPage(messages, first, last, reactions, place.ver, place.expired)

    def older(self, before_ms: int, after_id: int, limit: int) -> tuple[tuple[str, ...], int]:
        with self._transactions.read() as tx:
            rows = tx.all(_OLDEST, after_id, limit)
        keys = tuple(key for _, key, oldest_ms in rows if oldest_ms is not None and oldest_ms < before_ms)
        return keys, rows[-1][0] if len(rows) == limit else 0

    def changes(self, user_id: int, kind: int, dstid: int, since: int, limit: int) -> ChangePage:
        key = conversation_key(kind, user_id, dstid)
        with self._transactions.read() as tx:
            place = _place(tx, user_id, key)
            end = min(place.ver, since + CHANGES_SCANNED)
            rows = tx.all(_CHANGES, place.conversation_id, since, end, *place.window, user_id, limit)
        changes = tuple(MessageChange(*destination(key, row[0]), *row) for row in rows)
        return ChangePage(changes, changes[-1].ver if len(changes) == limit else end, place.ver)

    def check_right_to_write(self, user_id: int, kind: int, dstid: int) -> None:
        with self._transactions.read() as tx:
            key = conversation_key(kind, user_id, dstid)
            reason = refusal(tx, user_id, kind, dstid, tx.number("SELECT id FROM conversation WHERE `key` = ?", key))
        if reason is not None:
            raise reason

    def readers(self, user_id: int, community_id: int, seq: int) -> tuple[int, ...]:
        with self._transactions.read() as tx:
            place = _place(tx, user_id, conversation_key(Kind.COMMUNITY, user_id, community_id))
            first, last = place.window
            if place.left_seq is not None or not first <= seq <= last:
                raise NotFound("There is no such message.", field="seq")
            rows = tx.all(
                "SELECT user_id FROM member WHERE conversation_id = ? AND left_seq IS NULL AND read_seq >= ?"
                " ORDER BY user_id",
                place.conversation_id,
                seq,
            )
        return tuple(row[0] for row in rows)


def _place(tx: Tx, user_id: int, key: str) -> _Place:
    """Raises: NotFound for whoever never was a member."""
    row = tx.one(_PLACE, user_id, key)
    if row is None:
        raise NotFound("There is no such conversation.", field="dstid")
    return _Place(*row)
