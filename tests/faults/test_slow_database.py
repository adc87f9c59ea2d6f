"""The database slow or locked: everybody is answered in time, no socket is dropped, what commits late is told late."""

import asyncio
from typing import Any

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Ledger, conversation_key, judge
from tests.faults.outside import OUTAGE, PATIENCE_S, write_lock
from tests.faults.patient import Patient
from tests.faults.sockets import ChatSocket, call
from tests.faults.town import SETTINGS, SINGLE, Town
from tests.fixtures.server import Server, StartServer
from tests.people import Failure

pytestmark = pytest.mark.timeout(180)

SENDERS = 10
EACH = 5  # messages of one sender while the database is locked
LOCKED_S = 3.0
ROUNDS = 10
LAST = "the last one"
ANSWER_S = 7.0  # the promise is 2 s; the rest is for a loaded machine


async def patients(server: Server, town: Town, ledger: Ledger) -> list[Patient]:
    return [await Patient(ledger, p, town.targets[p.user_id][0][1]).open(server) for p in town.people]


def check(server: Server, ledger: Ledger, people: list[Patient]) -> None:
    assert not any(person.socket.ended.is_set() for person in people), "a socket was dropped"
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] == verdict.figures["attempted"] == verdict.figures["stored"]


def test_another_process_holds_the_database(start_server: StartServer) -> None:
    """For 3 s, or until everybody has his answer: 50301. Reading goes on; what is sent again is stored once."""
    server = start_server(*SETTINGS)
    server.expect_log(OUTAGE)
    town = Town(server.port, people=SENDERS, communities=0)
    ledger = Ledger()

    async def run() -> None:
        people = await patients(server, town, ledger)
        loop = asyncio.get_running_loop()
        with write_lock(server.storage_url):
            until = loop.time() + LOCKED_S
            for _ in range(EACH):
                for person in people:
                    person.send()
            bot, over_http = town.people[0], people[0].frames[people[0].send()]
            with pytest.raises(Failure) as refused:
                await call(server.port, "/message/send", bot.token, **over_http)
            assert refused.value.code == BUSY
            await call(server.port, "/message/conversations", bot.token)  # reading goes on
            await asyncio.gather(*(person.all_answered() for person in people))
            await asyncio.sleep(until - loop.time())  # the lock lasts its time
        codes = {answer.get("code", 0) for p in people for answers in p.answers.values() for answer in answers}
        assert codes == {BUSY}
        slowest_s = max(seconds for person in people for seconds in person.first_answer_s.values())
        print(f"slowest answer while the database was locked: {slowest_s:.2f} s")  # noqa: T201
        assert slowest_s < ANSWER_S
        await asyncio.gather(*(person.insist() for person in people))
        check(server, ledger, people)
        for person in people:
            person.socket.abort()

    asyncio.run(run())


def test_a_socket_is_read_on_after_a_50301(start_server: StartServer) -> None:
    """A draft that has its 50301 is none of the open ones any more, whether a thread has it or not."""
    server = start_server(*SETTINGS, "messages.unacked=1", "messages.busy_after_ms=200")
    server.expect_log(OUTAGE)
    town = Town(server.port, people=2, communities=0)
    ledger = Ledger()

    async def run() -> None:
        one, other = town.people
        sender = await Patient(ledger, one, other.user_id).open(server)
        with write_lock(server.storage_url):
            for _ in range(3):
                async with asyncio.timeout(PATIENCE_S):
                    assert (await sender.answer(sender.send()))["code"] == BUSY
        async with asyncio.timeout(PATIENCE_S):
            await sender.insist()
        check(server, ledger, [sender])
        sender.socket.abort()

    asyncio.run(run())


def test_what_commits_late_is_delivered_and_acked_late(start_server: StartServer) -> None:
    """The lock goes while the batch still waits for it: 50301 has been said, and the ACK and the message follow."""
    server = start_server(*SETTINGS, "messages.busy_after_ms=200")
    server.expect_log(OUTAGE)  # on a machine so slow that the batch gave up
    town = Town(server.port, people=2, communities=0)
    ledger = Ledger()
    heard: list[int] = []
    complete = asyncio.Event()

    def hear(message: dict[str, Any]) -> None:
        if message["cmd"] == SINGLE:
            heard.append(message["seq"])
            if message["content"] == LAST:
                complete.set()

    async def late(sender: Patient) -> bool:
        """Whether the draft committed after its 50301; False where the database gave up before."""
        with write_lock(server.storage_url):
            cid = sender.send()
            await sender.all_answered()
            assert [answer.get("code") for answer in sender.answers[cid]] == [BUSY]
        await sender.answered_again(cid)  # the thread that had it tells what came of it
        if not sender.acked(cid):
            await sender.insist()
            return False
        assert not sender.answers[cid][1].get("dup")
        return True

    async def run() -> None:
        one, other = town.people
        reader = await ChatSocket.open(server.port, other.token, hear)
        sender = await Patient(ledger, one, other.user_id).open(server)
        for _ in range(ROUNDS):
            if await late(sender):
                break
        else:
            raise AssertionError("no batch committed late")
        sender.send(text=LAST)
        await sender.insist()
        await complete.wait()
        rows = read_database(server.storage_url).logs[conversation_key(SINGLE, one.user_id, other.user_id)]
        assert heard == [row.seq for row in rows]
        check(server, ledger, [sender])
        sender.socket.abort()
        reader.abort()

    asyncio.run(run())
