"""SIGTERM while calls run: they are answered, nothing waits for ever, nothing is logged."""

import asyncio
import http.client
import json
import signal
import threading
import time
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from imtornado import app
from imtornado import config_sources as settings
from imtornado.clock import Clock
from imtornado.config import Messages
from imtornado.drafts import Outcome, ReadDraft
from imtornado.errors import Busy, NotFound
from imtornado.live.writer import Pending, Writer
from imtornado.workers import Pool
from storage.backends import open_store
from tests.fixtures.server import StartServer
from tests.live.figures import wait_for_figure
from tests.people import Failure, Person, call


def test_a_call_that_runs_at_sigterm_is_answered(start_server: StartServer) -> None:
    server = start_server("accounts.bcrypt_rounds=12", "security.throttle=no")
    person = Person(server.port, "Ann")
    answers: list[str] = []
    calls = [threading.Thread(target=lambda: answers.append(person.log_in())) for _ in range(2)]
    for one in calls:
        one.start()
    wait_for_figure(server.port, "password_calls", 2)
    assert server.stop() == 0
    for one in calls:
        one.join(60)
    assert len(answers) == 2, "a log-in was cut off in the middle of its hash"
    server.restart()
    for token in answers:
        assert call(server.port, "/user/me", token=token)["data"]["id"] == person.user_id


def test_who_keeps_his_connection_is_told_to_leave(start_server: StartServer) -> None:
    server = start_server("server.drain_notice_s=6")
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    kept.request("GET", "/healthz")
    before = kept.getresponse()
    assert before.read()
    assert before.headers["Connection"] != "close"
    server.signal(signal.SIGTERM)
    until = time.monotonic() + 30
    status = 200
    while status == 200:
        assert time.monotonic() < until
        kept.request("GET", "/readyz")
        answer = kept.getresponse()
        assert json.loads(answer.read())
        status = answer.status
    assert (status, answer.headers["Connection"]) == (503, "close")
    kept.close()
    assert server.stop() == 0


@pytest.mark.parametrize("round_", range(3))
def test_sigterm_under_a_storm_of_calls(start_server: StartServer, round_: int) -> None:
    """Changes of a community wait in a thread for the writer, whose answers come over the loop."""
    server = start_server("security.throttle=no", "contacts.confirm=no")
    people = [Person(server.port, f"person {number}") for number in range(6)]
    community = people[0].data("/contact/createcommunity", name="storm")["id"]
    wrong: list[object] = []

    def storm(person: Person) -> None:
        try:
            while True:
                person.call("/contact/joincommunity", dstid=community)
                if person is not people[0]:
                    person.call("/community/leave", dstid=community)
        except (OSError, http.client.HTTPException):
            pass  # the server has gone
        except Failure as failure:
            if failure.code != Busy.code:
                wrong.append(failure)

    storms = [threading.Thread(target=storm, args=(person,)) for person in people]
    for one in storms:
        one.start()
    wait_for_figure(server.port, "drafts_total", 30)
    assert server.stop() == 0
    for one in storms:
        one.join(60)
    assert not wrong


@pytest.mark.gen_test(timeout=60)
async def test_a_call_that_needs_the_writer_at_the_very_end_is_answered(
    io_loop: IOLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waited for the loop, which waited for the thread: the server hung until it was killed."""
    monkeypatch.setattr(app, "RUNNING_CALLS_S", 0.1)
    overrides = (f"storage.url=sqlite:///{tmp_path}/im.db", f"uploads.folder={tmp_path}/resource", "server.port=0")
    config = settings.load(environment={}, settings=overrides)
    process = app.Server(config, open_store(config.storage.url, Clock()))
    await process.start()
    pool = process.workers.database

    def late() -> object:
        while not pool._executor._shutdown:
            time.sleep(0.001)
        return process.live.writer.commit_from_thread(ReadDraft(1, 11, 1, 1))

    running = asyncio.ensure_future(pool.call(late))
    await asyncio.sleep(0)
    await process.stop()
    with pytest.raises(Busy):
        await running


@pytest.mark.gen_test(timeout=60)
async def test_a_writer_that_stops_answers_everybody(io_loop: IOLoop, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/im.db", Clock())
    outcomes: list[Outcome] = []

    class Stubborn:
        """Sends again with every answer, until it is told that the server is busy."""

        def answered(self, pending: Pending, outcome: Outcome) -> None:
            outcomes.append(outcome)
            if not isinstance(outcome, Busy):
                writer.submit(Pending(ReadDraft(1, 11, 1, 1), self))

    def deliver(pending: Pending, outcome: Outcome) -> None:
        pending.source.answered(pending, outcome)

    writer = Writer(store, Messages(), deliver)
    source = Stubborn()
    for _ in range(10):
        writer.submit(Pending(ReadDraft(1, 11, 1, 1), source))
    await writer.stop()
    writer.submit(Pending(ReadDraft(1, 11, 1, 1), source))
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 11
    assert writer.queued == 0
    store.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_pool_that_closes_tells_those_who_wait(io_loop: IOLoop) -> None:
    pool, go_on = Pool("test", 1, 8), threading.Event()

    def fail() -> None:
        raise NotFound("There is no such user.")

    running = asyncio.ensure_future(pool.call(go_on.wait, 30))
    waiting = [asyncio.ensure_future(pool.call(fail)) for _ in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(asyncio.to_thread(pool.close))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Busy] * 3
    with pytest.raises(Busy):
        await pool.call(fail)
    go_on.set()
    await closing
    assert await running is True
    assert pool.waiting == 0
