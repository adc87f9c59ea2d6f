"""Messages older than `messages.keep_days` go a little at a time, whatever happens in between."""

import itertools
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from imtornado.clock import Clock
from imtornado.errors import Busy
from imtornado.records import Kind
from imtornado.services.retention import DAY_MS, HELD_MS, REMOVED, Retention
from storage.backends import open_database
from storage.population import Population
from tests.services.world import World, open_world

ROOT = Path(__file__).resolve().parents[2]
USERS = 6
MESSAGES = REMOVED * 2 + 30  # of each, one an hour, the newest now


def days_of_messages(url: str) -> list[tuple[int, int]]:
    """Pairs of friends whose messages reach back MESSAGES hours; the second of each has read none."""
    database = open_database(url)
    population = Population(database, Clock())
    ids = list(population.add_users(USERS, "-"))
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    now_ms = Clock().now_ms()
    for conversation_id, (sender_id, _) in zip(population.add_friends(pairs), pairs, strict=True):
        rows = [
            (
                conversation_id,
                seq,
                sender_id,
                f"{conversation_id}-{seq}",
                "old",
                now_ms - (MESSAGES - seq) * DAY_MS // 24,
            )
            for seq in range(1, MESSAGES + 1)
        ]
        population.add_messages(rows)
        population.settle({conversation_id: MESSAGES})
    database.close()
    return pairs


def retention(world: World, days: int) -> Retention:
    return Retention(world.store, world.store.clock, world.commit, days)


def test_what_is_older_goes_in_small_steps(tmp_path: Path, database: str) -> None:
    pairs = days_of_messages(database.removeprefix("storage.url="))
    with open_world(tmp_path, database) as world:
        job = retention(world, 2)
        steps = [job.removed]
        while job.step():
            steps.append(job.removed)
        assert max(after - before for before, after in itertools.pairwise(steps)) == REMOVED
        for ada, bea in pairs:
            page = world.store.conversations.history(bea, Kind.SINGLE, ada, None, 0, 200)
            assert page.expired
            assert page.first == page.messages[0].seq
            assert MESSAGES - page.first in (47, 48)  # the two days, and not an hour less
        assert job.removed == sum(
            world.store.conversations.history(bea, Kind.SINGLE, ada, None, 0, 1).first - 1 for ada, bea in pairs
        )
        before = job.removed
        while job.step():
            pass
        assert job.removed == before


def test_nothing_goes_without_the_setting(tmp_path: Path, database: str) -> None:
    days_of_messages(database.removeprefix("storage.url="))
    with open_world(tmp_path, database) as world:
        job = retention(world, 0)
        assert not job.step()
        assert job.removed == 0


def test_a_step_that_was_refused_is_made_again(tmp_path: Path, database: str) -> None:
    pairs = days_of_messages(database.removeprefix("storage.url="))
    with open_world(tmp_path, database) as world:
        job, refusals, going = retention(world, 2), 0, True

        def refuse() -> None:
            raise Busy("The database is busy. Please try again.")

        while going:
            world.before_commit = refuse
            try:
                going = job.step()
            except Busy:
                refusals += 1
                going = job.step()
        assert refusals >= len(pairs) * 2
        for ada, bea in pairs:
            page = world.store.conversations.history(bea, Kind.SINGLE, ada, None, 0, 1)
            assert MESSAGES - page.first in (47, 48)


def test_messages_that_come_during_a_pass_stay(tmp_path: Path, database: str) -> None:
    (ada, bea), *_ = days_of_messages(database.removeprefix("storage.url="))
    with open_world(tmp_path, database) as world:
        job = retention(world, 2)
        sent: list[int] = []
        while job.step():
            sent.append(world.send(bea, Kind.SINGLE, ada, f"new {len(sent)}"))
        assert sent == list(range(MESSAGES + 1, MESSAGES + 1 + len(sent)))
        page = world.store.conversations.history(ada, Kind.SINGLE, bea, None, MESSAGES, 200)
        assert [message.content for message in page.messages] == [f"new {number}" for number in range(len(sent))]


def test_of_several_processes_one_does_it_until_it_falls_silent(tmp_path: Path, database: str) -> None:
    days_of_messages(database.removeprefix("storage.url="))
    with open_world(tmp_path, database) as world, open_world(tmp_path, database) as elsewhere:
        first, second = retention(world, 2), retention(elsewhere, 2)
        assert first.step()
        assert not second.step()
        assert second.is_elsewhere
        assert first.step()
        assert first.removed == REMOVED
        for clock in (world.store.clock, elsewhere.store.clock):
            clock.at_least(world.store.clock.now_ms() + HELD_MS)
        while second.step():
            assert not first.step()
        assert first.removed == REMOVED
        assert second.removed > REMOVED


STEPS = """
import sys
from imtornado.clock import Clock
from imtornado.errors import Busy
from imtornado.services.retention import Retention
from storage.backends import open_store

store = open_store(sys.argv[1], Clock())
job = Retention(store, store.clock, lambda draft: store.commit([draft])[0], 2, "the only one")
print("begun", flush=True)
goes_on = True
while goes_on:
    try:
        goes_on = job.step()
    except Busy:
        continue  # what one that was killed had locked
print("done", flush=True)
"""


def kills_until_done(url: str, most: int) -> int:
    """How many processes were killed in the middle of it before one came to the end; after each all was whole."""
    done, killed = False, 0
    while not done:
        command, path = [sys.executable, "-c", STEPS, url], {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, cwd=ROOT, env=path, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout is not None
            assert job.stdout.readline() == "begun\n"
            if killed < most:
                time.sleep(random.uniform(0, 0.02))  # any moment of its work
                job.send_signal(signal.SIGKILL)
            done = job.stdout.readline() == "done\n"
        killed += not done
        with closing(open_database(url)) as database, database.reading() as connection:
            for first, last, count, least in connection.execute(
                "SELECT c.first_seq, c.last_seq, count(*), min(x.seq) FROM conversation c"
                " JOIN message x ON x.conversation_id = c.id GROUP BY c.id, c.first_seq, c.last_seq"
            ).fetchall():
                assert (least, count) == (first, last - first + 1)
    return killed


@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
def test_killed_at_any_moment_it_leaves_whole_conversations(tmp_path: Path, database: str, kills: int) -> None:
    url, pairs, killed = database.removeprefix("storage.url="), [], 0
    while killed < kills:
        pairs += days_of_messages(url)
        killed += kills_until_done(url, kills - killed)
    with open_world(tmp_path, database) as world:
        for ada, bea in pairs:
            assert MESSAGES - world.store.conversations.history(bea, Kind.SINGLE, ada, None, 0, 1).first in (47, 48)
