"""SIGTERM under load: out in time, every send with an outcome or unknown, and stored once when sent again."""

import asyncio
import time
from typing import Any

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Verdict, judge
from tests.faults.line import message
from tests.faults.outside import OUTAGE, until, write_lock
from tests.faults.sockets import ChatSocket, get
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import ACK, Sender, Traffic
from tests.fixtures.backends import BACKENDS
from tests.fixtures.server import STOP_TIMEOUT_S, Server, StartServer

pytestmark = pytest.mark.timeout(180)

DRAINING = 4001
SPREAD_S = 0.2  # least time between the first and the last close: nobody's reconnects come all at once
WARM_UP = 300  # acks before the signal


async def drain(server: Server, town: Town) -> tuple[Verdict, float, list[float], list[int]]:
    """The verdict after a restart, the seconds from signal to exit, and when and with what the sockets were closed.

    When: of second devices that only read, because those of senders wait for their last answer.
    """
    async with asyncio.TaskGroup() as group:
        traffic = Traffic(server.port, group)
        senders = [Sender(traffic, person, town.targets[person.user_id], window=1) for person in town.people]
        for sender in senders:
            traffic.add(sender)
        await asyncio.gather(*(sender.connected.wait() for sender in senders))
        traffic.allow(1_000_000)
        await traffic.acks(WARM_UP)
        sockets = [sender.socket for sender in senders if sender.socket is not None]
        assert len(sockets) == len(senders)
        idle = [await ChatSocket.open(server.port, person.token, lambda _: None) for person in town.people]
        sockets += idle
        traffic.up.clear()  # whoever was sent away waits for the next server
        begin = time.monotonic()
        stopping = group.create_task(asyncio.to_thread(server.stop))
        status, _ = await get(server.port, "/readyz")
        while status == 200:  # the signal is on its way
            status, _ = await get(server.port, "/readyz")
        assert status == 503
        health, _ = await get(server.port, "/healthz")
        assert health == 200
        assert await stopping == 0
        took_s = time.monotonic() - begin
        await asyncio.gather(*(socket.ended.wait() for socket in sockets))
        await asyncio.to_thread(server.restart)
        traffic.up.set()
        await traffic.finish()
    closes = sorted(socket.closed_at for socket in idle)
    verdict = judge(traffic.ledger, read_database(server.storage_url), readers=False)
    return verdict, took_s, closes, [socket.close_code for socket in sockets]


def test_what_is_on_its_way_is_answered_before_its_socket_is_closed(start_server: StartServer) -> None:
    """Another process keeps the database until somebody who waits for nothing has been sent away."""
    server = start_server(*SETTINGS)
    server.expect_log(OUTAGE)  # where that took long
    town = Town(server.port, people=2, communities=0)
    one, other = town.people
    answers: list[dict[str, Any]] = []

    async def run() -> None:
        idle = await ChatSocket.open(server.port, other.token, lambda _: None)
        busy = await ChatSocket.open(server.port, one.token, answers.append)
        async with asyncio.TaskGroup() as group:
            with write_lock(server.storage_url):
                busy.send(message(other.user_id, "on its way"))
                await until(server.port, "writer_queue", 1)
                group.create_task(asyncio.to_thread(server.stop))
                await idle.ended.wait()
            await busy.ended.wait()
        assert (idle.close_code, busy.close_code) == (DRAINING, DRAINING)
        assert any(a["cmd"] == ACK or a.get("code") == BUSY for a in answers), "it was closed without an answer"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("backend", "clients"),
    [
        ("sqlite", 80),
        ("mysql", 40),
        *(pytest.param(name, 500, marks=[pytest.mark.long, pytest.mark.timeout(300)]) for name in BACKENDS),
    ],
    indirect=["backend"],
)
def test_a_drain_loses_nothing(start_server: StartServer, clients: int) -> None:
    server = start_server(*SETTINGS, "server.drain_notice_s=4")
    town = Town(server.port, people=clients, communities=0)
    verdict, took_s, closes, codes = asyncio.run(drain(server, town))
    spread_s = closes[-1] - closes[0]
    print(f"{clients} clients: out after {took_s:.1f} s, closes over {spread_s:.1f} s; {verdict}")  # noqa: T201
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] == verdict.figures["attempted"]
    assert set(codes) == {DRAINING}
    assert spread_s >= SPREAD_S
    assert took_s < STOP_TIMEOUT_S
