"""The connection cut between commit and ACK: what is sent again gets the first one's place, and is stored once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from tests.faults.database import read_database
from tests.faults.ledger import Finding, Ledger, conversation_key, judge
from tests.faults.line import Line, message
from tests.faults.outside import figure, until, write_lock
from tests.faults.proxy import Link, Proxy
from tests.faults.town import SETTINGS, SINGLE, Town
from tests.faults.traffic import ACK, ERROR
from tests.fixtures.server import Server, StartServer
from tests.people import Person

pytestmark = pytest.mark.timeout(180)

SENDERS = 20
TRIES = 5
LONG = [pytest.mark.long, pytest.mark.timeout(600)]


Lines = tuple[Line, Line]
Everybody = dict[Person, Lines]


def is_ack(payload: bytes) -> bool:
    return payload.startswith(b'{"cmd":1,')


def busy_count(everybody: Everybody) -> int:
    return sum(line.busy for lines in everybody.values() for line in lines)


async def cuts(server: Server, proxy: Proxy, ledger: Ledger, person: Person, dstid: int, count: int) -> None:
    """One sender, whose every ACK is lost once."""
    key = conversation_key(SINGLE, person.user_id, dstid)
    direct = await Line().open(server.port, person)
    for number in range(count):
        line = await Line().open(proxy.port, person)
        sent = message(dstid, f"message {number}")
        attempt = ledger.attempt(person.user_id, key, sent["cid"], sent["content"])
        line.socket.send(sent)
        await line.socket.ended.wait()
        attempt.unknown += 1
        assert not line.answers, "the ACK passed the proxy"
        ledger.attempt(person.user_id, key, sent["cid"], sent["content"])
        ack = await direct.send(sent)
        assert ack["cmd"] == ACK
        assert ack["dup"] is True, "the first copy was not stored when its ACK left"
        attempt.acked(ack["seq"], ack["id"], dup=True)
        other = await direct.send(sent | {"content": "another body"})
        assert (other["cmd"], other["code"]) == (ERROR, 40902)
    direct.socket.abort()


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=LONG)])
def test_the_ack_is_lost(start_server: StartServer, count: int) -> None:
    server = start_server(*SETTINGS)
    town = Town(server.port, people=SENDERS, communities=0)
    ledger = Ledger()
    withheld: dict[str, tuple[int, int]] = {}  # {cid: (seq, id) of the ACK that was lost}

    async def run() -> None:
        links: list[Link] = []

        def on_link(link: Link) -> None:
            links.append(link)
            link.cut_before(is_ack)

        async with Proxy(server.port, on_link) as proxy, asyncio.TaskGroup() as group:
            for person in town.people:
                _, friend = town.targets[person.user_id][0]
                group.create_task(cuts(server, proxy, ledger, person, friend, count // SENDERS))
        for link in links:
            for ack in map(msgspec.json.decode, link.withheld):
                withheld[ack["cid"]] = (ack["seq"], ack["id"])

    asyncio.run(run())
    server.stop()
    for (_, cid), attempt in ledger.attempts.items():
        assert withheld[cid] == attempt.acks[0], "the resend got another place than the lost ACK named"
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    print(f"{count} cuts: {verdict}")  # noqa: T201
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked as repeats"] == count


def test_both_copies_in_one_batch_over_two_sockets(start_server: StartServer) -> None:
    """Twenty senders at once; another process keeps the database while the copies gather, so one batch holds all."""
    server = start_server(*SETTINGS, "messages.busy_after_ms=2000", "storage.writers=1")
    town = Town(server.port, people=SENDERS, communities=0)
    ledger = Ledger()

    async def twice(person: Person, lines: Lines) -> None:
        _, friend = town.targets[person.user_id][0]
        sent = message(friend, "the same")
        key = conversation_key(SINGLE, person.user_id, friend)
        attempt = ledger.attempt(person.user_id, key, sent["cid"], sent["content"])
        first, second = await asyncio.gather(*(line.send(sent) for line in lines))
        assert sorted(ack.get("dup", False) for ack in (first, second)) == [False, True]
        for ack in (first, second):
            attempt.acked(ack["seq"], ack["id"], dup=ack.get("dup", False))

    async def differing(person: Person, lines: Lines) -> None:
        _, friend = town.targets[person.user_id][0]
        sent = message(friend, "one body")
        key = conversation_key(SINGLE, person.user_id, friend)
        answers = await asyncio.gather(lines[0].send(sent), lines[1].send(sent | {"content": "another body"}))
        acks = [answer for answer in answers if answer["cmd"] == ACK]
        errors = [answer["code"] for answer in answers if answer["cmd"] == ERROR]
        assert (len(acks), errors) == (1, [40902])
        content = "one body" if answers[0]["cmd"] == ACK else "another body"
        attempt = ledger.attempt(person.user_id, key, sent["cid"], content)
        attempt.acked(acks[0]["seq"], acks[0]["id"])

    async def story(everybody: Everybody, tell: Callable[[Person, Lines], Coroutine[Any, Any, None]]) -> bool:
        """Whether the copies were in one batch: nobody had to be told 50301 on the way."""
        first = town.people[0]
        before, busy = await figure(server.port, "batches_total"), busy_count(everybody)
        async with asyncio.TaskGroup() as group:
            with write_lock(server.storage_url):
                # The first drafts take the writer's thread to the locked database; the others gather behind them.
                group.create_task(tell(first, everybody[first]))
                await until(server.port, "writer_queue", 2)
                for person in town.people[1:]:
                    group.create_task(tell(person, everybody[person]))
                await until(server.port, "writer_queue", 2 * SENDERS)
        if busy_count(everybody) > busy:
            return False
        assert await figure(server.port, "batches_total") - before <= 3, "the copies were not in one batch"
        return True

    async def run() -> None:
        everybody = {
            person: (await Line().open(server.port, person), await Line().open(server.port, person))
            for person in town.people
        }
        for tell in (twice, differing):
            for _ in range(TRIES):
                if await story(everybody, tell):
                    break
            else:
                raise AssertionError("the machine was too slow: 50301 each time")
        for lines in everybody.values():
            for line in lines:
                line.socket.abort()

    asyncio.run(run())
    server.stop()
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
