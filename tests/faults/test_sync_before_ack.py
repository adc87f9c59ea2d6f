"""No ACK, and no message to anybody, leaves before the sync of the log that holds it: the server's own system calls."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import Finding, judge
from tests.faults.town import SETTINGS, Town
from tests.faults.trace import SYSTEM_CALLS, order_of
from tests.faults.traffic import Sender, Traffic
from tests.fixtures.backends import only_on_sqlite
from tests.fixtures.server import StartServer
from tests.fixtures.services import require

SHOWN_BYTES = 70_000  # of each buffer: all of a page, and of a joined write
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
    assert (order.acked, order.wal_writes, order.syncs, order.early, order.unseen) == ({"aaa", "bbb"}, 2, 1, [], [])


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


@contextmanager
def traced(strace: str, pid: int, output: Path) -> Iterator[None]:
    """All threads of the process, from when it is attached to the end of the block."""
    command = [
        strace,
        "-f",
        "-y",
        "-s",
        str(SHOWN_BYTES),
        "-e",
        f"trace={SYSTEM_CALLS}",
        "-o",
        str(output),
        "-p",
        str(pid),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "attached" in first, first
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            process.wait(30)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param(300, marks=pytest.mark.timeout(180)),
        pytest.param(3000, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
    ],
)
@only_on_sqlite
def test_nothing_leaves_before_it_is_synced(start_server: StartServer, tmp_path: Path, messages: int) -> None:
    strace = require("strace", "the order of the server's system calls is looked at")
    server = start_server(*SETTINGS)
    town = Town(server.port, people=8, communities=1)
    output = tmp_path / "trace"

    async def run() -> Traffic:
        async with asyncio.TaskGroup() as group:
            traffic = Traffic(server.port, group)
            for person in town.people:
                traffic.add(Sender(traffic, person, town.targets[person.user_id], window=4))
            traffic.allow(messages)
            await traffic.acks(messages - messages % 16)
            await traffic.finish()
        return traffic

    with traced(strace, server.pid, output):
        traffic = asyncio.run(run())
    verdict = judge(traffic.ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
    cids = [cid for _, cid in traffic.ledger.attempts]
    with output.open(encoding="ascii") as trace:
        order = order_of(trace, cids)
    print(f"{len(order.acked)} ACKs, {order.wal_writes} writes and {order.syncs} syncs of the log")  # noqa: T201
    assert order.early == []
    assert order.unseen == []
    assert order.acked == set(cids)
    assert order.syncs > 0
