"""Finding messages by their words, newest first, among what one may see: `store.Search`.

The index names candidates on each shelf. They are taken from the latest on, read as the history of their conversation
is, and proved by their texts, until a page is full: what lies behind it is never touched.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from imtornado.errors import NotFound
from imtornado.records import Found, FoundPage, Message, conversation_key
from imtornado.tokenizer import Query, matches
from storage.earlier_texts import as_of
from storage.headings import headings_of, nicknames_of
from storage.rows import MESSAGE, destination, message_of, window
from storage.search_entries import SHELF_SEQS, searched_text, seq_at, shelf_of
from storage.transactions import LIST_LIMIT, Transactions, Tx

MESSAGES_READ = 3_000  # in one call; then the caller goes on if he wants
SHELVES_TRIED = 100_000
FIRST_SHELVES = 8  # looked up at once; then twice as many each time
USUAL_ENTRIES = 5_000  # if that many came, half as many
FIRST_READ = 2  # candidates of a shelf that are read at once; then four times as many each time
MOST_READ = 64
TIMES_AT_ONCE = 64

_PLACES = (
    "SELECT c.id, c.`key`, c.first_seq, c.last_seq, c.active_at_ms, m.joined_seq, m.cleared_seq, m.left_seq,"
    " m.left_ver FROM member m CROSS JOIN conversation c ON c.id = m.conversation_id WHERE m.user_id = ?"
)
_MESSAGES = (
    f"SELECT {MESSAGE}, h.seq FROM (SELECT * FROM message WHERE seq IN ({{}}) AND conversation_id = ?) x"
    " LEFT JOIN hidden h ON h.user_id = ? AND h.conversation_id = x.conversation_id AND h.seq = x.seq ORDER BY x.seq"
)
_ENDS = "SELECT seq, created_at_ms FROM message WHERE seq IN ({}) AND conversation_id = ?"
_SLOTS = "SELECT shelf, slot FROM search_entry WHERE shelf IN ({}) AND token = ?"

Position = tuple[int, int, int]  # (created_at_ms, conversation_id, seq)


class _Place(NamedTuple):
    """A conversation and what of it the user may see. `left_ver`: the texts are those of then; None for a member."""

    conversation_id: int
    key: str
    first: int
    last: int
    active_at_ms: int
    left_ver: int | None


class _Shelf(NamedTuple):
    """`bound`: nothing on it is later than this position."""

    bound: Position
    place: _Place
    shelf: int


_Hit = tuple[_Place, Message]


@dataclass(slots=True)
class _Candidates:
    """Seqs of a shelf whose texts may hold the words, the latest last. `bound`: none of them is later."""

    shelf: _Shelf
    seqs: list[int]
    bound: Position
    read_next: int = FIRST_READ


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
            walk = _Walk(tx, user_id, query, before)
            hits = walk.page(_shelves(tx, places, before), limit)
            headings = headings_of(tx, user_id, {one.conversation_id: one.key for one, _ in hits})
            nicknames = nicknames_of(tx, user_id, {message.sender_id for _, message in hits})
        rows = tuple(
            Found(
                *destination(one.key, user_id),
                *headings[one.conversation_id],
                nicknames.get(message.sender_id, ""),
                message,
            )
            for one, message in hits
        )
        return FoundPage(rows, walk.next_position)


def _places(tx: Tx, user_id: int, place: tuple[int, int] | None) -> list[_Place]:
    """Those with something to see. Raises: NotFound for one that he never was in."""
    if place is None:
        rows = tx.all(_PLACES, user_id)
    else:
        rows = tx.all(f"{_PLACES} AND c.`key` = ?", user_id, conversation_key(place[0], user_id, place[1]))
        if not rows:
            raise NotFound("There is no such conversation.", field="dstid")
    found = []
    for conversation_id, key, first_seq, last_seq, active_at_ms, joined_seq, cleared_seq, left_seq, left_ver in rows:
        first, last = window(first_seq, last_seq, joined_seq, cleared_seq, left_seq)
        if first <= last:
            ver = None if left_seq is None else left_ver
            found.append(_Place(conversation_id, key, first, last, active_at_ms, ver))
    return found


def _shelves(tx: Tx, places: Sequence[_Place], before: Position | None) -> list[_Shelf]:
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
                found.append(_Shelf(bound, place, shelf))
            elif shelf == oldest or at_ms <= before[0]:  # else all of it is later: so is the end of the older one
                found.append(_Shelf(min(bound, before), place, shelf))
            last = older
    return sorted(found, reverse=True, key=lambda shelf: shelf.bound)


class _Walk:
    """One call's way through the shelves. `next_position` is where the next call goes on."""

    def __init__(self, tx: Tx, user_id: int, query: Query, before: Position | None) -> None:
        self._tx = tx
        self._user_id = user_id
        self._query = query
        self._before = before
        self._tokens = list(query.tokens)
        self._messages_read = 0
        self._shelves_tried = 0
        self._chunk = FIRST_SHELVES
        # (its position, negative: the latest comes first; a number, so that no items are compared; the item)
        self._queue: list[tuple[Position, int, _Candidates | _Hit]] = []
        self._pushed = 0
        self.next_position: Position | None = None

    def page(self, shelves: Sequence[_Shelf], limit: int) -> list[_Hit]:
        hits: list[_Hit] = []
        opened = 0
        while len(hits) < limit:
            if self._messages_read >= MESSAGES_READ or self._shelves_tried >= SHELVES_TRIED:
                self.next_position = self._frontier(shelves[opened:])
                return hits
            if opened < len(shelves) and (not self._queue or _key(shelves[opened].bound) < self._queue[0][0]):
                part = shelves[opened : opened + self._chunk]
                opened += len(part)
                self._open(part)
            elif not self._queue:
                return hits
            else:
                _, _, item = heapq.heappop(self._queue)
                if isinstance(item, _Candidates):
                    self._read(item)
                else:
                    hits.append(item)
        if self._queue or opened < len(shelves):
            place, message = hits[-1]
            self.next_position = (message.created_at_ms, place.conversation_id, message.seq)
        return hits

    def _push(self, position: Position, item: _Candidates | _Hit) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (_key(position), self._pushed, item))

    def _frontier(self, unopened: Sequence[_Shelf]) -> Position | None:
        """Everything after it was looked at."""
        keys = [self._queue[0][0]] if self._queue else []
        keys += [_key(shelf.bound) for shelf in unopened[:1]]
        if not keys:
            return None
        at_ms, conversation_id, seq = min(keys)
        position = -at_ms, -conversation_id, -seq + 1
        return position if self._before is None else min(position, self._before)

    def _open(self, shelves: Sequence[_Shelf]) -> None:
        """Puts the candidates of the shelves into the queue, each by the time of its latest."""
        self._shelves_tried += len(shelves)
        found = self._slots([shelf.shelf for shelf in shelves])
        opened = []
        for shelf in shelves:
            first, last = shelf.place.first, shelf.place.last
            seqs = sorted(seq_at(shelf.shelf, slot) for slot in found.get(shelf.shelf, ()))
            seqs = [seq for seq in seqs if first <= seq <= last]
            if seqs:
                opened.append(_Candidates(shelf, seqs, shelf.bound))
        if self._before is not None:
            opened = self._before_position(opened)
        times = self._times([(one.shelf.place.conversation_id, one.seqs[-1]) for one in opened])
        for one in opened:
            place = (one.shelf.place.conversation_id, one.seqs[-1])
            one.bound = (times.get(place, one.bound[0]), *place)
            self._push(one.bound, one)

    def _slots(self, shelves: list[int]) -> dict[int, set[int]]:
        """{shelf: slots with all tokens}"""
        found: dict[int, set[int]] = {}
        counts: dict[int, int] = {}
        for number, token in enumerate(self._tokens):
            with_token: dict[int, set[int]] = {}
            for shelf, slot in self._tx.among(_SLOTS, shelves, token):
                with_token.setdefault(shelf, set()).add(slot)
                counts[token] = counts.get(token, 0) + 1
            if number:
                with_token = {shelf: both for shelf, slots in with_token.items() if (both := slots & found[shelf])}
            found, shelves = with_token, list(with_token)
        self._tokens.sort(key=lambda token: counts.get(token, 0))  # the next shelves begin with what sorts out most
        many = sum(counts.values()) > USUAL_ENTRIES
        self._chunk = max(1, self._chunk // 2) if many else min(2 * self._chunk, LIST_LIMIT)
        return found

    def _before_position(self, opened: list[_Candidates]) -> list[_Candidates]:
        """Without candidates that are not before the position from which this call goes on; halving, all at once."""
        assert self._before is not None
        # {number of it: (so many are before the position, from here on none)}
        ranges = {number: (0, len(one.seqs)) for number, one in enumerate(opened)}
        while wide := {number: (low, high) for number, (low, high) in ranges.items() if low < high}:
            middles = {
                number: (opened[number].shelf.place.conversation_id, opened[number].seqs[(low + high) // 2])
                for number, (low, high) in wide.items()
            }
            times = self._times(list(middles.values()))
            for number, (low, high) in wide.items():
                middle = (low + high) // 2
                is_before = (times.get(middles[number], 0), *middles[number]) < self._before
                ranges[number] = (middle + 1, high) if is_before else (low, middle)
        for number, one in enumerate(opened):
            del one.seqs[ranges[number][0] :]
        return [one for one in opened if one.seqs]

    def _times(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """{(conversation_id, seq): created_at_ms}"""
        found = {}
        for start in range(0, len(places), TIMES_AT_ONCE):
            part = [*places[start : start + TIMES_AT_ONCE]]
            count = 1 << (len(part) - 1).bit_length()  # few different statements, so that each is prepared once
            part += part[-1:] * (count - len(part))
            for conversation_id, seq, at_ms in self._tx.all(_times_of(count), *(n for place in part for n in place)):
                found[conversation_id, seq] = at_ms
        return found

    def _read(self, candidates: _Candidates) -> None:
        """Proves the latest candidates: the hits among them go back into the queue, and so does the rest."""
        seqs, place = candidates.seqs, candidates.shelf.place
        part = seqs[-candidates.read_next :]
        del seqs[-candidates.read_next :]
        candidates.read_next = min(4 * candidates.read_next, MOST_READ)
        self._messages_read += len(part)
        rows = self._tx.among(_MESSAGES, part, place.conversation_id, self._user_id)
        messages: Sequence[Message] = [message_of(place.key, row) for row in rows if row[-1] is None]
        if place.left_ver is not None:
            messages = as_of(self._tx, place.conversation_id, messages, place.left_ver)
        at_ms = candidates.bound[0]
        for message in messages:
            at_ms = min(at_ms, message.created_at_ms)
            text = "" if message.gone else searched_text(message.media, message.content, message.file)
            if text and matches(self._query, text):
                self._push((message.created_at_ms, place.conversation_id, message.seq), (place, message))
        if seqs:
            candidates.bound = (at_ms, place.conversation_id, seqs[-1])
            self._push(candidates.bound, candidates)


@cache
def _times_of(count: int) -> str:
    places = " OR ".join(["(conversation_id = ? AND seq = ?)"] * count)
    return f"SELECT conversation_id, seq, created_at_ms FROM message WHERE {places}"


def _key(position: Position) -> Position:
    """Smallest for the latest."""
    at_ms, conversation_id, seq = position
    return -at_ms, -conversation_id, -seq
