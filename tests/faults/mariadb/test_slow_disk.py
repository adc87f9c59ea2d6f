"""A disk that takes longer for a sync than a batch waits for its answer: whoever sends is told 50301 in time and the
truth when it is known, and the database does not drown in connections."""

import asyncio

import pytest

from storage.mysql import BATCH_ANSWER_S
from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Ledger, judge
from tests.faults.outside import OUTAGE, PATIENCE_S
from tests.faults.patient import Patient
from tests.faults.town import SETTINGS, Town
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import StartServer
from tests.fixtures.slow_calls import slow_calls

SYNC_S = BATCH_ANSWER_S + 0.3
MESSAGES = 2
CONNECTIONS = 20  # for each message; a storm has hundreds


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
        with slow_calls(own_mariadb.pid, "fdatasync,fsync", SYNC_S):
            async with asyncio.timeout(2 * PATIENCE_S):
                for _ in range(MESSAGES):
                    assert (await sender.answer(sender.send()))["code"] == BUSY
                    await sender.insist()
        assert own_mariadb.status("Connections") - before < CONNECTIONS * MESSAGES
        sender.socket.abort()

    asyncio.run(run())
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
