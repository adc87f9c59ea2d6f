"""The job that fills the search index behind the log, a piece at a time: `store.SearchIndex`.

What is indexed stands in `search_progress`, one row a conversation: texts up to `seq`, changes up to `ver`. It moves
in the transaction that writes the entries, so a process may end at any moment. The row `search` of `job` is locked by
every piece: one process works at a time, and whoever holds it and falls silent is followed by another.
`job.position` is a time: whatever changed before it is indexed. It stays a minute behind, for what commits late.
"""

from collections.abc import Sequence
from typing import NamedTuple

from imtornado.search_records import Indexed
from imtornado.tokenizer import VERSION, folded, tokens
from storage.search_entries import SHELF_SEQS, expire, searched_text, shelf_of, slot_of
from storage.transactions import Row, Transactions, Tx

JOB = "search"
HELD_MS = 3_000
OVERLAP_MS = 60_000  # longer than any transaction lasts
EMPTYING = -1  # job.position while old entries are removed
CONVERSATIONS = 256  # of a piece
CHANGES = 1_000  # of a conversation that a piece looks at
USUAL_CHARACTERS = 100  # of a message
COST_OF_A_SHELF = 200  # to take it away, in messages
EMPTIED_ENTRIES = 4_000  # a piece

_LAGGING = (
    "SELECT c.id, c.first_seq, c.last_seq, c.ver, c.changed_at_ms, COALESCE(p.first_seq, c.first_seq),"
    " COALESCE(p.seq, 0), COALESCE(p.ver, 0)"
    " FROM conversation c LEFT JOIN search_progress p ON p.conversation_id = c.id"
    " WHERE c.changed_at_ms >= ?"
    " AND (c.last_seq > COALESCE(p.seq, 0) OR c.ver > COALESCE(p.ver, 0) OR c.first_seq > p.first_seq)"
    " ORDER BY c.changed_at_ms LIMIT ?"
)
_WAITING = (
    "SELECT sum(c.last_seq - COALESCE(p.seq, 0)) FROM conversation c"
    " LEFT JOIN search_progress p ON p.conversation_id = c.id WHERE c.last_seq > COALESCE(p.seq, 0)"
)
_TEXTS = (
    "SELECT seq, media, content, file, created_at_ms FROM message"
    " WHERE conversation_id = ? AND seq BETWEEN ? AND ? AND gone = 0 ORDER BY seq"
)
_EARLIER = "SELECT seq, content FROM earlier_text WHERE conversation_id = ? AND seq BETWEEN ? AND ?"
_LOCK = "SELECT seq FROM message WHERE conversation_id = ? AND seq BETWEEN ? AND ?"
_EDITED = (
    "SELECT DISTINCT seq FROM `change`"
    " WHERE conversation_id = ? AND ver > ? AND ver <= ? AND kind = 'edit' AND seq BETWEEN ? AND ?"
)


class _Job(NamedTuple):
    holder: str
    until_ms: int
    position: int
    version: int


class _Lagging(NamedTuple):
    """A row of _LAGGING."""

    conversation_id: int
    first_seq: int
    last_seq: int
    ver: int
    changed_at_ms: int
    indexed_first_seq: int
    indexed_seq: int
    indexed_ver: int

    @property
    def stand(self) -> Row:
        """(ver, first_seq): another one says that texts were taken away."""
        return self.ver, self.first_seq


class _Work(NamedTuple):
    """Entries of one conversation, and where its progress stands when they are written."""

    conversation: _Lagging
    ranges: tuple[tuple[int, int], ...]  # of seqs that were read
    entries: set[Row]  # (shelf, token, slot)
    first_seq: int
    seq: int
    ver: int
    messages: int
    cost: int  # in messages of usual size
    since_ms: int  # when the first of them was sent


class SqlSearchIndex:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def step(self, holder: str, limit: int) -> Indexed | None:
        with self._transactions.read() as tx:
            job = _job(tx)
            if job is not None and job.holder != holder and job.until_ms > tx.now_ms:
                return None
            ready = job is not None and job.position != EMPTYING and job.version == VERSION
            lagging = _lagging(tx, job.position, CONVERSATIONS) if job is not None and ready else []
            full = len(lagging) >= CONVERSATIONS
            works = _read(tx, lagging, limit)
            since_ms = min((work.since_ms for work in works), default=tx.now_ms)
        if ready and not lagging:
            return Indexed(0, 0, more=False)
        with self._transactions.write() as tx:
            if not _take(tx, holder, job):
                return None
            if job is None or not ready:
                _empty(tx)
                return Indexed(0, 0, more=True)
            done = _write(tx, works)
            left = [one.changed_at_ms for one in lagging if one.conversation_id not in done]
            reached = min(left, default=max(one.changed_at_ms for one in lagging) if full else tx.now_ms)
            _move(tx, max(job.position, min(reached, tx.now_ms - OVERLAP_MS)))
            lag_ms = max(0, tx.now_ms - min([since_ms, *left]))
        return Indexed(sum(work.messages for work in works), lag_ms, more=bool(left) or full)

    def start_anew(self) -> None:
        with self._transactions.write() as tx:
            if tx.change("UPDATE job SET position = ? WHERE name = ?", EMPTYING, JOB) == 0:
                _add_job(tx, "", 0)

    def waiting(self) -> int:
        with self._transactions.read() as tx:
            return tx.number(_WAITING)

    def is_complete(self) -> bool:
        with self._transactions.read() as tx:
            job = _job(tx)
            return (
                job is not None and job.position >= 0 and job.version == VERSION and not _lagging(tx, job.position, 1)
            )


def _job(tx: Tx, ending: str = "") -> _Job | None:
    row = tx.one(f"SELECT holder, until_ms, position, version FROM job WHERE name = ?{ending}", JOB)
    return None if row is None else _Job(*row)


def _add_job(tx: Tx, holder: str, until_ms: int) -> None:
    tx.execute(
        "INSERT INTO job (name, holder, until_ms, position, version) VALUES (?, ?, ?, ?, ?)",
        (JOB, holder, until_ms, EMPTYING, VERSION),
    )


def _take(tx: Tx, holder: str, seen: _Job | None) -> bool:
    """Locks the job until the commit. False: another one works, or it is not where it was `seen`."""
    until_ms = tx.now_ms + HELD_MS
    if seen is None:
        try:
            _add_job(tx, holder, until_ms)
        except tx.database.duplicate:
            return False
        return True
    job = _job(tx, tx.database.for_update)
    if job is None or (job.position, job.version) != (seen.position, seen.version):
        return False
    if job.holder != holder and job.until_ms > tx.now_ms:
        return False
    position = job.position if job.version == VERSION else EMPTYING
    tx.execute(
        "UPDATE job SET holder = ?, until_ms = ?, position = ?, version = ? WHERE name = ?",
        (holder, until_ms, position, VERSION, JOB),
    )
    return True


def _move(tx: Tx, position: int) -> None:
    tx.execute("UPDATE job SET position = ? WHERE name = ?", (position, JOB))


def _empty(tx: Tx) -> None:
    """Removes some of the old entries; with the last of them what is known of progress, and the work begins."""
    row = tx.one("SELECT shelf, token FROM search_entry ORDER BY shelf, token LIMIT 1 OFFSET ?", EMPTIED_ENTRIES)
    if row is not None:
        tx.execute("DELETE FROM search_entry WHERE shelf < ?", row[:1])
        tx.execute("DELETE FROM search_entry WHERE shelf = ? AND token <= ?", row)
        return
    tx.execute("DELETE FROM search_entry")
    tx.execute("DELETE FROM search_progress")
    _move(tx, 0)


def _lagging(tx: Tx, position: int, limit: int) -> list[_Lagging]:
    """Conversations with something to index, those that wait longest first."""
    return [_Lagging(*row) for row in tx.all(_LAGGING, position, limit)]


def _read(tx: Tx, lagging: Sequence[_Lagging], limit: int) -> list[_Work]:
    """What to write for `limit` messages or so; of a long conversation a part.

    Half of it is for those that talk now, which do not wait for what was never indexed.
    """
    works: list[_Work] = []
    recent_ms = tx.now_ms - OVERLAP_MS
    first = _lagging(tx, recent_ms, CONVERSATIONS) if lagging and lagging[0].changed_at_ms < recent_ms else []
    known = {one.conversation_id for one in first}
    for part, upto in ((first, limit // 2), ([one for one in lagging if one.conversation_id not in known], limit)):
        for conversation in part:
            spent = sum(work.cost for work in works)
            if spent >= upto:
                break
            works.append(_work(tx, conversation, upto - spent))
    return works


def _work(tx: Tx, one: _Lagging, limit: int) -> _Work:
    upto = min(one.ver, one.indexed_ver + CHANGES) if one.indexed_seq >= one.first_seq else one.ver
    vers, seqs = (one.indexed_ver, upto), (one.first_seq, one.indexed_seq)
    edited = tx.all(_EDITED, one.conversation_id, *vers, *seqs) if upto > one.indexed_ver else ()
    ranges = [(seq, seq) for (seq,) in sorted(edited)]
    start = max(one.first_seq, one.indexed_seq + 1)
    end = min(one.last_seq, start + limit - 1)
    if start <= end:
        ranges.append((start, end))
    entries: set[Row] = set()
    messages = characters = 0
    since_ms = one.changed_at_ms
    for first, last in ranges:
        rows = tx.all(_TEXTS, one.conversation_id, first, last)
        messages += len(rows)
        if rows and last > one.indexed_seq:
            since_ms = min(since_ms, rows[0][-1])
        texts = [(seq, searched_text(media, content, file)) for seq, media, content, file, _ in rows]
        if one.ver:
            texts += [(seq, folded(content)) for seq, content in tx.all(_EARLIER, one.conversation_id, first, last)]
        for seq, text in texts:
            characters += len(text)
            shelf, slot = shelf_of(one.conversation_id, seq), slot_of(seq)
            entries.update((shelf, token, slot) for token in tokens(text))
    cost = 1 + messages + characters // USUAL_CHARACTERS
    # What has expired goes shelf by shelf.
    first_seq = min(one.first_seq, (one.indexed_first_seq // SHELF_SEQS + 1) * SHELF_SEQS)
    if one.indexed_first_seq < first_seq:
        cost += COST_OF_A_SHELF
    stand = (first_seq, max(end, one.indexed_seq), upto)
    return _Work(one, tuple(ranges), entries, *stand, messages, cost, since_ms)


def _lock(tx: Tx, work: _Work) -> bool:
    """A recall waits for these messages, and then finds the entries that it must drop. False: one is being changed now.

    That one is not waited for: the batch that has it may want another of these next, and new ones stand behind them.
    """
    lock = f"{_LOCK}{tx.database.for_update_free}"
    return all(
        len(tx.all(lock, work.conversation.conversation_id, first, last)) == last - first + 1
        for first, last in work.ranges
    )


def _write(tx: Tx, works: Sequence[_Work]) -> set[int]:
    """Writes what is still true; the ids of the conversations of which all is indexed now."""
    if tx.database.many_writers:
        works = [work for work in works if _lock(tx, work)]
    now = {
        row[0]: row[1:]
        for row in tx.among(
            "SELECT id, ver, first_seq FROM conversation WHERE id IN ({})",
            [work.conversation.conversation_id for work in works],
        )
    }
    # What changed since it was read is read again by the next step.
    true = [work for work in works if now.get(work.conversation.conversation_id) == work.conversation.stand]
    entries = sorted(set[Row]().union(*(work.entries for work in true)))  # in one order: nobody waits in a circle
    if entries:
        tx.executemany(f"{tx.database.insert_new} INTO search_entry (shelf, token, slot) VALUES (?, ?, ?)", entries)
    for work in true:
        if work.conversation.indexed_first_seq < work.first_seq:
            expire(tx, work.conversation.conversation_id, work.first_seq)
    if true:
        tx.executemany(
            "REPLACE INTO search_progress (conversation_id, first_seq, seq, ver) VALUES (?, ?, ?, ?)",
            [(work.conversation.conversation_id, work.first_seq, work.seq, work.ver) for work in true],
        )
    return {
        work.conversation.conversation_id
        for work in true
        if (work.first_seq, work.seq, work.ver)
        == (work.conversation.first_seq, work.conversation.last_seq, work.conversation.ver)
    }
