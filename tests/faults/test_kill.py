"""SIGKILL under load (docs/reliability.md): what was acknowledged is there, once, in order, for every reader."""

import asyncio

import pytest

from tests.faults.database import read_database
from tests.faults.http_sender import HttpSender
from tests.faults.ledger import Finding, Verdict, judge
from tests.faults.readers import Reader, complete
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import Sender, Traffic
from tests.fixtures.backends import BACKENDS
from tests.fixtures.server import Server, StartServer

HEADROOM = 500  # messages; no sender comes to rest before the kill


async def storm(server: Server, town: Town, *, kills: int, acked: int, seed: int) -> Verdict:
    """Kills the server `kills` times in the middle of traffic in which `acked` messages at least are acknowledged."""
    async with asyncio.TaskGroup() as group:
        traffic = Traffic(server.port, group, seed)
        for number, person in enumerate(town.people):
            sender = Sender(traffic, person, town.targets[person.user_id])
            sender.alter_every = 7 * (number % 2)
            traffic.add(sender)
        traffic.add(HttpSender(traffic, town.people[0], town.targets[town.people[0].user_id]))
        readers = [Reader(traffic, person, f"device of {person.nickname}") for person in town.people[::3]]
        for reader in readers:
            group.create_task(reader.run())
        step = acked // kills + 1
        for number in range(kills):
            if number % 2:  # every other time also in the middle of their reading
                await asyncio.gather(*(reader.synced.wait() for reader in readers))
            traffic.allow(step + HEADROOM)
            await traffic.acks(traffic.acked + step)
            await asyncio.sleep(traffic.random.random() * 0.05)  # anywhere within a batch
            traffic.up.clear()
            for reader in readers:
                reader.synced.clear()
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.restart)
            traffic.up.set()
        await traffic.finish()
        await complete(readers, server.storage_url)
        for reader in readers:
            reader.leave()
    await asyncio.to_thread(server.stop)
    return judge(traffic.ledger, read_database(server.storage_url))


LONG = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("backend", "kills", "acked", "seed"),
    [
        pytest.param("sqlite", 8, 3000, 0, marks=pytest.mark.timeout(300)),
        pytest.param("mysql", 4, 1500, 0, marks=pytest.mark.timeout(300)),
        # 100 kills and 50,000 messages in four parts, each with a database of its own
        *(pytest.param(name, 25, 12_500, seed, marks=LONG) for name in BACKENDS for seed in (1, 2, 3, 4)),
    ],
    indirect=["backend"],
)
def test_nothing_is_lost_doubled_or_out_of_order(start_server: StartServer, kills: int, acked: int, seed: int) -> None:
    server = start_server(*SETTINGS)
    town = Town(server.port, people=12, communities=3)
    verdict = asyncio.run(storm(server, town, kills=kills, acked=acked, seed=seed))
    print(f"{kills} kills: {verdict}")  # noqa: T201 (the figures of docs/reliability.md)
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] >= acked
    assert verdict.figures["tries with unknown outcome"] > 0, "no kill met a message on its way"
