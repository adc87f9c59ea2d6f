"""Finding messages by their words, newest first, among what one may see: `store.Search`.

The index names candidates on each shelf; the messages of a conversation's tail, which it does not have yet, are all
candidates. They are taken from the latest on, read as the history of their conversation is, and proved by their texts,
until a page is full (`search_walk`): what lies behind it is never touched.
"""

from collections.abc import Sequence

from imtornado.errors import NotFound
from imtornado.records import conversation_key
from imtornado.search_records import Found, FoundPage
from imtornado.tokenizer import Query
from storage.headings import headings_of, nicknames_of
from storage.rows import destination, window
from storage.search_entries import seq_at, shelf_of
from storage.search_index import is_made
from storage.search_pages import SHELF_SEQS
from storage.search_walk import Place, Position, Shelf, Walk
from storage.transactions import Transactions, Tx

TAIL_MOST = 1_024  # that many of the last messages of a conversation are looked at without the index

_PLACES = (
    "SELECT c.id, c.`key`, c.first_seq, c.last_seq, c.active_at_ms, m.joined_seq, m.cleared_seq, m.left_seq,"
    " m.left_ver, COALESCE(p.seq, 0) FROM member m CROSS JOIN conversation c ON c.id = m.conversation_id"
    " LEFT JOIN search_progress p ON p.conversation_id = c.id WHERE m.user_id = ?"
)
_ENDS = "SELECT seq, created_at_ms FROM message WHERE seq IN ({}) AND conversation_id = ?"


class SqlSearch:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def find(
        self,
        user_id: int,
        query: Query,
        place: tuple[int, int] | None,
        before: Position | None,
        limit: int,
    ) -> FoundPage:
        with self._transactions.read() as tx:
            places = _places(tx, user_id, place)
            walk = Walk(tx, user_id, query, before)
            hits = walk.page(_shelves(tx, places, before), limit)
            headings = headings_of(tx, user_id, {one.conversation_id: one.key for one, _ in hits})
            nicknames = nicknames_of(tx, user_id, {message.sender_id for _, message in hits})
            behind = walk.next_position is None and any(one.lacks for one in places)
        rows = tuple(
            Found(
                *destination(one.key, user_id),
                *headings[one.conversation_id],
                nicknames.get(message.sender_id, ""),
                message,
            )
            for one, message in hits
        )
        return FoundPage(rows, walk.next_position, behind)


def _places(tx: Tx, user_id: int, place: tuple[int, int] | None) -> list[Place]:
    """Those with something to see. Raises: NotFound for one that he never was in."""
    if place is None:
        rows = tx.all(_PLACES, user_id)
    else:
        rows = tx.all(f"{_PLACES} AND c.`key` = ?", user_id, conversation_key(place[0], user_id, place[1]))
        if not rows:
            raise NotFound("There is no such conversation.", field="dstid")
    knows = is_made(tx)
    found = []
    for row in rows:
        conversation_id, key, first_seq, last_seq, active_at_ms, joined_seq, cleared_seq, left_seq, left_ver, seq = row
        first, last = window(first_seq, last_seq, joined_seq, cleared_seq, left_seq)
        if first <= last:
            ver = None if left_seq is None else left_ver
            waits = max(first, seq + 1 if knows else 0)
            tail = max(waits, last - TAIL_MOST + 1)
            found.append(Place(conversation_id, key, first, last, active_at_ms, ver, tail, waits < tail))
    return found


def _shelves(tx: Tx, places: Sequence[Place], before: Position | None) -> list[Shelf]:
    """What may hold messages before the position, the latest first."""
    found = []
    for place in places:
        newest, oldest = shelf_of(place.conversation_id, place.last), shelf_of(place.conversation_id, place.first)
        ends = [seq_at(shelf, SHELF_SEQS - 1) for shelf in range(oldest, newest)]
        times: dict[int, int] = dict(tx.among(_ENDS, ends, place.conversation_id)) if ends else {}
        at_ms, last = place.active_at_ms, place.last
        for shelf in range(newest, oldest - 1, -1):
            older = last // SHELF_SEQS * SHELF_SEQS - 1
            bound = (at_ms, place.conversation_id, last)
            at_ms = times.get(older, at_ms)
            if before is None:
                found.append(Shelf(bound, place, shelf))
            elif shelf == oldest or at_ms <= before[0]:  # else all of it is later: so is the end of the older one
                found.append(Shelf(min(bound, before), place, shelf))
            last = older
    return sorted(found, reverse=True, key=lambda shelf: shelf.bound)
