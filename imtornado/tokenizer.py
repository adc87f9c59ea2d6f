"""Texts as the search index sees them, and what a user looks for: storage indexes and finds by the same functions.

folded   how texts are compared: NFKC and case folded, so that "ＡＢＣ", "ABC" and "abc" are one
token    a number by which the index finds messages that may hold a text; a hit is always proved by the text
         itself. Scripts without blanks give pairs of neighbours ("开会" is one), words of other scripts their
         beginnings of 2, 3, 4, 6 and 10 characters, emoji and other symbols themselves
term     what a query has between its blanks: found in the middle of "今天开会", but of a word only at its beginning

A change of the tokens of a text, or of what is kept of them, needs another VERSION: indexes that were made before are
then made anew.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from imtornado.errors import BadParameter
from imtornado.records import Record

VERSION = 2
INDEXED_CHARACTERS = 4_000  # of one text; the rest is not found
TERMS = 10
EXCERPT_CHARACTERS = 120
EXCERPT_BEFORE = 30
TOKENS_USED = 8  # of a query: more cost more than they sort out
BEGINNINGS = (2, 3, 4, 6, 10)
LONGEST = BEGINNINGS[-1]
WORDS_KNOWN = 16_384  # about 7 MB
WORD_BYTES = 5

_CODE_POINT_BITS = 21
_WORDS_FROM = 1 << 42  # above all pairs
# Written without blanks between words: Thai, Lao, Burmese, Korean (particles), Khmer, Chinese, Japanese.
_DENSE = (
    "\u0e00-\u0e4e\u0e80-\u0ece\u1000-\u1049\u1100-\u11ff\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u303b\u303c\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# Marks that belong to the letter before them, which `\w` does not know.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0dff"
_LETTER = re.compile(rf"[^\W_{_DENSE}]|[{_MARKS}]")  # of a script with words; digits too
_WORD = re.compile(rf"(?:{_LETTER.pattern})+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_DENSE_RUN = re.compile(f"[{_DENSE}]+")
_SYMBOL = re.compile("[\u2190-\u23ff\u2500-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
_SHAPING = {0xFE0E: None, 0xFE0F: None}  # whether an emoji is shown as a picture


class Query(Record, frozen=True):
    """What somebody looks for: texts that hold all `terms` (folded). `tokens` are ascending and not empty."""

    terms: tuple[str, ...]
    tokens: tuple[int, ...]


def folded(text: str) -> str:
    """The text as it is compared; of a long one the part that is indexed."""
    text = text[:INDEXED_CHARACTERS]
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(_SHAPING)).casefold()
    return unicodedata.normalize("NFKC", text)


def tokens(text: str) -> set[int]:
    """By which the index finds a folded text."""
    if text.isascii():
        return {token for word in _ASCII_WORD.findall(text) for token in _beginnings(word[:LONGEST])}
    found = set(_neighbours(text))
    found.update(token for word in _WORD.findall(text) for token in _beginnings(word[:LONGEST]))
    return found


def query(text: str) -> Query:
    """What the text asks for. Raises: BadParameter where nothing in it is in an index."""
    terms = tuple(dict.fromkeys(folded(text).split()))
    if len(terms) > TERMS:
        raise BadParameter("Search for at most {count} words at once.", field="q", count=TERMS)
    wanted: set[int] = set()
    for term in terms:
        wanted.update(_neighbours(term))
        wanted.update(token for word in _WORD.findall(term) for token in _beginnings(word[:LONGEST])[-1:])
    if not wanted:
        raise BadParameter("Write at least two characters of a word.", field="q")
    ordered = sorted(wanted)
    step = max(1, -(-len(ordered) // TOKENS_USED))
    return Query(terms, tuple(ordered[::step]))


def matches(wanted: Query, text: str) -> bool:
    """The folded text holds every term."""
    return all(place_of(term, text) >= 0 for term in wanted.terms)


def place_of(term: str, text: str) -> int:
    """Where the term stands first in the folded text, a word at the beginning of one; -1 for nowhere."""
    place = text.find(term)
    if place > 0 and _LETTER.match(term):
        while place > 0 and _LETTER.match(text[place - 1]):
            place = text.find(term, place + 1)
    return place


def excerpt(text: str, wanted: Query) -> str:
    """The part of the text around the term that stands first in it, on one line; "" where none of them stands."""
    places = [place for term in wanted.terms if (place := place_of(term, folded(text))) >= 0]
    if not places:
        return ""
    start, length = min(places), 0
    if not text.isascii():
        # Folding changes lengths: as many characters as fold to what stands before the term.
        for number, character in enumerate(text):
            if length >= start:
                start = number
                break
            length += len(folded(character))
    begin = max(0, start - EXCERPT_BEFORE)
    end = begin + EXCERPT_CHARACTERS
    line = " ".join(text[begin:end].split())
    return f"{'…' if begin else ''}{line}{'…' if end < len(text) else ''}"


def _neighbours(text: str) -> Iterator[int]:
    """Pairs of which one is of a script without blanks, and symbols."""
    for run in _DENSE_RUN.finditer(text):
        start, end = run.span()
        if start and _LETTER.match(text[start - 1]):
            start -= 1
        if end < len(text) and _LETTER.match(text[end]):
            end += 1
        before = 0
        for character in map(ord, text[start:end]):
            if before:
                yield before << _CODE_POINT_BITS | character
            before = character
    for symbol in _SYMBOL.findall(text):
        yield ord(symbol) << _CODE_POINT_BITS


@lru_cache(maxsize=WORDS_KNOWN)
def _beginnings(word: str) -> tuple[int, ...]:
    """From the shortest to the longest, of a word cut after LONGEST characters: a whole one may be a whole text."""
    return tuple(
        _WORDS_FROM | int.from_bytes(blake2b(word[:length].encode(), digest_size=WORD_BYTES).digest())
        for length in BEGINNINGS
        if length <= len(word)
    )
