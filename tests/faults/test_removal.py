"""A kick or a block that has committed stops every draft after it, whatever was on its way."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.faults.database import SQLITE, read_database, snapshot
from tests.faults.ledger import BUSY, Finding, Ledger, conversation_key, judge
from tests.faults.line import Line, message
from tests.faults.outside import until, write_lock
from tests.faults.patient import Patient
from tests.faults.sockets import call
from tests.faults.town import COMMUNITY, SETTINGS, SINGLE, Town
from tests.faults.traffic import ACK
from tests.fixtures.server import Server, StartServer
from tests.people import Failure

pytestmark = pytest.mark.timeout(180)

WINDOW = 4  # messages of a streaming sender on their way
TRIES = 5
NOT_A_MEMBER, BLOCKED = 40303, 40304
ROUNDS = [
    pytest.param(15, marks=pytest.mark.timeout(180)),
    pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(600)]),
]


@asynccontextmanager
async def streaming(senders: list[Patient]) -> AsyncIterator[None]:
    """Each sender keeps `WINDOW` messages on their way; at the end every one has its answer."""
    going = True

    async def stream(sender: Patient) -> None:
        while going:
            await sender.answer(sender.send())

    async with asyncio.TaskGroup() as group:
        for sender in senders * WINDOW:
            group.create_task(stream(sender))
        yield
        going = False


async def first_answers(senders: list[Patient], count: int) -> None:
    """Returns when each has so many ACKs more."""
    before = {sender: len(sender.acks()) for sender in senders}
    for sender in senders:
        while len(sender.acks()) < before[sender] + count:
            await sender.answer(sender.send())


@pytest.mark.parametrize("rounds", ROUNDS)
def test_nothing_of_a_member_stands_behind_his_kick(start_server: StartServer, rounds: int) -> None:
    server = start_server(*SETTINGS)
    town = Town(server.port, people=4, communities=1)
    community_id = town.community_ids[0]
    owner, *members = town.people
    ledger = Ledger()

    async def run() -> None:
        senders = [await Patient(ledger, p, community_id, COMMUNITY).open(server) for p in members]
        for _ in range(rounds):
            async with streaming(senders):
                await first_answers(senders, 2)
                calls = (
                    call(server.port, "/community/kick", owner.token, dstid=community_id, memberid=member.user_id)
                    for member in members
                )
                await asyncio.gather(*calls)
                for sender in senders:
                    assert (await sender.answer(sender.send()))["code"] == NOT_A_MEMBER
            for member in members:
                await call(server.port, "/contact/joincommunity", member.token, dstid=community_id)
        for sender in senders:
            sender.socket.abort()

    asyncio.run(run())
    server.stop()
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    print(f"{rounds} rounds: {verdict}")  # noqa: T201
    assert verdict.finding is Finding.PASS, verdict
    kicks, behind = after_the_kick(server)
    assert kicks == rounds * len(members)
    assert behind == []


def after_the_kick(server: Server) -> tuple[int, list[int]]:
    """(kicks in the log of the only community, seqs of messages whose sender was outside)."""
    with snapshot(server.storage_url) as query:
        rows = query.rows(
            "SELECT m.seq, m.sender_id, m.event FROM message m JOIN conversation c ON c.id = m.conversation_id"
            " WHERE c.kind = 11 ORDER BY m.seq"
        )
    outside: set[int] = set()
    kicks, behind = 0, []
    for seq, sender_id, text in rows:
        event: dict[str, Any] = json.loads(text) if text else {}
        if event.get("kind") == "kicked":
            kicks += 1
            outside.update(event["userids"])
        elif event.get("kind") == "joined":
            outside.difference_update(event["userids"])
        elif sender_id in outside:
            behind.append(seq)
    return kicks, behind


@pytest.mark.parametrize("rounds", ROUNDS)
def test_nothing_is_stored_after_a_block(start_server: StartServer, rounds: int) -> None:
    """From the answer on; and on SQLite, which reads the clock inside its only write lock, from the block itself on."""
    server = start_server(*SETTINGS)
    town = Town(server.port, people=2, communities=0)
    target, sender = town.people
    ledger = Ledger()

    async def run() -> None:
        patient = await Patient(ledger, sender, target.user_id).open(server)
        for _ in range(rounds):
            async with streaming([patient]):
                await first_answers([patient], 2)
                await call(server.port, "/contact/block", target.token, dstid=sender.user_id)
                stored = seqs_of(server, sender.user_id)
                assert (await patient.answer(patient.send()))["code"] == BLOCKED
            assert seqs_of(server, sender.user_id) == stored
            if server.storage_url.startswith(SQLITE):
                blocked_at_ms, last_at_ms = times(server, sender.user_id)
                assert last_at_ms <= blocked_at_ms
            await call(server.port, "/contact/unblock", target.token, dstid=sender.user_id)
        patient.socket.abort()

    asyncio.run(run())
    server.stop()
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    print(f"{rounds} rounds: {verdict}")  # noqa: T201
    assert verdict.finding is Finding.PASS, verdict


def seqs_of(server: Server, sender_id: int) -> list[int]:
    """Places of all that he has sent."""
    with snapshot(server.storage_url) as query:
        return [row[0] for row in query.rows("SELECT seq FROM message WHERE sender_id = ? ORDER BY seq", sender_id)]


def times(server: Server, sender_id: int) -> tuple[int, int]:
    """(when he was blocked, when his last message was stored), epoch milliseconds."""
    with snapshot(server.storage_url) as query:
        blocked = query.rows("SELECT created_at_ms FROM block WHERE target_id = ?", sender_id)
        last = query.rows("SELECT max(created_at_ms) FROM message WHERE sender_id = ?", sender_id)
    return blocked[0][0], last[0][0]


@pytest.mark.parametrize("kick_first", [True, False], ids=["kick, then message", "message, then kick"])
def test_in_one_batch_the_order_of_arrival_decides(start_server: StartServer, kick_first: bool) -> None:
    """Both wait for the writer while another process keeps the database."""
    server = start_server(*SETTINGS, "messages.busy_after_ms=2000", "storage.writers=1")
    town = Town(server.port, people=4, communities=1)
    community_id = town.community_ids[0]
    owner, member, *friends = town.people

    async def kicked() -> dict[str, Any]:
        try:
            return await call(server.port, "/community/kick", owner.token, dstid=community_id, memberid=member.user_id)
        except Failure as failure:
            if failure.code != BUSY:
                raise
            return failure.envelope

    async def one_batch(line: Line, blocker: Line) -> dict[str, Any] | None:
        """The answer to the message; None where the machine was so slow that 50301 came first."""
        kick = kicked()
        sent = line.send(message(community_id, "on its way", COMMUNITY))
        before = line.busy + blocker.busy
        async with asyncio.TaskGroup() as group:
            with write_lock(server.storage_url):
                group.create_task(blocker.send(message(friends[1].user_id, "takes the thread", SINGLE)))
                await until(server.port, "writer_queue", 1)
                pair: tuple[Coroutine[Any, Any, dict[str, Any]], ...] = (kick, sent) if kick_first else (sent, kick)
                first = group.create_task(pair[0])
                await until(server.port, "writer_queue", 2)
                second = group.create_task(pair[1])
                await until(server.port, "writer_queue", 3)
        answer, kicking = (second, first) if kick_first else (first, second)
        slow = line.busy + blocker.busy > before or kicking.result()["code"] == BUSY
        return None if slow else answer.result()

    async def run() -> None:
        line, blocker = await Line().open(server.port, member), await Line().open(server.port, friends[0])
        for _ in range(TRIES):
            answer = await one_batch(line, blocker)
            if answer is not None:
                break
            await call(server.port, "/contact/joincommunity", member.token, dstid=community_id)
        assert answer is not None, "the machine was too slow: 50301 each time"
        if kick_first:
            assert answer["code"] == NOT_A_MEMBER
        else:
            assert answer["cmd"] == ACK
        for each in (line, blocker):
            each.socket.abort()

    asyncio.run(run())
    server.stop()
    log = read_database(server.storage_url).logs[conversation_key(COMMUNITY, 0, community_id)]
    assert any(row.cid for row in log) is not kick_first
    assert after_the_kick(server)[1] == []
