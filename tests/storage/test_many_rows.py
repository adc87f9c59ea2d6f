"""Statements with many rows: each row counts as if it had been alone, and each text arrives as it was."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import mysql_sql
from storage.backends import open_database
from storage.database import Connection, Database
from storage.mysql_connection import MysqlConnection
from storage.store import Store

MOVE = "UPDATE conversation SET last_seq = ? WHERE id = ? AND last_seq < ?"
INSERT = "INSERT INTO conversation (`key`, id, last_seq, kind) VALUES (?, ?, ?, 10)"
BIGGEST = 2**63 - 1


@pytest.fixture
def database(store: Store, url: str) -> Iterator[Database]:
    """The database of `store`, migrated."""
    opened = open_database(url)
    yield opened
    opened.close()


def insert(connection: Connection, count: int) -> int:
    """Rows with the ids 1, 2, … and the numbers 0, 1, …; how many were counted."""
    return connection.executemany(INSERT, [(f"row {n}", n + 1, n) for n in range(count)]).rowcount


def numbers(connection: Connection) -> list[int]:
    return [n for (n,) in connection.execute("SELECT last_seq FROM conversation ORDER BY last_seq").fetchall()]


def test_an_update_of_many_rows_counts_those_that_it_met(database: Database) -> None:
    with database.writing() as connection:
        assert insert(connection, 100) == 100
        assert connection.executemany(MOVE, [(n + 1000, n + 1, 50) for n in range(100)]).rowcount == 50
        assert numbers(connection) == [*range(50, 100), *range(1000, 1050)]
        # What has its value already is met too, what is not there is not.
        assert connection.executemany(MOVE, [(60, 61, BIGGEST), (1, 7000, BIGGEST), (1, 100, 99)]).rowcount == 1
        assert connection.executemany(MOVE, []).rowcount <= 0
        assert connection.executemany(MOVE, iter([(5, 61, BIGGEST)])).rowcount == 1


def test_rows_with_one_key_are_taken_one_after_the_other(database: Database) -> None:
    with database.writing() as connection:
        insert(connection, 3)
        assert connection.executemany(MOVE, [(7, 1, BIGGEST), (5, 2, BIGGEST), (9, 1, BIGGEST)]).rowcount == 3
        assert connection.executemany(MOVE, [(6, 2, 6), (8, 2, 6)]).rowcount == 1
        assert numbers(connection) == [2, 6, 9]


def test_numbers_are_kept_to_the_last_digit(database: Database) -> None:
    given = [2**53 - 1, 2**53 + 1, BIGGEST, -BIGGEST]
    with database.writing() as connection:
        insert(connection, 4)
        assert connection.executemany(MOVE, [(number, n + 1, 4) for n, number in enumerate(given)]).rowcount == 4
        assert numbers(connection) == sorted(given)


def test_an_update_of_more_rows_than_a_packet_takes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.writing() as connection:
        if isinstance(connection, MysqlConnection):
            monkeypatch.setattr(connection, "packet_bytes", 1000)
        insert(connection, 500)
        assert connection.executemany(MOVE, [(n + 1000, n + 1, 499) for n in range(500)]).rowcount == 499
        assert numbers(connection) == [499, *range(1000, 1499)]


def test_texts_and_subqueries_in_an_update_mean_what_they_mean_alone(database: Database) -> None:
    by_name = "UPDATE conversation SET last_seq = ? WHERE `key` = ?"
    below = "UPDATE conversation SET last_seq = ? WHERE id = ? AND EXISTS (SELECT 1 FROM user)"
    with database.writing() as connection:
        connection.executemany(INSERT, [("row 1", 1, 1), ("row 01", 2, 2), ("row 'x'", 3, 3)])
        assert connection.executemany(by_name, [(10, "row 1"), (20, "row '"), (30, "row 'x'")]).rowcount == 2
        assert numbers(connection) == [2, 10, 30]
        assert connection.executemany(below, [(5, 2), (6, 1)]).rowcount == 0


def test_whole_numbers_with_keys_of_their_own_travel_together() -> None:
    update = mysql_sql.update_of(MOVE)
    assert update is not None
    assert mysql_sql.updates(update, [(1, 2, 3), (1, 4, 3)], 1000) is not None
    assert mysql_sql.updates(update, [(1, 2, 3), (4, 2, 3)], 1000) is None
    assert mysql_sql.updates(update, [(1, 2, 3), (1, "2", 3)], 1000) is None
    assert mysql_sql.updates(update, [(1, None, 3)], 1000) is None
    assert mysql_sql.updates(update, [(True, 2, 3)], 1000) is None
    assert mysql_sql.update_of("UPDATE member SET seq = ? WHERE id = ? AND EXISTS (SELECT 1)") is None
    assert mysql_sql.update_of("UPDATE member SET seq = ? WHERE id = ? OR seq = ?") is None
    assert mysql_sql.update_of("UPDATE member SET seq = ? WHERE user_id = ?") is None
    assert mysql_sql.update_of("DELETE FROM member WHERE seq = ?") is None


# What has a meaning in statements, beside all the rest.
TEXT = st.lists(st.one_of(st.sampled_from("\\'\"\0\n\r\x1a%?_`;😀\u0301"), st.text(max_size=5)), max_size=8).map(
    "".join
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(texts=st.lists(TEXT.filter(lambda text: all(not "\ud800" <= c <= "\udfff" for c in text)), max_size=20))
def test_every_text_arrives_as_it_was(database: Database, texts: list[str]) -> None:
    rows = [(7, n + 1, 1, text, text[:64]) for n, text in enumerate(texts)]
    with database.writing() as connection:
        connection.execute("DELETE FROM earlier_text")
        connection.executemany(
            "INSERT INTO earlier_text (conversation_id, seq, ver, content) VALUES (?, ?, ?, ?)",
            [row[:4] for row in rows],
        )
        stored = connection.execute("SELECT seq, content FROM earlier_text ORDER BY seq").fetchall()
        assert stored == [(row[1], row[3]) for row in rows]
        for text in texts:
            assert connection.execute("SELECT ?, ?", (text, 5)).fetchone() == (text, 5)
