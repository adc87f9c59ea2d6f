"""The database slow or locked: everybody is answered in time, no socket is dropped, what commits late is told late."""

import asyncio
import re
from typing import Any

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Ledger, conversation_key, judge
from tests.faults.outside import OUTAGE, PATIENCE_S, write_lock
from tests.faults.patient import Patient
from tests.faults.sockets import ChatSocket, call, get
from tests.faults.town import SETTINGS, SINGLE, Town
from tests.fixtures.server import Server, StartServer
from tests.people import Failure

pytestmark = pytest.mark.timeout(180)

SENDERS = 10
EACH = 5  # messages of one sender while the database is locked
LOCKED_S = 3.0
ROUNDS = 10
WAITING_CHANGES = 8
LAST = "the last one"
ANSWER_S = 7.0  # the promise is 2 s; the rest is for a loaded machine


async def patients(server: Server, town: Town, ledger: Ledger) -> list[Patient]:
    return [await Patient(ledger, p, town.targets[p.user_id][0][1]).open(server) for p in town.people]


def check(server: Server, ledger: Ledger, people: list[Patient]) -> None:
    assert not any(person.socket.ended.is_set() for person in people), "a socket was dropped"
    verdict = judge(ledger, read_database(server.storage_url), readers=False)
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] == verdict.figures["attempted"] == verdict.figures["stored"]


async def queued(server: Server) -> int:
    """Messages and changes that the writer has."""
    _, text = await get(server.port, "/metrics")
    found = re.search(rb"^imtornado_writer_queue (\d+)", text, re.MULTILINE)
    assert found, text
    return int(found[1])


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


def test_changes_that_wait_for_the_database_keep_no_reader_waiting(start_server: StartServer) -> None:
    """More of them than there are threads."""
    server = start_server(*SETTINGS, "storage.threads=2", "messages.busy_after_ms=2000")
    server.expect_log(OUTAGE)
    town = Town(server.port, people=2, communities=0)
    one, other = town.people
    place: dict[str, object] = {"kind": SINGLE, "dstid": other.user_id}
    for number in range(WAITING_CHANGES):
        one.say(other.user_id, f"message {number}")

    async def run() -> None:
        with write_lock(server.storage_url):
            recalls = [
                asyncio.create_task(call(server.port, "/message/recall", one.token, seq=number + 1, **place))
                for number in range(WAITING_CHANGES)
            ]
            pin = asyncio.create_task(call(server.port, "/message/pin", one.token, **place))
            while await queued(server) < WAITING_CHANGES + 1:
                assert not any(task.done() for task in recalls)
                await asyncio.sleep(0.01)
            page = await call(server.port, "/message/history", other.token, kind=SINGLE, dstid=one.user_id)
            assert len(page["rows"]) == WAITING_CHANGES
            assert not any(task.done() for task in [*recalls, pin]), "they were not waiting any more"
        outcomes = await asyncio.gather(*recalls, pin, return_exceptions=True)
        assert not [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, Failure)]

    asyncio.run(run())
