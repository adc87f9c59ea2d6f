"""No ACK, and no message to anybody, leaves before the sync of the log that holds it: the server's own system calls."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.commit_trace import BOTH_SYSTEM_CALLS, commit_order_of
from tests.faults.database import read_database
from tests.faults.ledger import Finding, judge
from tests.faults.town import SETTINGS, Town
from tests.faults.trace import Order, order_of, traced
from tests.faults.traffic import Sender, Traffic
from tests.fixtures.backends import only_on_mysql, only_on_sqlite
from tests.fixtures.mariadb import PATIENTLY, MariaDB
from tests.fixtures.server import Server, StartServer
from tests.fixtures.services import require

LOG, ACK = "/data/im.db-wal", '{\\"cmd\\":1,\\"cid\\":\\"%s\\",\\"id\\":7}'


def lines(*calls: str) -> list[str]:
    return [f"71 {call}" if not call.startswith("7") else call for call in calls]


def write(cid: str) -> str:
    return f'pwrite64(9<{LOG}>, "\\3\\0{cid}text", 4096, 32) = 4096'


def ack(cid: str) -> str:
    return f'sendto(20<socket:[77]>, "\\201\\33{ACK % cid}", 40, 0, NULL, 0) = 40'


SYNC = f"fdatasync(9<{LOG}>) = 0"


def test_the_oracle_passes_what_is_in_order() -> None:
    order = order_of(lines(write("aaa"), write("bbb"), SYNC, ack("aaa"), ack("bbb")), ["aaa", "bbb"])
    assert (order.acked, order.log_writes, order.syncs, order.early, order.unseen) == ({"aaa", "bbb"}, 2, 1, [], [])


def test_the_next_batch_may_write_while_acks_of_the_last_leave() -> None:
    assert order_of(lines(write("aaa"), SYNC, write("bbb"), ack("aaa"), SYNC, ack("bbb")), ["aaa", "bbb"]).early == []


@pytest.mark.parametrize(
    "calls",
    [
        (write("aaa"), ack("aaa"), SYNC),
        (SYNC, write("aaa"), ack("aaa")),
        (write("aaa"), f"fdatasync(9<{LOG}>) = -1 EIO (Input/output error)", ack("aaa")),
        (write("aaa"), "fdatasync(9</data/im.db>) = 0", ack("aaa")),
        (write("aaa"), f"72 fdatasync(9<{LOG}> <unfinished ...>", ack("aaa"), "72 <... fdatasync resumed>) = 0"),
        (f"72 fdatasync(9<{LOG}> <unfinished ...>", write("aaa"), "72 <... fdatasync resumed>) = 0", ack("aaa")),
        (write("aaa"), ack("aaa").replace("sendto(20<socket:[77]>, ", "writev(20<socket:[77]>, [{iov_base="), SYNC),
        (write("aaa"), ack("aaa").replace('cmd\\":1', 'cmd\\":10'), SYNC),  # delivered too early
    ],
    ids=[
        "no sync",
        "sync before",
        "failed sync",
        "another file",
        "sync runs",
        "sync began before",
        "writev",
        "message",
    ],
)
def test_the_oracle_objects(calls: tuple[str, ...]) -> None:
    assert order_of(lines(*calls), ["aaa"]).early == ["aaa"]


def test_the_oracle_objects_to_an_ack_of_what_was_never_written() -> None:
    assert order_of(lines(SYNC, ack("aaa")), ["aaa"]).unseen == ["aaa"]


DB, OTHER = "<socket:[81]>", "<socket:[82]>"
REDO = "/data/ib_logfile0"
REDO_WRITE, REDO_SYNC = f'pwrite64(11<{REDO}>, "\\2\0", 4096, 8192) = 4096', f"fdatasync(11<{REDO}>) = 0"
COMMIT = f'recvfrom(79{DB}, "\\3COMMIT", 7, MSG_DONTWAIT, NULL, NULL) = 7'


def insert(cid: str) -> str:
    statement = f"\\3INSERT INTO message VALUES (5, '{cid}', 'text')"
    return f'recvfrom(79{DB}, "{statement}", 80, MSG_DONTWAIT, NULL, NULL) = 80'


def test_the_oracle_of_commits_passes_what_is_in_order() -> None:
    calls = lines(insert("aaa"), insert("bbb"), COMMIT, REDO_WRITE, insert("ccc"), REDO_SYNC, ack("aaa"), ack("bbb"))
    order = commit_order_of(calls, ["aaa", "bbb", "ccc"])
    assert (order.acked, order.log_writes, order.syncs, order.early, order.unseen) == ({"aaa", "bbb"}, 1, 1, [], [])


def test_what_the_database_is_told_may_come_in_pieces() -> None:
    first, second = insert("aaa").replace("aaa", "a", 1), f'recvfrom(79{DB}, "aa\', 1)", 8, 0, NULL, NULL) = 8'
    first = first[: first.index("', 'text")] + '", 80, MSG_DONTWAIT, NULL, NULL) = 80'
    assert commit_order_of(lines(first, second, COMMIT, REDO_WRITE, REDO_SYNC, ack("aaa")), ["aaa"]).unseen == []


@pytest.mark.parametrize(
    "calls",
    [
        (COMMIT, REDO_WRITE, ack("aaa"), REDO_SYNC),
        (REDO_WRITE, REDO_SYNC, COMMIT, ack("aaa")),
        (REDO_WRITE, COMMIT, REDO_SYNC, ack("aaa")),
        (COMMIT, f"72 {REDO_SYNC[:-5]} <unfinished ...>", REDO_WRITE, "72 <... fdatasync resumed>) = 0", ack("aaa")),
        (f"72 {REDO_WRITE[:-7]} <unfinished ...>", COMMIT, "72 <... pwrite64 resumed>) = 4096", REDO_SYNC, ack("aaa")),
        (COMMIT, REDO_WRITE, REDO_SYNC.replace("= 0", "= -1 EIO (Input/output error)"), ack("aaa")),
        (COMMIT, REDO_WRITE, REDO_SYNC.replace(REDO, "/data/ibdata1"), ack("aaa")),
        (COMMIT, REDO_WRITE, ack("aaa").replace('cmd\\":1', 'cmd\\":10'), REDO_SYNC),
    ],
    ids=[
        "no sync",
        "sync before",
        "no write after",
        "sync began before",
        "write began before",
        "failed sync",
        "another file",
        "message",
    ],
)
def test_the_oracle_of_commits_objects(calls: tuple[str, ...]) -> None:
    assert commit_order_of(lines(insert("aaa"), *calls), ["aaa"]).early == ["aaa"]


@pytest.mark.parametrize("commit", ["", COMMIT.replace(DB, OTHER)], ids=["no commit", "of another connection"])
def test_the_oracle_of_commits_objects_to_an_ack_without(commit: str) -> None:
    calls = [insert("aaa"), *([commit] if commit else []), REDO_WRITE, REDO_SYNC, ack("aaa")]
    assert commit_order_of(lines(*calls), ["aaa"]).unseen == ["aaa"]


async def chatted(server: Server, town: Town, messages: int) -> Traffic:
    """So many messages and their outcome."""
    async with asyncio.TaskGroup() as group:
        traffic = Traffic(server.port, group)
        for person in town.people:
            traffic.add(Sender(traffic, person, town.targets[person.user_id], window=4))
        traffic.allow(messages)
        await traffic.acks(messages - messages % 16)
        await traffic.finish()
    return traffic


def cids_of(traffic: Traffic, server: Server) -> list[str]:
    """Of a run in which all went well."""
    verdict = judge(traffic.ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
    return [cid for _, cid in traffic.ledger.attempts]


SIZES = pytest.mark.parametrize(
    "messages",
    [
        pytest.param(300, marks=pytest.mark.timeout(180)),
        pytest.param(3000, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)


@SIZES
@only_on_sqlite
def test_nothing_leaves_before_it_is_synced(start_server: StartServer, tmp_path: Path, messages: int) -> None:
    strace = require("strace", "the order of the server's system calls is looked at")
    server = start_server(*SETTINGS)
    town = Town(server.port, people=8, communities=1)
    output = tmp_path / "trace"
    with traced(strace, output, server.pid):
        traffic = asyncio.run(chatted(server, town, messages))
    cids = cids_of(traffic, server)
    with output.open(encoding="ascii") as trace:
        order = order_of(trace, cids)
    assert_in_order(order, cids)


def assert_in_order(order: Order, cids: list[str]) -> None:
    print(f"{len(order.acked)} ACKs, {order.log_writes} writes and {order.syncs} syncs of the log")  # noqa: T201
    assert order.early == []
    assert order.unseen == []
    assert order.acked == set(cids)
    assert order.syncs > 0


def order_on(mariadb: MariaDB, server: Server, output: Path, messages: int) -> tuple[Order, list[str]]:
    """What messenger and database did, for so many messages; and their cids."""
    strace = require("strace", "the order of the system calls of messenger and database is looked at")
    town = Town(server.port, people=8, communities=1)
    with traced(strace, output, mariadb.pid, server.pid, calls=BOTH_SYSTEM_CALLS):
        traffic = asyncio.run(chatted(server, town, messages))
    cids = cids_of(traffic, server)
    with output.open(encoding="ascii") as trace:
        return commit_order_of(trace, cids), cids


@SIZES
@only_on_mysql
def test_nothing_leaves_before_mariadb_has_synced_its_commit(
    own_mariadb: MariaDB, start_server: StartServer, tmp_path: Path, messages: int
) -> None:
    server = start_server(*SETTINGS, f"storage.url={own_mariadb.url()}{PATIENTLY}")
    assert_in_order(*order_on(own_mariadb, server, tmp_path / "trace", messages))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("value", [0, 2])
@only_on_mysql
def test_a_mariadb_that_stops_syncing_its_commits_is_noticed(
    own_mariadb: MariaDB, start_server: StartServer, tmp_path: Path, value: int
) -> None:
    """Changed behind the back of the messenger, which refuses to start on such a server."""
    server = start_server(*SETTINGS, f"storage.url={own_mariadb.url()}{PATIENTLY}")
    own_mariadb.admin.execute(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}")
    order, cids = order_on(own_mariadb, server, tmp_path / "trace", 300)
    assert order.acked == set(cids)
    assert order.early
    assert order.unseen == []
