"""Commits of which nobody hears: what was not committed is not used, and of what may have been all is told."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from functools import partial

import pymysql
import pytest

from imtornado.clock import Clock
from imtornado.drafts import Draft, Stored
from imtornado.errors import Busy, Internal
from imtornado.live import settling
from imtornado.records import Kind
from storage.backends import open_store
from storage.mysql import BATCH_ANSWER_S
from storage.store import NewUser, Store, Unsettled
from tests.fixtures.logs import ExpectLog
from tests.fixtures.mariadb import Account, MariaDB
from tests.fixtures.slow_calls import slow_calls
from tests.storage.scene import Scene, errors
from tests.storage.test_at_once import commit_patiently, patiently
from tests.storage.test_mysql import OUT_OF_ORDER

WAITING = "SELECT id FROM information_schema.processlist WHERE state LIKE '%%backup lock%%'"
WITHIN_S = 60.0


@contextmanager
def no_commits(admin: Account) -> Iterator[None]:
    """Whoever commits on the server waits meanwhile, as while a physical backup ends."""
    with closing(admin.connect()) as connection, connection.cursor() as cursor:
        for stage in ("START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"):
            cursor.execute(f"BACKUP STAGE {stage}")
        yield
        cursor.execute("BACKUP STAGE END")


def test_ids_of_messages_whose_reservation_was_undone_are_not_used(own_server: MariaDB) -> None:
    url = own_server.url()
    with closing(open_store(url, Clock())) as store, closing(open_store(url, Clock())) as other:
        with no_commits(own_server.admin), pytest.raises(Busy):
            store.users.create(NewUser("139", "h", "n"))
        ada = Scene(store).user()
        lines = [
            scene.seen(ada, Kind.COMMUNITY, scene.community(ada, name=name))
            for scene, name in ((Scene(store), "one"), (Scene(other), "other"))
        ]
    assert len({line.message_id for (line,) in lines}) == 2


def test_a_commit_lost_among_drafts_that_are_committed_alone_settles_all_of_them(
    own_server: MariaDB, own_store: Store, expect_log: ExpectLog
) -> None:
    expect_log("storage.messages", "a draft broke its batch of 3|a draft cannot be stored|did not come through")
    expect_log("storage.mysql_errors", OUT_OF_ORDER)
    scene = Scene(own_store)
    ada, bea = scene.friends()
    drafts: list[Draft] = [scene.draft(ada, Kind.SINGLE, bea, text) for text in ("one", "\ud800", "three")]
    unsettled = _lose_a_commit(own_server.admin, partial(own_store.commit, drafts))
    assert errors(patiently(unsettled.settle)) == [Busy] * 3
    assert [type(outcome) for outcome in own_store.commit(drafts)] == [Stored, Internal, Stored]
    assert [message.content for message in scene.seen(bea, Kind.SINGLE, ada)] == ["one", "three"]


def _lose_a_commit(admin: Account, commit: Callable[[], object]) -> Unsettled:
    """What it raises whose connection is killed while it waits for the answer to COMMIT."""
    while True:  # on a busy machine the wait may have ended by itself
        with ThreadPoolExecutor(1) as pool:
            with no_commits(admin):
                committing = pool.submit(commit)
                _until(lambda: admin.execute(WAITING))
                for (number,) in admin.execute(WAITING):
                    with suppress(pymysql.MySQLError):
                        admin.execute(f"KILL {number}")
                wait([committing], timeout=5)
            try:
                committing.result()
            except Unsettled as unsettled:
                return unsettled
            except Busy:
                continue


def _until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_settled_is_on_the_disk(own_server: MariaDB, own_store: Store, expect_log: ExpectLog) -> None:
    """MariaDB shows what was committed to others before it writes it down."""
    expect_log("storage.mysql_errors", OUT_OF_ORDER)
    scene = Scene(own_store)
    ada, bea = scene.friends()
    draft = scene.draft(ada, Kind.SINGLE, bea, "one")
    with slow_calls(own_server.pid, "pwrite64", BATCH_ANSWER_S + 0.8, own_server.folder / "data/ib_logfile0"):
        (outcome,) = settling.commit(own_store, [draft], threading.Event())
        own_server.kill()
    own_server.start()
    assert isinstance(outcome, Stored)
    assert [message.content for message in Scene(own_store).seen(bea, Kind.SINGLE, ada)] == ["one"]


def test_a_repeat_is_acknowledged_when_the_first_one_is_on_the_disk(
    own_server: MariaDB, own_store: Store, expect_log: ExpectLog
) -> None:
    expect_log("storage.mysql_errors", OUT_OF_ORDER, optional=True)  # on a busy machine
    scene = Scene(own_store)
    ada, bea = scene.friends()
    draft, repeat = (scene.draft(ada, Kind.SINGLE, bea, "one", cid="one") for _ in range(2))
    with ThreadPoolExecutor(1) as pool:
        with slow_calls(own_server.pid, "pwrite64", BATCH_ANSWER_S / 3, own_server.folder / "data/ib_logfile0"):
            first = pool.submit(own_store.commit, [draft])
            _until(lambda: len(scene.seen(bea, Kind.SINGLE, ada)) == 1)
            (outcome,) = commit_patiently(own_store, [repeat])
            own_server.kill()
        wait([first])
    own_server.start()
    assert isinstance(outcome, Stored)
    assert outcome.dup
    assert [message.content for message in Scene(own_store).seen(bea, Kind.SINGLE, ada)] == ["one"]
