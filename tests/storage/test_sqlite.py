"""What holds for SQLite alone: durability, busy and broken files, the fair writer lock, closing."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado.clock import Clock
from imtornado.errors import BadParameter, Busy
from imtornado.records import Kind
from storage.backends import open_database, open_store
from storage.fair_lock import FairLock
from storage.sqlite import Sqlite
from storage.store import NewUser, Store
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "im.db"


@pytest.fixture
def local(path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{path}", Clock())
    yield store
    store.close()


def test_a_commit_is_on_the_disk_before_it_returns(path: Path) -> None:
    database = Sqlite(path)
    with database.reading() as connection:
        pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        assert pragmas == ["wal", 2]
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    database.close()


def test_a_relative_url_lies_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///data/im.db", Clock()).close()
    assert (tmp_path / "data" / "im.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:im.db", "oracle://u:p@h/im", "im.db", ""])
def test_a_bad_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadParameter) as caught:
        open_store(url, Clock())
    assert "sqlite" in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BadParameter, match="folder"):
        open_store(f"sqlite:///{tmp_path}/file/im.db", Clock())


def test_the_epoch_belongs_to_the_database(local: Store, path: Path, tmp_path: Path) -> None:
    again = open_store(f"sqlite:///{path}", Clock())
    other = open_store(f"sqlite:///{tmp_path}/other.db", Clock())
    assert local.epoch == again.epoch != other.epoch
    assert len(local.epoch) == 36
    again.close()
    other.close()


def test_a_database_locked_by_another_process_is_busy(local: Store, path: Path, expect_log: ExpectLog) -> None:
    expect_log("storage.sqlite", "database is locked")
    scene = Scene(local)
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy) as caught:
        local.commit([draft])
    assert caught.value.retry_after_ms > 0
    assert local.users.get(ada) is not None  # who reads is not kept waiting
    local.check()
    other.execute("ROLLBACK")
    other.close()
    assert scene.outcome(draft) is not None
    assert [message.cid for message in scene.seen(bea, Kind.SINGLE, ada)] == [draft.cid]


def test_a_full_disk_fails_the_batch_and_keeps_what_was(local: Store, expect_log: ExpectLog) -> None:
    expect_log("storage.sqlite", "full")
    scene = Scene(local)
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    drafts = [scene.draft(ada, Kind.SINGLE, bea, "x" * 60_000) for _ in range(50)]
    _execute(local, "PRAGMA max_page_count = 1")
    with pytest.raises(Busy):
        local.commit(drafts)
    assert len(scene.seen(ada, Kind.SINGLE, bea)) == 1
    _execute(local, "PRAGMA max_page_count = 1073741823")
    assert len(local.commit(drafts)) == 50
    assert [message.seq for message in scene.seen(ada, Kind.SINGLE, bea)] == list(range(1, 52))


def test_a_read_only_database_is_busy_for_writers(local: Store, expect_log: ExpectLog) -> None:
    expect_log("storage.sqlite", "readonly|read-only")
    _execute(local, "PRAGMA query_only = 1")
    with pytest.raises(Busy):
        local.users.create(NewUser("1", "h", "n"))
    _execute(local, "PRAGMA query_only = 0")
    local.users.create(NewUser("1", "h", "n"))


def test_a_file_that_is_no_database_is_busy(path: Path, expect_log: ExpectLog) -> None:
    expect_log("storage.sqlite", "not a database")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(Busy):
        open_store(f"sqlite:///{path}", Clock())


def test_close_ends_the_connections_of_all_threads(path: Path) -> None:
    store = open_store(f"sqlite:///{path}", Clock())
    done, hold = threading.Barrier(4), threading.Event()

    def use() -> None:
        store.users.count()
        done.wait(60)
        hold.wait(60)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    done.wait(60)
    store.close()
    assert not path.with_name("im.db-wal").exists()  # the last connection takes it away
    hold.set()
    for thread in threads:
        thread.join()


def test_the_writer_lock_is_given_in_the_order_of_asking() -> None:
    lock, order, threads = FairLock(), [], []
    assert lock.acquire(0)

    def take(number: int) -> None:
        assert lock.acquire(60)
        order.append(number)
        lock.release()

    for number in range(20):
        thread = threading.Thread(target=take, args=(number,))
        thread.start()
        threads.append(thread)
        while lock.waiting <= number:
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join()
    assert order == list(range(20))
    assert lock.acquire(0)


def test_who_gives_up_waiting_does_not_hold_the_lock() -> None:
    lock = FairLock()
    assert lock.acquire(0)
    assert not lock.acquire(0.01)
    assert lock.waiting == 0
    lock.release()
    assert lock.acquire(0)


def create_forty(store: Store, name: str) -> None:
    """Who is told that the database is busy tries again; a name that is there then was his own."""
    for number in range(40):
        while True:
            try:
                store.users.create(NewUser(f"{name}{number}", "h", "n"))
            except Busy:
                continue
            break


def test_writers_of_two_processes_do_not_lose_each_other(local: Store, path: Path, expect_log: ExpectLog) -> None:
    expect_log("storage.sqlite", "database is locked", optional=True)  # three processes on a slow disk
    program = (
        "import sys; from imtornado.clock import Clock; from storage.backends import open_store\n"
        "from tests.storage.test_sqlite import create_forty\n"
        "store = open_store(sys.argv[1], Clock())\n"
        "create_forty(store, sys.argv[2])\n"
        "store.close()\n"
    )
    url = f"sqlite:///{path}"
    root = Path(__file__).resolve().parents[2]
    running = [subprocess.Popen([sys.executable, "-c", program, url, name], cwd=root) for name in ("a", "b")]
    create_forty(local, "c")
    assert [process.wait(100) for process in running] == [0, 0]
    assert local.users.count() == 120


def test_the_database_behind_a_url_is_left_as_it_is(path: Path) -> None:
    database = open_database(f"sqlite:///{path}")
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    database.close()


def _execute(store: Store, sql: str) -> None:
    """A pragma of this thread's connection."""
    store._database._connection().execute(sql).fetchall()  # type: ignore[attr-defined]
