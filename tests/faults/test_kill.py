"""SIGKILL under load (docs/reliability.md): what was acknowledged is there, once, in order, for every reader."""

import asyncio
import contextlib

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import Finding, Verdict, judge
from tests.faults.readers import Reader
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import HttpSender, Sender, Traffic
from tests.fixtures.server import Server, StartServer

HEADROOM = 500  # messages; no sender comes to rest before the kill
LAST_WORDS_S = 60.0  # for the readers to be complete, on a loaded machine


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
        await complete(readers, server)
        for reader in readers:
            reader.leave()
    await asyncio.to_thread(server.stop)
    return judge(traffic.ledger, read_database(server.storage_url))


async def complete(readers: list[Reader], server: Server) -> None:
    """Returns when every reader has all that is stored, or when his time is up: the oracle says what he misses."""
    now = read_database(server.storage_url)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS_S):
            for reader in readers:
                keys = [key for user_id, key in now.windows if user_id == reader.person.user_id]
                last_seqs, vers = ({key: of[key] for key in keys} for of in (now.last_seqs, now.last_vers))
                await reader.complete(last_seqs, vers)


LONG = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("kills", "acked", "seed"),
    [
        pytest.param(8, 3000, 0, marks=pytest.mark.timeout(300)),
        # 100 kills and 50,000 messages in four parts, each with a database of its own
        *(pytest.param(25, 12_500, seed, marks=LONG) for seed in (1, 2, 3, 4)),
    ],
)
def test_nothing_is_lost_doubled_or_out_of_order(start_server: StartServer, kills: int, acked: int, seed: int) -> None:
    server = start_server(*SETTINGS)
    town = Town(server.port, people=12, communities=3)
    verdict = asyncio.run(storm(server, town, kills=kills, acked=acked, seed=seed))
    print(f"{kills} kills: {verdict}")  # noqa: T201 (the figures of docs/reliability.md)
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] >= acked
    assert verdict.figures["tries with unknown outcome"] > 0, "no kill met a message on its way"
