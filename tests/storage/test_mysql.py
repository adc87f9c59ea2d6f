"""What holds for MySQL alone: lost connections, locks that others hold, a server that is away."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pymysql
import pytest

from imtornado.clock import Clock
from imtornado.drafts import Change, ConversationTx, Draft, Stored
from imtornado.errors import Busy
from imtornado.records import Kind, conversation_key
from storage.backends import open_database, open_store
from storage.mysql_sql import filled, insert_of, inserts, literal
from storage.store import NewUser, Store
from tests.fixtures.logs import ExpectLog
from tests.fixtures.mariadb import PATIENTLY, Account, MariaDB
from tests.storage.scene import Scene, errors
from tests.storage.test_at_once import commit_patiently
from tests.storage.test_at_once import test_work_of_every_kind_by_many_at_once as work_of_every_kind

OUT_OF_ORDER = "database out of order|no connection to"
TOLD_WITHIN_S = 20.0  # the promise is 2 s; a busy machine may take longer to say it


@pytest.fixture
def url(mariadb: MariaDB) -> Iterator[str]:
    """An empty database of the run's own server."""
    found = mariadb.url() + PATIENTLY
    yield found
    mariadb.drop(found)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url, Clock())
    yield opened
    opened.close()


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def cut(admin: Account, url: str) -> int:
    """Ends every connection to the database; how many it were."""
    rows = admin.execute("SELECT id FROM information_schema.processlist WHERE db = %s", urlsplit(url).path.strip("/"))
    for (number,) in rows:
        admin.execute(f"KILL {number}")
    return len(rows)


@contextmanager
def transaction(admin: Account, url: str) -> Iterator[Any]:
    """Statements of somebody else, who commits at the end."""
    connection = pymysql.connect(
        host=admin.host,
        port=admin.port,
        user=admin.user,
        password=admin.password,
        database=urlsplit(url).path.strip("/"),
        read_timeout=60,
    )
    with closing(connection), connection.cursor() as cursor:
        yield cursor
        connection.commit()


def single(user_id: int, other_id: int) -> str:
    return conversation_key(Kind.SINGLE, user_id, other_id)


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(mariadb: MariaDB, url: str, scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    assert cut(mariadb.admin, url) >= 2  # that of the messages, and that of everything else
    assert scene.store.users.get(ada) is not None
    assert cut(mariadb.admin, url)
    scene.send(ada, Kind.SINGLE, bea)
    assert cut(mariadb.admin, url)
    scene.store.contacts.remark(ada, bea, "x")
    assert [message.seq for message in scene.seen(bea, Kind.SINGLE, ada)] == [1, 2]


def test_a_server_that_was_started_anew_is_found_again(own_server: MariaDB, own_store: Store) -> None:
    scene = Scene(own_store)
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    own_server.kill()
    own_server.start()
    assert own_store.users.get(ada) is not None
    assert scene.send(ada, Kind.SINGLE, bea).seq == 2
    own_server.restart()
    assert scene.send(ada, Kind.SINGLE, bea).seq == 3
    assert scene.store.users.get(ada) is not None


def test_a_connection_lost_in_a_transaction_leaves_nothing_of_it(
    mariadb: MariaDB, url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    expect_log("storage.mysql_errors", OUT_OF_ORDER)
    ada, bea = scene.friends()
    before = scene.draft(ada, Kind.SINGLE, bea, "before")
    cutting = True

    def lose(tx: ConversationTx) -> None:
        if cutting:
            cut(mariadb.admin, url)
        tx.tell(ada, "x", "{}")

    drafts: list[Draft] = [before, Change(single(ada, bea), lose), scene.draft(ada, Kind.SINGLE, bea, "after")]
    with pytest.raises(Busy) as caught:
        scene.store.commit(drafts)
    assert caught.value.retry_after_ms > 0
    assert scene.seen(ada, Kind.SINGLE, bea) == ()
    assert scene.kinds(0, ada).count("x") == 0
    cutting = False
    assert not errors(scene.store.commit(drafts))
    assert [message.content for message in scene.seen(ada, Kind.SINGLE, bea)] == ["before", "after"]


def test_a_call_that_loses_its_connection_is_busy_and_undone(
    mariadb: MariaDB, url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    expect_log("storage.mysql_errors", OUT_OF_ORDER)
    transactions = scene.store._transactions  # type: ignore[attr-defined]

    def write(*names: str) -> None:
        """The connection is lost behind the first; with no other one it is the commit that finds out."""
        with transactions.write() as tx:
            tx.execute("INSERT INTO meta (name, value) VALUES (?, 'x')", (names[0],))
            cut(mariadb.admin, url)
            for name in names[1:]:
                tx.execute("INSERT INTO meta (name, value) VALUES (?, 'x')", (name,))

    for names in (("half", "other"), ("half",)):
        with pytest.raises(Busy):
            write(*names)
    with transactions.read() as tx:
        assert not tx.all("SELECT name FROM meta WHERE name IN ('half', 'other')")


def test_a_server_that_is_away_is_busy_at_once_and_then_back(
    own_server: MariaDB, own_store: Store, expect_log: ExpectLog
) -> None:
    expect_log("storage", OUT_OF_ORDER)
    scene = Scene(own_store)
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea)
    own_server.kill()
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(Busy):
            own_store.commit([draft])
        with pytest.raises(Busy):
            own_store.users.get(ada)
    assert time.monotonic() - began < TOLD_WITHIN_S
    own_server.start()
    (outcome,) = commit_patiently(own_store, [draft])
    assert isinstance(outcome, Stored)
    assert len(scene.seen(bea, Kind.SINGLE, ada)) == 1


def test_a_server_that_does_not_answer_is_busy(own_server: MariaDB, own_store: Store, expect_log: ExpectLog) -> None:
    expect_log("storage", OUT_OF_ORDER)
    scene = Scene(own_store)
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea)
    own_server.stop()
    try:
        began = time.monotonic()
        calls: list[Callable[[], object]] = [
            partial(own_store.users.get, ada),
            own_store.check,
            partial(own_store.commit, [draft]),
        ]
        with ThreadPoolExecutor(3) as pool:
            for call in [pool.submit(_refused, call) for call in calls]:
                call.result()
        assert time.monotonic() - began < TOLD_WITHIN_S
    finally:
        own_server.cont()
    (outcome,) = commit_patiently(own_store, [draft])
    assert isinstance(outcome, Stored)  # whether the first one came through or not
    assert len(scene.seen(bea, Kind.SINGLE, ada)) == 1


def test_a_batch_waits_for_a_lock_and_is_done_anew(
    mariadb: MariaDB, url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    expect_log("storage.messages", "did not come through", optional=True)  # on a busy machine
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea)
    waits = mariadb.status("Innodb_row_lock_waits")
    with ThreadPoolExecutor(1) as pool:
        with transaction(mariadb.admin, url) as other:
            other.execute("SELECT id FROM conversation WHERE `key` = %s FOR UPDATE", (single(ada, bea),))
            committing = pool.submit(commit_patiently, scene.store, [draft])
            # The second wait is that of the second try.
            _wait(lambda: mariadb.status("Innodb_row_lock_waits") >= waits + 2)
        (outcome,) = committing.result()
        assert isinstance(outcome, Stored)


def test_a_lock_that_is_never_given_up_makes_the_batch_busy(
    mariadb: MariaDB, url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    expect_log("storage.messages", "did not come through")
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea)
    with transaction(mariadb.admin, url) as other:
        other.execute("SELECT id FROM conversation WHERE `key` = %s FOR UPDATE", (single(ada, bea),))
        with pytest.raises(Busy):
            scene.store.commit([draft])
        assert scene.store.users.get(ada) is not None  # who reads is not kept waiting
    assert isinstance(scene.outcome(draft), Stored)


def test_a_batch_that_is_the_victim_of_a_deadlock_is_done_anew(
    mariadb: MariaDB, url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    expect_log("storage.messages", "did not come through", optional=True)  # on a busy machine
    ada, bea = scene.friends()
    cat, dan = scene.friends()
    before = mariadb.status("Innodb_deadlocks")
    has_locks, runs, rounds = threading.Event(), [], 0

    def want_a_user(tx: ConversationTx) -> int:
        runs.append(1)
        has_locks.set()
        return tx.owned_count(cat)

    # Where the other one comes too late, the wait of the batch has ended without a deadlock: once more then.
    while mariadb.status("Innodb_deadlocks") == before:
        has_locks.clear()
        drafts: list[Draft] = [scene.draft(ada, Kind.SINGLE, bea), Change(single(ada, bea), want_a_user)]
        rounds += 1
        with ThreadPoolExecutor(1) as pool:
            with transaction(mariadb.admin, url) as other:
                # It has changed many rows: the server undoes the other one.
                other.execute("UPDATE member SET muted = %s WHERE user_id IN (%s, %s)", (rounds, cat, dan))
                other.execute("UPDATE user SET memo = %s WHERE id IN (%s, %s)", (f"{rounds}", cat, dan))
                committing = pool.submit(commit_patiently, scene.store, drafts)
                assert has_locks.wait(60)
                other.execute("SELECT id FROM conversation WHERE `key` = %s FOR UPDATE", (single(ada, bea),))
            assert not errors(committing.result())
    assert len(runs) > rounds
    assert len(scene.seen(ada, Kind.SINGLE, bea)) == rounds


def test_work_of_every_kind_meets_no_deadlock(mariadb: MariaDB, url: str, scene: Scene) -> None:
    before = mariadb.status("Innodb_deadlocks")
    other = open_store(url, Clock())
    try:
        work_of_every_kind(scene, lambda: other)
    finally:
        other.close()
    assert mariadb.status("Innodb_deadlocks") == before


def test_closing_ends_the_connections_of_all_threads(mariadb: MariaDB, url: str, store: Store) -> None:
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
    name = urlsplit(url).path.strip("/")
    _wait(lambda: not mariadb.admin.execute("SELECT id FROM information_schema.processlist WHERE db = %s", name))
    hold.set()
    for thread in threads:
        thread.join()


def test_sessions_are_strict_and_durable_whatever_the_server_s_defaults_are(url: str, store: Store) -> None:
    transactions = store._transactions  # type: ignore[attr-defined]
    with transactions.write() as tx:
        assert tx.one("SELECT @@autocommit, @@innodb_lock_wait_timeout, @@lock_wait_timeout") == (0, 1, 1)
        assert "STRICT_ALL_TABLES" in tx.one("SELECT @@sql_mode")[0]
        assert tx.one("SELECT @@character_set_client, @@character_set_results") == ("utf8mb4", "utf8mb4")
        assert tx.one("SELECT @@collation_connection") == ("utf8mb4_nopad_bin",)
    with pytest.raises(pymysql.err.DataError):
        store.users.create(NewUser("1" * 21, "h", "n"))  # refused, never cut
    assert store.users.count() == 0


def test_a_tool_may_rest_in_a_transaction_while_it_works_on_another_database(url: str, store: Store) -> None:
    """A copy reads the same snapshot again after it has read a whole table of the other side."""
    for patient, idle_s in ((False, 60), (True, 3600)):
        with closing(open_database(url, patient=patient)) as database, database.reading() as connection:
            assert connection.execute("SELECT @@idle_transaction_timeout").fetchone() == (idle_s,)


def test_tables_compare_bytes_also_where_the_database_would_not(mariadb: MariaDB, url: str) -> None:
    name = urlsplit(url).path.strip("/")
    mariadb.admin.execute(f"ALTER DATABASE {name} CHARACTER SET latin1 COLLATE latin1_swedish_ci")
    open_store(url, Clock()).close()
    found = mariadb.admin.execute(
        "SELECT DISTINCT engine, table_collation FROM information_schema.tables WHERE table_schema = %s", name
    )
    assert found == [("InnoDB", "utf8mb4_nopad_bin")]


def test_no_foreign_key_ties_messages_and_members(mariadb: MariaDB, url: str, store: Store) -> None:
    rows = mariadb.admin.execute(
        "SELECT DISTINCT table_name FROM information_schema.referential_constraints WHERE constraint_schema = %s",
        urlsplit(url).path.strip("/"),
    )
    assert not {"message", "member", "conversation", "change"} & {name for (name,) in rows}


def test_one_process_migrates_at_a_time(url: str) -> None:
    first, second = open_database(url), open_database(url)
    order: list[str] = []

    def wait_for_it() -> None:
        with second.migrating():
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with first.migrating():
            waiting = pool.submit(wait_for_it)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_values_are_written_as_literals() -> None:
    assert literal("a'b\\c\0\n\r\x1a\"%?") == "'a\\'b\\\\c\\0\\n\\r\\Z\\\"%?'"
    assert [literal(value) for value in (None, 7, -7, True, Kind.SINGLE, b"\x00'")] == [
        *("NULL", "7", "-7", "1", str(int(Kind.SINGLE)), "x'0027'")
    ]
    with pytest.raises(TypeError):
        literal(1.5)
    assert filled("SELECT ? WHERE a LIKE '%' AND b = ?", ("%s?", 1)) == "SELECT '%s?' WHERE a LIKE '%' AND b = 1"


def test_rows_of_an_insert_travel_in_packets_below_the_limit() -> None:
    insert = insert_of("INSERT INTO x (a, b) VALUES (?, ?)")
    assert insert is not None
    rows = [(number, "é" * 10) for number in range(10)] + [(99, "y" * 500)]
    statements = list(inserts(insert, rows, 120))
    assert b"".join(statements).count("é".encode()) == 100
    assert [len(statement) <= 120 for statement in statements] == [True] * (len(statements) - 1) + [False]
    assert all(statement.startswith(b"INSERT INTO x (a, b) VALUES (") for statement in statements)
    assert insert_of("UPDATE x SET a = ?") is None
    assert insert_of("INSERT INTO x SELECT 1") is None


def _refused(call: Callable[[], object]) -> None:
    with pytest.raises(Busy):
        call()


def _wait(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
