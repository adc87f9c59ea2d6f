"""One search's way through the shelves of what somebody may see, from the latest message on.

Shelves, candidates and hits stand in one queue by the latest position that they can have.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from imtornado.records import Message
from imtornado.tokenizer import Query, matches
from storage.earlier_texts import as_of
from storage.rows import MESSAGE, message_of
from storage.search_entries import searched_text, seq_at
from storage.search_pages import SHELF_SEQS, slots_with
from storage.transactions import LIST_LIMIT, Row, Tx

MESSAGES_READ = 3_000  # in one call; then the caller goes on if he wants
SHELVES_TRIED = 100_000
FIRST_SHELVES = 8  # looked up at once; then twice as many each time
USUAL_ENTRIES = 5_000  # if that many came, half as many
FIRST_READ = 2  # candidates of a shelf that are read at once; then four times as many each time
MOST_READ = 64
COST_OF_READING = 4  # each time, in messages
PLACES_AT_ONCE = 64
SIEVED = 3_000  # messages of tails, in one call; then so few of each tail:
LEAST_SIEVED = 4

_MESSAGES = (
    f"SELECT {MESSAGE}, h.seq FROM (SELECT * FROM message WHERE seq IN ({{}}) AND conversation_id = ?) x"
    " LEFT JOIN hidden h ON h.user_id = ? AND h.conversation_id = x.conversation_id AND h.seq = x.seq ORDER BY x.seq"
)
_TIMES = "SELECT conversation_id, seq, created_at_ms FROM message WHERE "
_PLACE = "(conversation_id = ? AND seq = ?)"
_TEXTS = "SELECT conversation_id, seq, media, content, file FROM message WHERE "
_RANGE = "(conversation_id = ? AND seq BETWEEN ? AND ?)"

Position = tuple[int, int, int]  # (created_at_ms, conversation_id, seq)


class Place(NamedTuple):
    """A conversation and what of it the user may see. `left_ver`: the texts are those of then; None for a member.

    From `tail` on all messages are candidates; below it those that the index names, which `lacks` some.
    """

    conversation_id: int
    key: str
    first: int
    last: int
    active_at_ms: int
    left_ver: int | None
    tail: int
    lacks: bool


class Shelf(NamedTuple):
    """`bound`: nothing on it is later than this position."""

    bound: Position
    place: Place
    shelf: int


Hit = tuple[Place, Message]


@dataclass(slots=True)
class _Candidates:
    """Seqs of a shelf whose texts may hold the words, the latest last. `bound`: none of them is later."""

    shelf: Shelf
    seqs: list[int]
    bound: Position
    read_next: int = FIRST_READ


class Walk:
    """One call's way through the shelves. `next_position` is where the next call goes on."""

    def __init__(self, tx: Tx, user_id: int, query: Query, before: Position | None) -> None:
        self._tx = tx
        self._user_id = user_id
        self._query = query
        self._before = before
        self._messages_read = 0
        self._sieved = 0
        self._shelves_tried = 0
        self._chunk = FIRST_SHELVES
        # (its position, negative: the latest comes first; a number, so that no items are compared; the item)
        self._queue: list[tuple[Position, int, _Candidates | Hit]] = []
        self._pushed = 0
        self.next_position: Position | None = None

    def page(self, shelves: Sequence[Shelf], limit: int) -> list[Hit]:
        hits: list[Hit] = []
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

    def _push(self, position: Position, item: _Candidates | Hit) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (_key(position), self._pushed, item))

    def _frontier(self, unopened: Sequence[Shelf]) -> Position | None:
        """Everything after it was looked at."""
        keys = [self._queue[0][0]] if self._queue else []
        keys += [_key(shelf.bound) for shelf in unopened[:1]]
        if not keys:
            return None
        at_ms, conversation_id, seq = min(keys)
        position = -at_ms, -conversation_id, -seq + 1
        return position if self._before is None else min(position, self._before)

    def _open(self, shelves: Sequence[Shelf]) -> None:
        """Puts the candidates of the shelves into the queue, each by the time of its latest."""
        self._shelves_tried += len(shelves)
        opened = self._candidates(shelves)
        if self._before is not None:
            opened = self._before_position(opened)
        opened = self._sieve(opened)
        times = self._times([(one.shelf.place.conversation_id, one.seqs[-1]) for one in opened])
        for one in opened:
            place = (one.shelf.place.conversation_id, one.seqs[-1])
            one.bound = (times.get(place, one.bound[0]), *place)
            self._push(one.bound, one)

    def _candidates(self, shelves: Sequence[Shelf]) -> list[_Candidates]:
        found = slots_with(self._tx, [shelf.shelf for shelf in shelves], self._query.tokens)
        opened, count = [], 0
        for shelf in shelves:
            place, start = shelf.place, seq_at(shelf.shelf, 0)
            first, end = place.first, min(place.tail, place.last + 1)
            seqs = [start + slot for slot in found.get(shelf.shelf, ()) if first <= start + slot < end]
            seqs += range(max(start, place.tail), min(start + SHELF_SEQS, place.last + 1))
            count += len(seqs)
            if seqs:
                opened.append(_Candidates(shelf, seqs, shelf.bound))
        self._chunk = max(1, self._chunk // 2) if count > USUAL_ENTRIES else min(2 * self._chunk, LIST_LIMIT)
        return opened

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

    def _sieve(self, opened: list[_Candidates]) -> list[_Candidates]:
        """Without the latest messages of tails that lack the words: those of many chats are read in few statements.

        Whoever left sees other texts: his are left as they are.
        """
        tails = [one for one in opened if one.seqs[-1] >= one.shelf.place.tail and one.shelf.place.left_ver is None]
        each = max(LEAST_SIEVED, (SIEVED - self._sieved) // max(1, len(tails)))
        for start in range(0, len(tails), PLACES_AT_ONCE):
            part = tails[start : start + PLACES_AT_ONCE]
            lows = [max(one.shelf.place.tail, one.seqs[0], one.seqs[-1] - each + 1) for one in part]
            ranges = [(one.shelf.place.conversation_id, low, one.seqs[-1]) for one, low in zip(part, lows, strict=True)]
            found = {
                (conversation_id, seq)
                for conversation_id, seq, *text in self._any_of(_TEXTS, _RANGE, ranges)
                if matches(self._query, searched_text(*text))
            }
            for one, low in zip(part, lows, strict=True):
                self._sieved += one.seqs[-1] - low + 1
                here = one.shelf.place.conversation_id
                one.seqs = [seq for seq in one.seqs if seq < low or (here, seq) in found]
        return [one for one in opened if one.seqs]

    def _times(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """{(conversation_id, seq): created_at_ms}"""
        found = {}
        for start in range(0, len(places), PLACES_AT_ONCE):
            for conversation_id, seq, at_ms in self._any_of(_TIMES, _PLACE, places[start : start + PLACES_AT_ONCE]):
                found[conversation_id, seq] = at_ms
        return found

    def _any_of(self, sql: str, condition: str, places: Sequence[Row]) -> list[Row]:
        """Rows of `sql` for which one of the places meets the condition."""
        padded = [*places]
        count = 1 << (len(padded) - 1).bit_length()  # few different statements, so that each is prepared once
        padded += padded[-1:] * (count - len(padded))
        return self._tx.all(_any_of(sql, condition, count), *(number for place in padded for number in place))

    def _read(self, candidates: _Candidates) -> None:
        """Proves the latest candidates: the hits among them go back into the queue, and so does the rest."""
        seqs, place = candidates.seqs, candidates.shelf.place
        part = seqs[-candidates.read_next :]
        del seqs[-candidates.read_next :]
        candidates.read_next = min(4 * candidates.read_next, MOST_READ)
        self._messages_read += len(part) + COST_OF_READING
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
            candidates.bound = (at_ms, place.conversation_id, candidates.seqs[-1])
            self._push(candidates.bound, candidates)


@cache
def _any_of(sql: str, condition: str, count: int) -> str:
    return sql + " OR ".join([condition] * count)


def _key(position: Position) -> Position:
    """Smallest for the latest."""
    at_ms, conversation_id, seq = position
    return -at_ms, -conversation_id, -seq
