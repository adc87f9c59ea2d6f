"""Statements that go with the next one: they count, answer and fail as if each had been sent alone, in their order."""

from collections.abc import Iterator

import pytest

from storage.backends import open_database
from storage.database import Connection, Database, Duplicate
from storage.mysql_connection import MysqlConnection
from storage.store import Store

INSERT = "INSERT INTO conversation (`key`, id, last_seq, kind) VALUES (?, ?, ?, 10)"
MOVE = "UPDATE conversation SET last_seq = ? WHERE id = ?"
NUMBERS = "SELECT last_seq FROM conversation ORDER BY id"


@pytest.fixture
def database(store: Store, url: str) -> Iterator[Database]:
    """The database of `store`, migrated."""
    opened = open_database(url)
    yield opened
    opened.close()


def numbers(connection: Connection) -> list[int]:
    return [n for (n,) in connection.execute(NUMBERS).fetchall()]


def test_each_has_its_own_answer(database: Database) -> None:
    with database.writing() as connection:
        made = connection.later_many(INSERT, [("a", 1, 10), ("b", 2, 20), ("c", 3, 30)])
        moved = connection.later_many(MOVE, [(11, 1), (21, 2), (1, 7)])
        first = connection.later("SELECT `key`, last_seq FROM conversation WHERE id < ? ORDER BY id", (3,))
        none = connection.later_many(MOVE, [])
        assert first.fetchall() == [("a", 11), ("b", 21)]
        assert (made.rowcount, moved.rowcount) == (3, 2)
        assert none.rowcount <= 0


def test_the_next_statement_finds_what_they_did_and_the_commit_sends_the_rest(database: Database) -> None:
    with database.writing() as connection:
        connection.later_many(INSERT, [("a", 1, 10)])
        assert numbers(connection) == [10]
        connection.later(MOVE, (12, 1))
    with database.reading() as connection:
        assert numbers(connection) == [12]


def test_what_waits_when_a_transaction_is_undone_is_never_sent(database: Database) -> None:
    with database.writing() as connection:
        connection.later_many(INSERT, [("a", 1, 10)])

    def give_up() -> None:
        with database.writing() as connection:
            connection.later(MOVE, (12, 1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    with database.writing() as connection:
        assert numbers(connection) == [10]


def test_one_that_fails_says_so_and_undoes_the_transaction(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(INSERT, ("a", 1, 10))

    def insert_again() -> None:
        with database.writing() as connection:
            connection.later(MOVE, (11, 1))
            connection.later_many(INSERT, [("b", 2, 20), ("a", 3, 30)])
            connection.later(MOVE, (12, 1))

    with pytest.raises(Duplicate):
        insert_again()
    with database.writing() as connection:
        assert numbers(connection) == [10]


def test_after_one_that_failed_the_transaction_can_go_on(database: Database) -> None:
    """As after any statement that a unique index refuses."""
    with database.writing() as connection:
        connection.execute(INSERT, ("a", 1, 10))
        with pytest.raises(database.duplicate):
            connection.later_many(INSERT, [("a", 2, 20)]).rowcount  # noqa: B018 (it raises)
        moved = connection.later(MOVE, (11, 1))
        assert numbers(connection) == [11]
        assert moved.rowcount == 1


def test_more_than_a_packet_takes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.writing() as connection:
        if isinstance(connection, MysqlConnection):
            monkeypatch.setattr(connection, "packet_bytes", 1000)
        made = connection.later_many(INSERT, [(f"row {n}", n + 1, n) for n in range(200)])
        moves = [connection.later(MOVE, (n + 1000, n + 1)) for n in range(100)]
        rows = connection.later(NUMBERS)
        assert rows.fetchall() == [(n,) for n in [*range(1000, 1100), *range(100, 200)]]
        assert made.rowcount == 200
        assert [one.rowcount for one in moves] == [1] * 100


def test_a_text_ends_no_statement(database: Database) -> None:
    texts = ["; DELETE FROM conversation; --", "'; DELETE FROM conversation; -- ", '\\"; \0;', "好;`'😀\\"]
    with database.writing() as connection:
        connection.later_many(INSERT, [(text, n + 1, n) for n, text in enumerate(texts)])
        found = [connection.later("SELECT id FROM conversation WHERE `key` = ?", (text,)) for text in texts]
        assert [one.fetchall() for one in found] == [[(n + 1,)] for n in range(len(texts))]
        assert numbers(connection) == [0, 1, 2, 3]
