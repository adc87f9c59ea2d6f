"""The job that fills the search index behind the log, a piece at a time: `store.SearchIndex`.

What is indexed stands in `search_progress`, one row a conversation: texts up to `seq`, changes up to `ver`. It moves
in the transaction that writes the pages, so a process may end at any moment. The row `search` of `job` is locked by
every piece: one process works at a time, and whoever holds it and falls silent is followed by another.
`job.position` is a time: whatever changed before it is indexed. It stays a minute behind, for what commits late.
"""

from typing import NamedTuple

from imtornado.search_records import Indexed
from imtornado.tokenizer import VERSION
from storage import search_work
from storage.search_work import CONVERSATIONS, OVERLAP_MS
from storage.transactions import LIST_LIMIT, Transactions, Tx

JOB = "search"
HELD_MS = 3_000
EMPTYING = -1  # job.position while old entries are removed
EMPTIED_ROWS = LIST_LIMIT  # a piece

_WAITING = (
    "SELECT sum(c.last_seq - COALESCE(p.seq, 0)) FROM conversation c"
    " LEFT JOIN search_progress p ON p.conversation_id = c.id WHERE c.last_seq > COALESCE(p.seq, 0)"
)


class _Job(NamedTuple):
    holder: str
    until_ms: int
    position: int
    version: int

    @property
    def is_made(self) -> bool:
        """What is known of progress is true."""
        return self.position != EMPTYING and self.version == VERSION


class SqlSearchIndex:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def step(self, holder: str, limit: int, *, tails: bool = False) -> Indexed | None:
        with self._transactions.read() as tx:
            job = _job(tx)
            if job is not None and job.holder != holder and job.until_ms > tx.now_ms:
                return None
            is_made = job is not None and job.is_made
            lagging = search_work.lagging(tx, job.position, CONVERSATIONS, tails) if job is not None and is_made else []
            full = len(lagging) >= CONVERSATIONS
            piece = search_work.read(tx, lagging, limit, tails)
            since_ms = min((work.since_ms for work in piece.works), default=tx.now_ms)
            read_ms = tx.now_ms
        if is_made and not lagging:
            return Indexed(0, 0, more=False)
        with self._transactions.write() as tx:
            if not _take(tx, holder, job):
                return None
            if job is None or not is_made:
                _empty(tx)
                return Indexed(0, 0, more=True)
            done = search_work.write(tx, piece)
            left = [one.changed_at_ms for one in lagging if one.conversation_id not in done]
            reached = min(left, default=max(one.changed_at_ms for one in lagging) if full else read_ms)
            _move(tx, max(job.position, min(reached, read_ms - OVERLAP_MS)))
            lag_ms = max(0, tx.now_ms - since_ms)
        return Indexed(sum(work.messages for work in piece.works), lag_ms, more=bool(left) or full)

    def start_anew(self) -> None:
        with self._transactions.write() as tx:
            if tx.change("UPDATE job SET position = ? WHERE name = ?", EMPTYING, JOB) == 0:
                _add_job(tx, "", 0)

    def waiting(self) -> int:
        with self._transactions.read() as tx:
            return tx.number(_WAITING)

    def is_complete(self, *, tails: bool = False) -> bool:
        with self._transactions.read() as tx:
            job = _job(tx)
            return job is not None and job.is_made and not search_work.lagging(tx, job.position, 1, tails)


def is_made(tx: Tx) -> bool:
    """What is known of the progress of conversations is true: the index is not being emptied, and of this version."""
    job = _job(tx)
    return job is not None and job.is_made


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
    """Removes some of the old pages; after the last of them what is known of progress, and the work begins.

    What a batch holds is left to the next piece, as everywhere: it may wait for the next one of its own.
    """
    for table, key in (("search_page", "id"), ("search_progress", "conversation_id")):
        sql = f"SELECT {key} FROM {table} ORDER BY {key} LIMIT ?{tx.database.for_update_free}"
        keys = tx.all(sql, EMPTIED_ROWS)
        tx.executemany(f"DELETE FROM {table} WHERE {key} = ?", keys)  # as in `search_pages.take_shelves`
        if keys or tx.one(f"SELECT 1 FROM {table} LIMIT 1") is not None:
            return
    _move(tx, 0)
