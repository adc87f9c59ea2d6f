"""The write-ahead log is emptied behind the writers' backs, and stays short."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import checkpoints
from storage.checkpoints import Checkpointer
from storage.sqlite import Sqlite
from tests.fixtures.logs import ExpectLog

DEADLINE_S = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Sqlite]:
    database = Sqlite(tmp_path / "im.db")
    with database.writing() as connection:
        connection.execute("CREATE TABLE row (n INTEGER PRIMARY KEY, text TEXT)")
    yield database
    database.close()


def rows_in_the_file_alone(database: Sqlite, copy: Path) -> int:
    """What a reader would find if the log were lost."""
    copy.write_bytes(database._path.read_bytes())
    try:
        connection = sqlite3.connect(copy)
        count: int = connection.execute("SELECT count(*) FROM row").fetchone()[0]
    except sqlite3.DatabaseError:
        return 0
    connection.close()
    return count


def test_what_was_committed_reaches_the_file_by_itself(database: Sqlite, tmp_path: Path) -> None:
    with database.writing() as connection:
        connection.executemany("INSERT INTO row (text) VALUES (?)", [("x" * 100,)] * 100)
    deadline = time.monotonic() + DEADLINE_S
    while rows_in_the_file_alone(database, tmp_path / "copy.db") < 100:
        assert time.monotonic() < deadline, "the log was not emptied"
        time.sleep(0.1)


def test_a_long_log_starts_anew_while_others_write(
    database: Sqlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LONG_FRAMES", 100)
    connection = database._connection()
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            with database.writing(often=True) as mine:
                mine.executemany("INSERT INTO row (text) VALUES (?)", [("x" * 2000,)] * 20)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        frames = 0
        deadline = time.monotonic() + DEADLINE_S
        while (now := connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]) >= frames:
            frames = max(frames, now)
            assert time.monotonic() < deadline, "the log only grows"
            time.sleep(0.05)
    finally:
        ended.set()
        writer.join()
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_failure_is_told_once_and_does_not_end_it(tmp_path: Path, expect_log: ExpectLog) -> None:
    expect_log("storage.checkpoints", "out of luck")
    tries: list[int] = []
    enough = threading.Event()

    def connect() -> sqlite3.Connection:
        tries.append(1)
        if len(tries) == 2:
            enough.set()
        raise sqlite3.OperationalError("out of luck")

    @contextmanager
    def turn() -> Iterator[None]:
        yield

    checkpointer = Checkpointer(tmp_path / "im.db", connect, turn)
    deadline = time.monotonic() + DEADLINE_S
    while not enough.wait(0.05):
        checkpointer.written()
        assert time.monotonic() < deadline
    checkpointer.stop()


def test_it_ends_with_the_database(database: Sqlite) -> None:
    with database.writing() as connection:
        connection.execute("INSERT INTO row (text) VALUES ('x')")
    thread = database._checkpointer._thread
    assert thread is not None
    assert thread.is_alive()
    database.close()
    assert not thread.is_alive()
