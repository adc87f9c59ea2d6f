"""What is stored, read past the server: from SQLite's file or with a connection of one's own to MySQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql

FOREVER = 2**53
SQLITE = "sqlite:///"
TABLES = "message, conversation, member, `change`"


@dataclass(frozen=True, slots=True)
class Row:
    """A message at its place; of one that is gone only the place is compared."""

    seq: int
    message_id: int
    sender_id: int
    cid: str
    content: str
    gone: bool = False
    media: int = 1

    def shown(self) -> "Row":
        """What a reader can know of it."""
        return Row(self.seq, 0, 0, "", "", True) if self.gone else self


@dataclass(slots=True)
class Database:
    """What is stored at the end."""

    logs: dict[str, list[Row]]  # {key: rows in seq order}
    last_seqs: dict[str, int]
    vers: dict[str, list[int]]  # {key: vers of its changes in order}
    last_vers: dict[str, int]
    windows: dict[tuple[int, str], tuple[int, int]]  # {(user_id, key): (first, last)}
    damage: str = ""  # what the database's own check found


class Query:
    """Reads on one connection; SQL that both dialects understand, with `?`."""

    def __init__(self, connection: Any, dialect: str) -> None:
        self._connection = connection
        self._dialect = dialect

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(sql.replace("?", "%s") if self._dialect == "mysql" else sql, values)
            return [tuple(map(_text, row)) for row in cursor.fetchall()]

    def tables(self) -> list[str]:
        of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
        of_mysql = "SELECT table_name FROM information_schema.tables WHERE table_schema = database()"
        return [row[0] for row in self.rows(of_sqlite if self._dialect == "sqlite" else of_mysql)]

    def damage(self) -> str:
        """What the database's own check objects to."""
        if self._dialect == "sqlite":
            problems = [row[0] for row in self.rows("PRAGMA integrity_check")]
        else:
            problems = [row[-1] for row in self.rows(f"CHECK TABLE {TABLES}")]
        return "; ".join(problem for problem in problems if problem.lower() != "ok")


def _text(value: Any) -> Any:
    """Texts that are compared byte by byte may come as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A connection of the driver's, which begins no transaction by itself."""
    if url.startswith(SQLITE):
        connection: Any = sqlite3.connect(Path(url.removeprefix(SQLITE)), timeout=60, isolation_level=None)
    else:
        parts = urlsplit(url)
        connection = pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path[1:],
            autocommit=True,
            read_timeout=120,
        )
    with closing(connection):
        yield connection


@contextmanager
def snapshot(url: str) -> Iterator[Query]:
    """All reads inside see one moment."""
    with opened(url) as connection, closing(connection.cursor()) as cursor:
        if url.startswith(SQLITE):
            cursor.execute("BEGIN")
        else:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        yield Query(connection, "sqlite" if url.startswith(SQLITE) else "mysql")


def read_database(url: str) -> Database:
    """Reads all of it with the driver alone; the server may run, be stopped or have been killed."""
    with snapshot(url) as query:
        last_seqs, last_vers, keys = {}, {}, {}
        for number, key, last_seq, ver in query.rows("SELECT id, `key`, last_seq, ver FROM conversation"):
            keys[number], last_seqs[key], last_vers[key] = key, last_seq, ver
        logs: dict[str, list[Row]] = {key: [] for key in keys.values()}
        for number, *row, gone, media in query.rows(
            "SELECT conversation_id, seq, id, sender_id, coalesce(cid, ''), content, gone, media FROM message"
            " ORDER BY conversation_id, seq"
        ):
            logs[keys[number]].append(Row(row[0], row[1], row[2], row[3], row[4], bool(gone), media))
        vers: dict[str, list[int]] = {key: [] for key in keys.values()}
        for number, ver in query.rows("SELECT conversation_id, ver FROM `change` ORDER BY conversation_id, ver"):
            vers[keys[number]].append(ver)
        windows = {
            (user_id, keys[number]): (joined_seq, FOREVER if left_seq is None else left_seq)
            for user_id, number, joined_seq, left_seq in query.rows(
                "SELECT user_id, conversation_id, joined_seq, left_seq FROM member"
            )
        }
        return Database(logs, last_seqs, vers, last_vers, windows, query.damage())
