"""Whatever happens to MariaDB, or to the way to it: nothing acknowledged is lost, everybody is answered in time, no
socket is dropped, and service is back when the database is."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.database import read_database
from tests.faults.http_sender import HttpSender
from tests.faults.ledger import Finding, Ledger, judge
from tests.faults.mariadb.troubles import TROUBLES, Trouble, Victim, disk_full
from tests.faults.outside import OUTAGE, PATIENCE_S
from tests.faults.proxy import Proxy
from tests.faults.readers import Reader, complete
from tests.faults.small_disk import mounted
from tests.faults.sockets import ChatSocket, get
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import Sender, Traffic
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import Server, StartServer

PEOPLE, COMMUNITIES = 12, 3
BACK_S = 20.0  # the promise is 3 s; the rest is for a loaded machine
LINKS_BACK_S = 4.0  # where no server has to start anew a loaded machine needs less
GROWTH_BYTES = 80_000_000  # 12 are kept, most of it words that the index knows; the rest is room between them
BETWEEN = 150  # acknowledged messages between two troubles
ANY_NUMBER = 10_000_000
MARIADB_DISK_BYTES = 256 * 1024 * 1024
Step = tuple[Trouble, float, float]  # (what, for so many seconds, so many seconds of peace after it)


def resident_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


async def live_through(mariadb: MariaDB, start_server: StartServer, steps: list[Step]) -> tuple[Ledger, Victim]:
    """Twelve people write without pause, by socket and HTTP, four devices read, while one trouble follows another."""
    direct_url = mariadb.url()
    async with Proxy(mariadb.port) as proxy:
        url = direct_url.replace(f":{mariadb.port}/", f":{proxy.port}/")
        server = await asyncio.to_thread(start_server, *SETTINGS, f"storage.url={url}")
        server.expect_log(OUTAGE)
        town = await asyncio.to_thread(lambda: Town(server.port, people=PEOPLE, communities=COMMUNITIES))
        async with asyncio.TaskGroup() as group:
            traffic = Traffic(server.port, group)
            victim = Victim(mariadb, proxy, direct_url, traffic)
            senders = [Sender(traffic, person, town.targets[person.user_id]) for person in town.people]
            for number, sender in enumerate(senders):
                sender.alter_every = 7 * (number % 2)
                traffic.add(sender)
            traffic.add(HttpSender(traffic, town.people[0], town.targets[town.people[0].user_id]))
            readers = [Reader(traffic, person, f"device of {person.nickname}") for person in town.people[::3]]
            for reader in readers:
                group.create_task(reader.run())
            quiet = [await ChatSocket.open(server.port, person.token, lambda _: None) for person in town.people]
            await asyncio.gather(*(sender.connected.wait() for sender in senders))
            pulse = group.create_task(traffic.answers.watch_loops(server.port, town.people[0]))
            traffic.allow(ANY_NUMBER)
            before = resident_bytes(server.pid)
            waits: list[tuple[float, float]] = []  # from the end of each trouble to the next ACKs
            for trouble, seconds, peace_s in steps:
                await traffic.acks(traffic.acked + BETWEEN)
                await asyncio.sleep(random.random() * 0.05)  # anywhere within a batch
                still_alive = group.create_task(get(server.port, "/healthz"))
                await trouble(victim, seconds)
                over = asyncio.get_running_loop().time()
                async with asyncio.timeout(PATIENCE_S):
                    await traffic.acks(traffic.acked + 1)
                waits.append((over, asyncio.get_running_loop().time()))
                assert (await still_alive)[0] == 200
                await asyncio.sleep(peace_s)
            assert resident_bytes(server.pid) - before < GROWTH_BYTES
            assert not any(socket.ended.is_set() for socket in quiet), "a quiet socket was dropped"
            assert not any(sender.close_codes for sender in senders), "a sender's socket was dropped"
            await traffic.finish()
            pulse.cancel()
            for socket in quiet:
                socket.abort()
            await complete(readers, direct_url)
            for reader in readers:
                reader.leave()
        await stop(server)
    await victim.count_deadlocks()
    victim.back_s = [back - over - traffic.answers.behind_s(over, back) for over, back in waits]
    print(f"slowest answer {traffic.answers.slowest_s:.2f} s, back after {max(victim.back_s):.2f} s at most")  # noqa: T201
    print(traffic.answers.told())  # noqa: T201
    assert not traffic.answers.too_late()
    return traffic.ledger, victim


async def stop(server: Server) -> None:
    """In order, while its way to the database is open."""
    assert await asyncio.to_thread(server.stop) == 0


def check(ledger: Ledger, victim: Victim, *, within_s: float = BACK_S) -> None:
    verdict = judge(ledger, read_database(victim.url))
    back = ", ".join(f"{seconds:.1f}" for seconds in victim.back_s)
    print(f"{verdict}; back after {back} s; {victim.lost_answers} answers to COMMIT lost")  # noqa: T201
    assert verdict.finding is Finding.PASS, verdict
    assert victim.deadlocks == 0, victim.mariadb.log[-20_000:]
    assert max(victim.back_s) < within_s


@pytest.mark.timeout(240)
def test_one_trouble_after_the_other(own_mariadb: MariaDB, start_server: StartServer) -> None:
    steps = [(trouble, 1.0, 0.0) for trouble in TROUBLES.values()]
    ledger, victim = asyncio.run(live_through(own_mariadb, start_server, steps))
    check(ledger, victim)
    assert victim.lost_answers


@pytest.mark.timeout(180)
def test_links_that_are_lost_without_a_word_are_given_up_in_time(
    own_mariadb: MariaDB, start_server: StartServer
) -> None:
    steps = [(TROUBLES["links lost for ever"], 0.0, 1.0)] * 2
    check(*asyncio.run(live_through(own_mariadb, start_server, steps)), within_s=LINKS_BACK_S)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_no_space_left_for_the_tables(start_server: StartServer, tmp_path: Path) -> None:
    """On a file system of their own; needs the right to mount one."""
    with mounted(tmp_path, MARIADB_DISK_BYTES) as disk:
        mariadb = MariaDB(tmp_path)
        try:
            full = disk_full(disk)
            ledger, victim = asyncio.run(live_through(mariadb, start_server, [(full, 5.0, 1.0)] * 3))
            check(ledger, victim)
        finally:
            mariadb.close()
    assert any(attempt.unknown for attempt in ledger.attempts.values()), "the disk was not full"


FIVE_IN_A_MINUTE = [(TROUBLES["killed"], 2.0, 8.0)] * 5
LONG = {
    "killed five times in a minute": FIVE_IN_A_MINUTE,
    "killed a hundred times": [(TROUBLES["killed"], 0.0, 0.0)] * 100,
    "shut down twenty times": [(TROUBLES["restarted"], 0.0, 0.0)] * 20,
    "stopped for 30 s": [(TROUBLES["stopped"], 30.0, 5.0)],
    "stopped ten times": [(TROUBLES["stopped"], 3.0, 1.0)] * 10,
    "connections killed for a minute": [(TROUBLES["connections killed"], 3.0, 0.0)] * 20,
    "links cut for a minute": [(TROUBLES["links cut"], 3.0, 0.0)] * 20,
    "links stalled for 30 s": [(TROUBLES["links stalled"], 30.0, 5.0)],
    "links stalled ten times": [(TROUBLES["links stalled"], 3.0, 1.0)] * 10,
    "links lost for ever, ten times": [(TROUBLES["links lost for ever"], 0.0, 1.0)] * 10,
    "no answer to any COMMIT": [(TROUBLES["commits unanswered"], 5.0, 1.0)] * 10,
    "read-only ten times": [(TROUBLES["read only"], 3.0, 1.0)] * 10,
    "locked ten times": [(TROUBLES["rows locked"], 4.0, 1.0)] * 10,
    "no connections left, ten times": [(TROUBLES["no connections left"], 3.0, 1.0)] * 10,
}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("steps", LONG.values(), ids=LONG.keys())
def test_one_trouble_for_long(own_mariadb: MariaDB, start_server: StartServer, steps: list[Step]) -> None:
    check(*asyncio.run(live_through(own_mariadb, start_server, steps)))
