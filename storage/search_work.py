"""What the job of the search index reads and writes for one piece; `search_index` tells when.

The last messages of a conversation, its tail, are not in the index: whoever searches reads them. A tail is taken when
it is long or when nobody adds to it any more, so that a page gets many entries at once.

A piece is read from a snapshot, and written where nothing that it was made of has changed since. On a database with
many writers it waits for nobody: what a batch is changing now is left to the next piece.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from imtornado.tokenizer import folded, tokens
from storage import search_pages
from storage.search_entries import first_shelf, searched_text, shelf_of, slot_of
from storage.search_pages import SHELF_SEQS, NewEntries
from storage.transactions import Row, Tx

OVERLAP_MS = 60_000  # longer than any transaction lasts, and than a tail is left alone
TAIL_SEQS = 128  # that many messages are taken at once
QUIET_MS = 30_000  # and fewer when nothing has changed for so long
CONVERSATIONS = 256  # of a piece
CHANGES = 1_000  # of a conversation that a piece looks at
EDITS = 64  # of those; texts may be long
READ_SEQS = 256  # at once
USUAL_CHARACTERS = 100  # of a message
COST_OF_A_SHELF = 8  # to change its pages, in messages

_LAGGING = (
    "SELECT c.id, c.first_seq, c.last_seq, c.ver, c.changed_at_ms, p.conversation_id IS NOT NULL,"
    " COALESCE(p.first_seq, c.first_seq), COALESCE(p.seq, 0), COALESCE(p.ver, 0)"
    " FROM conversation c LEFT JOIN search_progress p ON p.conversation_id = c.id"
    " WHERE c.changed_at_ms >= ? AND (c.last_seq >= COALESCE(p.seq, 0) + ? OR c.ver > COALESCE(p.ver, 0)"
    " OR c.first_seq > p.first_seq OR c.last_seq > COALESCE(p.seq, 0) AND c.changed_at_ms <= ?)"
    " ORDER BY c.changed_at_ms LIMIT ?"
)
_TEXTS = (
    "SELECT seq, media, content, file, created_at_ms FROM message"
    " WHERE conversation_id = ? AND seq BETWEEN ? AND ? AND gone = 0 ORDER BY seq"
)
_EARLIER = "SELECT seq, content FROM earlier_text WHERE conversation_id = ? AND seq BETWEEN ? AND ?"
_EDITED = (
    "SELECT ver, seq FROM `change`"
    " WHERE conversation_id = ? AND ver > ? AND ver <= ? AND kind = 'edit' AND seq BETWEEN ? AND ? ORDER BY ver LIMIT ?"
)
_LOCK = "SELECT count(*) FROM message WHERE conversation_id = ? AND seq BETWEEN ? AND ?"
_STANDS = "SELECT id, ver, first_seq FROM conversation WHERE id IN ({})"
_PROGRESS = "SELECT conversation_id, first_seq, seq, ver FROM search_progress WHERE conversation_id IN ({})"


class Lagging(NamedTuple):
    """A row of _LAGGING: a conversation with something to do for."""

    conversation_id: int
    first_seq: int
    last_seq: int
    ver: int
    changed_at_ms: int
    is_known: bool  # it has a row of progress; else the three below are where one begins
    indexed_first_seq: int
    indexed_seq: int
    indexed_ver: int

    @property
    def stand(self) -> Row:
        """(ver, first_seq): another one says that texts were taken away."""
        return self.ver, self.first_seq

    @property
    def progress(self) -> Row:
        return self.indexed_first_seq, self.indexed_seq, self.indexed_ver

    @property
    def is_long(self) -> bool:
        """Its tail is to be taken, whoever adds to it."""
        return self.last_seq >= self.indexed_seq + TAIL_SEQS


class Work(NamedTuple):
    """What changes in the index for one conversation, and where its progress stands then."""

    conversation: Lagging
    ranges: tuple[tuple[int, int], ...]  # of seqs that were read
    shelves: Mapping[int, NewEntries]
    progress: Row  # (first_seq, seq, ver)
    is_all: bool  # nothing is left to do for it
    messages: int
    cost: int  # in messages of usual size
    since_ms: int  # when this was to be done


class Piece(NamedTuple):
    works: tuple[Work, ...]
    pages: Mapping[int, Sequence[Row]]  # {conversation_id: what `search_pages.write` takes}


def lagging(tx: Tx, position: int, limit: int, tails: bool) -> list[Lagging]:
    """Conversations with something to do for, those that wait longest first; `tails`: with every tail."""
    least, quiet_ms = (1, tx.now_ms) if tails else (TAIL_SEQS, tx.now_ms - QUIET_MS)
    return [Lagging(*row) for row in tx.all(_LAGGING, position, least, quiet_ms, limit)]


def read(tx: Tx, waiting: Sequence[Lagging], limit: int, tails: bool) -> Piece:
    """What to write for `limit` messages or so; of a long conversation a part.

    Half of it is for those that talk now, which do not wait for what was never indexed.
    """
    works: list[Work] = []
    recent_ms = tx.now_ms - OVERLAP_MS
    first = lagging(tx, recent_ms, CONVERSATIONS, tails) if waiting and waiting[0].changed_at_ms < recent_ms else []
    known = {one.conversation_id for one in first}
    for part, upto in ((first, limit // 2), ([one for one in waiting if one.conversation_id not in known], limit)):
        for conversation in part:
            spent = sum(work.cost for work in works)
            if spent >= upto:
                break
            works.append(_work(tx, conversation, upto - spent, tails))
    pages = {work.conversation.conversation_id: search_pages.merged(tx, work.shelves) for work in works}
    return Piece(tuple(works), pages)


def _work(tx: Tx, one: Lagging, limit: int, tails: bool) -> Work:
    shelves: defaultdict[int, NewEntries] = defaultdict(NewEntries)
    is_quiet = tails or one.changed_at_ms <= tx.now_ms - QUIET_MS
    wanted = one.last_seq if is_quiet or one.is_long else one.indexed_seq
    edited, upto = _edited(tx, one)
    ranges = [(seq, seq) for seq in edited]
    for seq in edited:
        shelves[shelf_of(one.conversation_id, seq)].empty((slot_of(seq),))
    start = max(one.first_seq, one.indexed_seq + 1)
    end = min(wanted, start + limit - 1)
    if start <= end:
        ranges.append((start, end))
    messages, characters = 0, 0
    since_ms = one.changed_at_ms
    for first, last in ranges:
        if last > one.indexed_seq:
            since_ms = min(tx.now_ms, since_ms + QUIET_MS)
        for seq, texts, sent_at_ms in _texts(tx, one, first, last):
            messages += 1
            characters += sum(map(len, texts))
            shelves[shelf_of(one.conversation_id, seq)].add(slot_of(seq), set[int]().union(*map(tokens, texts)))
            if seq == start + TAIL_SEQS - 1:
                since_ms = sent_at_ms
            if seq > one.indexed_seq and messages + characters // USUAL_CHARACTERS >= limit:
                end = seq  # long texts: the rest is of the next piece
                ranges[-1] = (first, end)
                break
    # What has expired goes shelf by shelf.
    first_seq = min(one.first_seq, (one.indexed_first_seq // SHELF_SEQS + 1) * SHELF_SEQS)
    if one.indexed_first_seq < first_seq:
        shelves[shelf_of(one.conversation_id, first_seq)].empty(range(slot_of(first_seq)))
    cost = 1 + messages + characters // USUAL_CHARACTERS + COST_OF_A_SHELF * len(shelves)
    progress = (first_seq, max(end, one.indexed_seq), upto)
    is_all = progress == (one.first_seq, max(wanted, one.indexed_seq), one.ver)
    return Work(one, tuple(ranges), shelves, progress, is_all, messages, cost, since_ms)


def _edited(tx: Tx, one: Lagging) -> tuple[list[int], int]:
    """The indexed messages with another text than the index knows, some of many; up to which change that is all."""
    if one.indexed_seq < one.first_seq:
        return [], one.ver
    upto = min(one.ver, one.indexed_ver + CHANGES)
    if upto == one.indexed_ver:
        return [], upto
    vers, seqs = (one.indexed_ver, upto), (one.first_seq, one.indexed_seq)
    rows = tx.all(_EDITED, one.conversation_id, *vers, *seqs, EDITS)
    return sorted({seq for _, seq in rows}), rows[-1][0] if len(rows) == EDITS else upto


def _texts(tx: Tx, one: Lagging, first: int, last: int) -> Iterator[tuple[int, list[str], int]]:
    """(seq, its folded texts, when it was sent), ascending and without gone ones; read a part at a time."""
    for start in range(first, last + 1, READ_SEQS):
        place = (one.conversation_id, start, min(last, start + READ_SEQS - 1))
        earlier: defaultdict[int, list[str]] = defaultdict(list)
        for seq, content in tx.all(_EARLIER, *place) if one.ver else ():
            earlier[seq].append(folded(content))
        for seq, media, content, file, created_at_ms in tx.all(_TEXTS, *place):
            yield seq, [searched_text(media, content, file), *earlier.get(seq, ())], created_at_ms


def write(tx: Tx, piece: Piece) -> set[int]:
    """Writes what is still true; the ids of the conversations for which nothing is left to do."""
    works = [work for work in piece.works if _lock(tx, work)] if tx.database.many_writers else piece.works
    ids = [work.conversation.conversation_id for work in works]
    progress = {row[0]: row[1:] for row in tx.among(f"{_PROGRESS}{tx.database.for_update_free}", ids)}
    stands = {row[0]: row[1:] for row in tx.among(_STANDS, ids)}
    # What changed since it was read is read again by the next step.
    true = [work for work in works if _is_true(work, progress, stands)]
    # In one order: nobody waits in a circle.
    search_pages.write(tx, sorted(row for work in true for row in piece.pages[work.conversation.conversation_id]))
    for work in true:
        first_seq, conversation_id = work.progress[0], work.conversation.conversation_id
        if work.conversation.indexed_first_seq < first_seq:
            search_pages.take_shelves(tx, first_shelf(conversation_id), shelf_of(conversation_id, first_seq))
    if true:
        tx.executemany(
            "REPLACE INTO search_progress (conversation_id, first_seq, seq, ver) VALUES (?, ?, ?, ?)",
            [(work.conversation.conversation_id, *work.progress) for work in true],
        )
    return {work.conversation.conversation_id for work in true if work.is_all}


def _lock(tx: Tx, work: Work) -> bool:
    """A recall waits for these messages, and then finds the entries that it must drop. False: one is being changed now.

    That one is not waited for: the batch that has it may want another of these next, and new ones stand behind them.
    """
    lock = f"{_LOCK}{tx.database.for_update_free}"
    return all(
        tx.number(lock, work.conversation.conversation_id, first, last) == last - first + 1
        for first, last in work.ranges
    )


def _is_true(work: Work, progress: Mapping[int, Row], stands: Mapping[int, Row]) -> bool:
    one = work.conversation
    # A batch that has locked the progress takes entries away: to be seen here, it is free.
    before = one.progress if one.is_known else None
    return stands.get(one.conversation_id) == one.stand and progress.get(one.conversation_id) == before
