"""A full disk: nothing is acknowledged that is not stored, all are answered, reading goes on, writing comes back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import BUSY, Finding, Ledger, judge
from tests.faults.patient import Patient
from tests.faults.readers import Reader
from tests.faults.small_disk import Disk, FileLimit, mounted
from tests.faults.sockets import call, get
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import Traffic
from tests.fixtures.backends import only_on_sqlite
from tests.fixtures.server import Server, StartServer

pytestmark = [pytest.mark.timeout(180), only_on_sqlite]

PEOPLE = 6
BEFORE, DURING = 5, 15  # messages of each sender
TEXT = "x" * 3000
ANSWER_S = 7.0  # the promise is 2 s; the rest is for a loaded machine


async def fill_and_empty(server: Server, town: Town, disk: Disk) -> Ledger:
    async with asyncio.TaskGroup() as group:
        traffic = Traffic(server.port, group)
        reader = Reader(traffic, town.people[1], "device")
        reading = group.create_task(reader.run())
        await reader.synced.wait()
        people = [await Patient(traffic.ledger, p, town.targets[p.user_id][0][1]).open(server) for p in town.people]
        for person in people:
            for _ in range(BEFORE):
                person.send(text=TEXT)
        await asyncio.gather(*(person.all_answered() for person in people))
        disk.fill()
        for person in people:
            for _ in range(DURING):
                person.send(text=TEXT)
        await asyncio.gather(*(person.all_answered() for person in people))
        answers = [answer for person in people for answers in person.answers.values() for answer in answers]
        assert {answer["code"] for answer in answers if "code" in answer} == {BUSY}
        assert sum("code" in answer for answer in answers) > PEOPLE * DURING / 2, "the disk was not full"
        assert max(seconds for person in people for seconds in person.first_answer_s.values()) < ANSWER_S
        await still_readable(server, town)
        acked = [answer["seq"] for answer in people[0].acks()]
        disk.empty()
        await asyncio.gather(*(person.insist() for person in people))
        assert len(people[0].acks()) > len(acked)
        assert not any(person.socket.ended.is_set() for person in people), "a socket was dropped"
        now = read_database(server.storage_url)
        keys = [key for user_id, key in now.windows if user_id == reader.person.user_id]
        await reader.complete({key: now.last_seqs[key] for key in keys}, {})
        for person in people:
            person.socket.abort()
        reader.leave()
        await reading
    return traffic.ledger


async def still_readable(server: Server, town: Town) -> None:
    person = town.people[0]
    kind, dstid = town.targets[person.user_id][0]
    page: dict[str, Any] = await call(server.port, "/message/history", person.token, kind=kind, dstid=dstid)
    assert len(page["rows"]) >= 2 * BEFORE
    await call(server.port, "/message/conversations", person.token)
    assert (await get(server.port, "/readyz"))[0] == 200


def check(server: Server, ledger: Ledger) -> None:
    server.stop()
    verdict = judge(ledger, read_database(server.storage_url))
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] == verdict.figures["attempted"] == PEOPLE * (BEFORE + DURING)


def test_no_file_may_grow(start_server: StartServer) -> None:
    server = start_server(*SETTINGS)
    server.expect_log("database out of order: disk I/O error")
    town = Town(server.port, people=PEOPLE, communities=0)
    check(server, asyncio.run(fill_and_empty(server, town, FileLimit(server.pid, server.database))))


@pytest.mark.long
def test_no_space_left_on_the_device(start_server: StartServer, tmp_path: Path) -> None:
    with mounted(tmp_path) as disk:
        server = start_server(*SETTINGS, f"storage.url=sqlite:///{tmp_path}/im.db")
        server.expect_log("database out of order: database or disk is full")
        town = Town(server.port, people=PEOPLE, communities=0)
        check(server, asyncio.run(fill_and_empty(server, town, disk)))
