"""Tables with their rows as plain tuples, for what handles a database as a whole: copies, backups, comparisons.

Rows come in the order of the primary key, in pages that begin after a key, whatever the size of the table; texts are
`str` and numbers `int` on every database, so that equal rows have equal hashes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
import peewee

from storage.database import Connection, Database
from storage.schema import MODELS
from storage.transactions import Row

PAGE = 2000  # rows: a message may have 60,000 bytes

_encode = msgspec.json.Encoder().encode


class Table:
    """One table of the current schema; `key` are the places of its primary key in `columns`."""

    def __init__(self, model: type[peewee.Model]) -> None:
        meta = model._meta
        self.name: str = meta.table_name
        self.columns: tuple[str, ...] = tuple(field.column_name for field in meta.sorted_fields)
        self.key: tuple[int, ...] = tuple(self.columns.index(field.column_name) for field in meta.get_primary_keys())  # type: ignore[no-untyped-call]

    def key_of(self, row: Row) -> Row:
        return tuple(row[place] for place in self.key)

    def count(self, connection: Connection) -> int:
        return int(connection.execute(f"SELECT count(*) FROM `{self.name}`").fetchone()[0])

    def is_empty(self, connection: Connection) -> bool:
        return connection.execute(f"SELECT 1 FROM `{self.name}` LIMIT 1").fetchone() is None

    def pages(self, connection: Connection, after: Row | None = None) -> Iterator[list[Row]]:
        """Non-empty pages of rows whose key is greater than `after`."""
        while page := self._page(connection, after):
            yield page
            after = self.key_of(page[-1])

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.executemany(self._insert, rows)

    def _page(self, connection: Connection, after: Row | None) -> list[Row]:
        # One statement for each length of the common beginning of the keys: no database can walk an index from
        # (a, b) > (?, ?) on as well as from a = ? AND b > ?.
        rows: list[Row] = []
        for places, statement in self._selects:
            if len(rows) == PAGE:
                break
            if (after is None) != (places == 0):  # the first page is the only one that nothing comes before
                continue
            parameters = (*(after[:places] if after else ()), PAGE - len(rows))
            rows += connection.execute(statement, parameters).fetchall()
        return rows

    @cached_property
    def _selects(self) -> tuple[tuple[int, str], ...]:
        """((number of key columns that the statement compares, statement), …), in the order of the keys."""
        names = [f"`{self.columns[place]}`" for place in self.key]
        columns = ", ".join(f"`{name}`" for name in self.columns)
        selects = []
        for places in range(len(names), -1, -1):
            conditions = (
                [*(f"{name} = ?" for name in names[: places - 1]), f"{names[places - 1]} > ?"] if places else []
            )
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            statement = f"SELECT {columns} FROM `{self.name}`{where} ORDER BY {', '.join(names)} LIMIT ?"
            selects.append((places, statement))
        return tuple(selects)

    @cached_property
    def _insert(self) -> str:
        columns = ", ".join(f"`{name}`" for name in self.columns)
        return f"INSERT INTO `{self.name}` ({columns}) VALUES ({', '.join('?' * len(self.columns))})"


DERIVED = ("search_page", "search_progress", "job")  # made anew from the others, by whoever serves the database
# No row before what it names.
ALL: tuple[Table, ...] = tuple(Table(model) for model in peewee.sort_models(MODELS))  # type: ignore[attr-defined]
TABLES: tuple[Table, ...] = tuple(table for table in ALL if table.name not in DERIVED)


class Digest(NamedTuple):
    """What a table holds, in whatever order it was read."""

    rows: int
    sha256: str  # the sum of the SHA-256 of each row, modulo 2**256


class Digester:
    """The digest of the rows that it was given."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum = 0

    def add(self, rows: Sequence[Row]) -> None:
        self._rows += len(rows)
        self._sum += sum(int.from_bytes(hashlib.sha256(_encode(row)).digest()) for row in rows)

    def digest(self) -> Digest:
        return Digest(self._rows, f"{self._sum % (1 << 256):064x}")


def existing(database: Database) -> tuple[Table, ...]:
    """Those of our tables that are there, the derived ones too."""
    there = set(database.orm.get_tables())
    return tuple(table for table in ALL if table.name in there)
