"""Our statements, which have `?` for their values, as texts that MySQL understands.

A statement is translated once. Values are written into the text: that is what the driver does too, and one packet
then carries any number of rows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

# What MySQL takes for special inside '…', as long as sql_mode does not hold NO_BACKSLASH_ESCAPES (ours never does).
_ESCAPES = str.maketrans(
    {"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", "'": "\\'", '"': '\\"', "\\": "\\\\"},
)
_INSERT = re.compile(
    r"\s*((?:INSERT(?:\s+IGNORE)?|REPLACE)\s+INTO\b.*?\bVALUES\s*)(\(.*\))\s*", re.DOTALL | re.IGNORECASE
)


class Insert(NamedTuple):
    """An INSERT or REPLACE of one row, taken apart: what stands before the row, and the row with places for values."""

    head: str
    row: str


@cache
def translated(sql: str) -> str:
    """With `%s` for `?`, ready for the operator `%`."""
    return sql.replace("%", "%%").replace("?", "%s")


@cache
def insert_of(sql: str) -> Insert | None:
    """None for a statement that is no INSERT of one row."""
    match = _INSERT.fullmatch(translated(sql))
    return None if match is None else Insert(match[1] % (), match[2])


def literal(value: Any) -> str:
    """The value as it stands in a statement. Raises: TypeError for a kind that no column of ours holds."""
    if type(value) is str:
        return f"'{value.translate(_ESCAPES)}'"
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return f"{int(value)}"  # an IntEnum or a bool is its number
    if isinstance(value, str):
        return literal(str(value))
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    raise TypeError(f"no column holds a {type(value).__name__}")


def filled(sql: str, values: Sequence[Any]) -> str:
    """The statement with its values."""
    return translated(sql) % tuple(map(literal, values))


def inserts(insert: Insert, rows: Iterable[Sequence[Any]], limit_bytes: int) -> Iterator[bytes]:
    """Statements of many rows, none longer than the limit unless a single row is."""
    head, places = insert.head.encode(), insert.row
    texts: list[bytes] = []
    size = len(head)
    for row in rows:
        text = (places % tuple(map(literal, row))).encode()
        if texts and size + len(text) + 1 > limit_bytes:
            yield head + b",".join(texts)
            texts, size = [], len(head)
        texts.append(text)
        size += len(text) + 1
    if texts:
        yield head + b",".join(texts)
