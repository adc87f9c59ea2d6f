"""Our statements, which have `?` for their values, as texts that MySQL understands.

A statement is translated once. Values are written into the text: that is what the driver does too, and one packet
then carries any number of rows.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, count
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

INT_BYTES = 22  # at most, with its comma and its share of the brackets

# What MySQL takes for special inside '…', as long as sql_mode does not hold NO_BACKSLASH_ESCAPES (ours never does).
_ESCAPES = str.maketrans(
    {"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", "'": "\\'", '"': '\\"', "\\": "\\\\"},
)
_SPECIAL = re.compile("[\0\n\r\x1a'\"\\\\]").search
_INSERT = re.compile(
    r"\s*((?:INSERT(?:\s+IGNORE)?|REPLACE)\s+INTO\b.*?\bVALUES\s*)(\(.*\))\s*", re.DOTALL | re.IGNORECASE
)
# By a primary key: then two rows of values meet one row of the table only where their keys are the same.
_BY_KEY = re.compile(r"\bWHERE (id = \?|user_id = \? AND conversation_id = \?)(?: AND\b|$)")
_UPDATE = re.compile(r"\s*UPDATE\s+(\w+)\s+(SET\b.*\bWHERE\b.*)", re.DOTALL | re.IGNORECASE)
_SUBQUERY = re.compile(r"\bSELECT\b", re.IGNORECASE)


class Insert(NamedTuple):
    """An INSERT or REPLACE of one row, taken apart: what stands before the row, and the row with places for values."""

    head: str
    row: str


class Update(NamedTuple):
    """An UPDATE that joins the table with rows of whole numbers: what stands before the rows, and what after them.

    `key` takes the table's key out of a row.
    """

    head: bytes
    tail: bytes
    key: Callable[[Sequence[Any]], Any]


@cache
def translated(sql: str) -> str:
    """With `%s` for `?`, ready for the operator `%`."""
    return sql.replace("%", "%%").replace("?", "%s")


@cache
def insert_of(sql: str) -> Insert | None:
    """None for a statement that is no INSERT of one row."""
    match = _INSERT.fullmatch(translated(sql))
    return None if match is None else Insert(match[1] % (), match[2])


@cache
def update_of(sql: str) -> Update | None:
    """None for a statement that is no UPDATE of one table by its key, or has a subquery: a join would lock its rows."""
    match, by_key = _UPDATE.fullmatch(sql), _BY_KEY.search(sql)
    if match is None or by_key is None or _SUBQUERY.search(sql):
        return None
    first = sql[: by_key.start()].count("?")
    key = itemgetter(*range(first, first + by_key[1].count("?")))
    places = count()
    rest = re.sub(r"\?", lambda _: f"v{next(places)}", match[2])
    columns = ", ".join(f"v{n} BIGINT PATH '$[{n}]'" for n in range(next(places)))
    # By the key, whatever the server thinks of the size: a walk over all rows would lock those of other writers.
    tail = f"', '$[*]' COLUMNS ({columns})) AS v STRAIGHT_JOIN {match[1]} FORCE INDEX (PRIMARY) {rest}"
    return Update(b"UPDATE JSON_TABLE('", tail.encode(), key)


def quoted(text: str) -> str:
    """As it stands in a statement."""
    return f"'{text.translate(_ESCAPES)}'" if _SPECIAL(text) else f"'{text}'"


def literal(value: Any) -> str:
    """The value as it stands in a statement. Raises: TypeError for a kind that no column of ours holds."""
    if type(value) is str:
        return quoted(value)
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"{int(value)}"  # an IntEnum or a bool is its number
    if isinstance(value, str):
        return quoted(str(value))
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    raise TypeError(f"no column holds a {type(value).__name__}")


def filled(sql: str, values: Sequence[Any]) -> str:
    """The statement with its values."""
    return translated(sql) % tuple(map(literal, values))


def _literals(column: Sequence[Any]) -> Iterable[Any]:
    """The values of one column as they stand in a statement: mostly all are of one kind, which is then asked once."""
    kinds = set(map(type, column))
    if kinds == {int}:
        return column
    if kinds == {str}:
        return map(quoted, column) if any(column) else ["''"] * len(column)
    return map(literal, column)


def inserts(insert: Insert, rows: Iterable[Sequence[Any]], limit_bytes: int) -> Iterator[bytes]:
    """Statements of many rows, none longer than the limit unless a single row is."""
    columns = [_literals(column) for column in zip(*rows, strict=True)]
    texts = list(map(insert.row.__mod__, zip(*columns, strict=True)))
    return _joined(insert.head, texts, limit_bytes) if texts else iter(())


def _joined(head: str, texts: Sequence[str], limit_bytes: int) -> Iterator[bytes]:
    statement = f"{head}{','.join(texts)}".encode()
    if len(statement) <= limit_bytes or len(texts) == 1:
        yield statement
        return
    half = len(texts) // 2
    yield from _joined(head, texts[:half], limit_bytes)
    yield from _joined(head, texts[half:], limit_bytes)


def updates(update: Update, rows: Sequence[Sequence[Any]], limit_bytes: int) -> Iterator[bytes] | None:
    """Statements of many rows, as `inserts`. None where each must go alone, one after the other.

    That is where a value is no plain int, because text is compared otherwise in JSON, and where two rows have one key:
    a join changes a row of the table once, and does not say by which of the two.
    """
    if any(kind is not int for kind in set(map(type, chain.from_iterable(rows)))):
        return None
    if len(set(map(update.key, rows))) < len(rows):
        return None
    return _updates(update, rows, limit_bytes - len(update.head) - len(update.tail))


def _updates(update: Update, rows: Sequence[Sequence[int]], limit_bytes: int) -> Iterator[bytes]:
    each = max(1, limit_bytes // (len(rows[0]) * INT_BYTES)) if rows else 1
    for start in range(0, len(rows), each):
        yield update.head + msgspec.json.encode(rows[start : start + each]) + update.tail
