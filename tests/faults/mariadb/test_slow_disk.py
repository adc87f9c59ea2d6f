"""A disk that takes longer for a sync than a batch waits for its answer: whoever sends is told 50301 in time and the
truth when it is known, and the database does not drown in connections."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from storage.mysql import BATCH_ANSWER_S
from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Ledger, judge
from tests.faults.outside import OUTAGE, PATIENCE_S
from tests.faults.patient import Patient
from tests.faults.town import SETTINGS, Town
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import StartServer
from tests.fixtures.services import require

SYNC_S = BATCH_ANSWER_S + 0.3
MESSAGES = 2
CONNECTIONS = 20  # for each message; a storm has hundreds


@contextmanager
def slow_syncs(mariadb: MariaDB) -> Iterator[None]:
    """Each takes SYNC_S, as on a disk that is overwhelmed."""
    strace = require("strace", "it delays the syncs of a real MariaDB")
    command = [strace, "-f", "-e", "trace=fdatasync,fsync", "-o", "/dev/null", "-p", str(mariadb.pid)]
    command += ["-e", f"inject=fdatasync,fsync:delay_enter={SYNC_S * 1e6:.0f}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "attached" in line, line
        try:
            yield
        finally:
            process.terminate()
            process.stderr.read()
            process.wait(30)


@pytest.mark.timeout(180)
def test_what_a_slow_disk_commits_late_is_acknowledged_late(own_mariadb: MariaDB, start_server: StartServer) -> None:
    server = start_server(*SETTINGS, f"storage.url={own_mariadb.url()}")
    server.expect_log(f"{OUTAGE}|did not come through")
    town = Town(server.port, people=2, communities=0)
    ledger = Ledger()

    async def run() -> None:
        one, other = town.people
        sender = await Patient(ledger, one, other.user_id).open(server)
        await sender.answer(sender.send())  # the writer has taken ids for the next ones
        before = own_mariadb.status("Connections")
        with slow_syncs(own_mariadb):
            async with asyncio.timeout(2 * PATIENCE_S):
                for _ in range(MESSAGES):
                    assert (await sender.answer(sender.send()))["code"] == BUSY
                    await sender.insist()
        assert own_mariadb.status("Connections") - before < CONNECTIONS * MESSAGES
        sender.socket.abort()

    asyncio.run(run())
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
