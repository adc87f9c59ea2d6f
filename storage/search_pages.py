"""The pages of the search index: many entries packed into one row.

A conversation's messages stand on shelves of 1024 seqs, each in its slot. A token has a number of 27 bits; by the
first five of them its entries go to one of the 32 pages of each shelf. An entry is the rest of the number and the slot,
32 bits in this machine's order; those of a page are ascending, so those of a token stand together. Two tokens may have
one number, and whatever is found is a candidate only, to be proved by its text.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence

from storage.transactions import Row, Tx

SLOT_BITS = 10
SHELF_SEQS = 1 << SLOT_BITS
PAGES = 32  # of a shelf

_REST_BITS = 32 - SLOT_BITS  # of a token's number, in an entry
_REST = (1 << _REST_BITS) - 1
_SLOT = SHELF_SEQS - 1
_NUMBER_BITS = _REST_BITS + PAGES.bit_length() - 1
_FACTOR = 0x9E3779B97F4A7C15  # odd: what tokens differ in reaches the upper bits of the product
_WORD = (1 << 64) - 1

_SELECT = "SELECT id, entries FROM search_page WHERE id IN ({})"


def entry_of(token: int, slot: int) -> tuple[int, int]:
    """(page, entry)"""
    number = (token * _FACTOR & _WORD) >> 64 - _NUMBER_BITS
    return number >> _REST_BITS, (number & _REST) << SLOT_BITS | slot


def slot_in(entry: int) -> int:
    return entry & _SLOT


def first_page(shelf: int) -> int:
    """The id of the first of its pages; they follow each other."""
    return shelf * PAGES


def unpacked(entries: bytes) -> "array[int]":
    page = array("I")
    page.frombytes(entries)
    return page


class NewEntries:
    """What a shelf gets: entries, and the slots that lose theirs first."""

    def __init__(self) -> None:
        self._pages: dict[int, list[int]] = {}
        self._left: set[int] = set()

    def add(self, slot: int, tokens: Iterable[int]) -> None:
        pages = self._pages
        for token in tokens:
            # `entry_of`, written out: this runs for each token of each message.
            number = (token * _FACTOR & _WORD) >> 64 - _NUMBER_BITS
            entry = (number & _REST) << SLOT_BITS | slot
            try:
                pages[number >> _REST_BITS].append(entry)
            except KeyError:
                pages[number >> _REST_BITS] = [entry]

    def empty(self, slots: Iterable[int]) -> None:
        self._left.update(slots)

    def pages(self) -> Collection[int]:
        """Those that change."""
        return range(PAGES) if self._left else self._pages.keys()

    def merged(self, number: int, stored: bytes) -> bytes:
        """The page with its new entries."""
        page = unpacked(stored)
        if self._left:
            page = array("I", [entry for entry in page if entry & _SLOT not in self._left])
        page.extend(self._pages.get(number, ()))
        return array("I", sorted(page)).tobytes()


def merged(tx: Tx, shelves: Mapping[int, NewEntries]) -> list[Row]:
    """(id, entries) of all pages of the shelves that change, as `write` takes them."""
    changes = {first_page(shelf) + number: (new, number) for shelf, new in shelves.items() for number in new.pages()}
    stored: dict[int, bytes] = dict(tx.among(_SELECT, changes))
    rows = [(page_id, new.merged(number, stored.get(page_id, b""))) for page_id, (new, number) in changes.items()]
    return [row for row in rows if row[1] or row[0] in stored]


def write(tx: Tx, rows: Sequence[Row]) -> None:
    """A page without entries goes."""
    tx.executemany("REPLACE INTO search_page (id, entries) VALUES (?, ?)", [row for row in rows if row[1]])
    for page_id, entries in rows:
        if not entries:
            tx.execute("DELETE FROM search_page WHERE id = ?", (page_id,))


def take_away(tx: Tx, shelf: int, slot: int, tokens: Iterable[int]) -> None:
    """The slot loses the tokens."""
    lost: dict[int, set[int]] = {}
    for token in tokens:
        number, entry = entry_of(token, slot)
        lost.setdefault(first_page(shelf) + number, set()).add(entry)
    rows = [
        (page_id, array("I", [entry for entry in unpacked(entries) if entry not in lost[page_id]]).tobytes())
        for page_id, entries in tx.among(_SELECT, sorted(lost))
    ]
    write(tx, rows)


def take_shelves(tx: Tx, first: int, end: int) -> None:
    """The shelves from the first one up to, and without, the end lose all."""
    pages = tx.all("SELECT id FROM search_page WHERE id >= ? AND id < ?", first_page(first), first_page(end))
    # Each by its key: MySQL may walk a small table for many, and wait for pages that others hold.
    tx.executemany("DELETE FROM search_page WHERE id = ?", pages)


def slots_with(tx: Tx, shelves: Iterable[int], tokens: Sequence[int]) -> dict[int, list[int]]:
    """{shelf: slots whose texts may have all the tokens, ascending}, without shelves that have none."""
    found: dict[int, list[int]] | None = None
    for token in tokens:
        number, first = entry_of(token, 0)
        ids = [first_page(shelf) + number for shelf in (shelves if found is None else found)]
        now: dict[int, list[int]] = {}
        for page_id, entries in tx.among(_SELECT, ids):
            page = memoryview(entries).cast("I")
            start = bisect_left(page, first)
            slots = [entry & _SLOT for entry in page[start : bisect_right(page, first | _SLOT, start)]]
            if found is not None:
                slots = sorted(set(slots).intersection(found[page_id // PAGES]))
            if slots:
                now[page_id // PAGES] = slots
        found = now
    return found or {}
