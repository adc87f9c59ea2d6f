"""Who waits for whose rows on MySQL, and who must not."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from imtornado.drafts import Change, ConversationTx, Draft
from imtornado.errors import AccountDisabled
from imtornado.records import Kind, conversation_key
from imtornado.tokenizer import tokens
from tests.faults.database import opened
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene, errors
from tests.storage.test_at_once import patiently
from tests.storage.test_search import contents, entries, index, recall

pytestmark = pytest.mark.parametrize("url", ["mysql"], indirect=True)


@contextmanager
def transaction(url: str) -> Iterator[Any]:
    """Statements of somebody else."""
    with opened(url) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        yield cursor
        cursor.execute("COMMIT")


def waits(url: str) -> int:
    """How often a row was waited for since the server was started."""
    with opened(url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")
        return int(cursor.fetchone()[1])


def test_the_index_waits_for_no_message_that_is_being_changed(url: str, scene: Scene) -> None:
    """The batch that changes it may want another one of those that the index has: both would wait."""
    ada, bea = scene.friends()
    cat, dan = scene.friends()
    index(scene.store)
    for text in ("one", "two", "three"):
        scene.send(ada, Kind.SINGLE, bea, text)
    scene.send(cat, Kind.SINGLE, dan, "four")
    before = waits(url)
    with transaction(url) as other:
        other.execute("SELECT id FROM conversation WHERE `key` = %s", (conversation_key(Kind.SINGLE, ada, bea),))
        other.execute("SELECT seq FROM message WHERE conversation_id = %s AND seq = 2 FOR UPDATE", other.fetchone())
        step = scene.store.search_index.step("tests", 1000, tails=True)
        assert step is not None
        assert step.more
        assert (entries(url, "four"), entries(url, "two")) == (3, 0)
    assert waits(url) == before
    index(scene.store)
    assert entries(url, "two") == 2
    assert contents(scene, bea, "two") == ["two"]


def test_the_index_waits_for_no_batch_that_takes_a_text_out_of_it(url: str, scene: Scene) -> None:
    """Both write the same pages: what the batch has taken out does not come back."""
    ada, bea = scene.friends()
    cat, dan = scene.friends()
    scene.send(ada, Kind.SINGLE, bea, "a secret")
    index(scene.store)
    scene.send(ada, Kind.SINGLE, bea, "another secret")
    scene.send(cat, Kind.SINGLE, dan, "four")
    inside, go_on = threading.Event(), threading.Event()

    def recall_and_stay(tx: ConversationTx) -> None:
        recall(tx, ada, 1)
        inside.set()
        assert go_on.wait(60)

    before = waits(url)
    with ThreadPoolExecutor(1) as pool:
        recalling = pool.submit(scene.store.commit, [Change(conversation_key(Kind.SINGLE, ada, bea), recall_and_stay)])
        assert inside.wait(60)
        step = scene.store.search_index.step("tests", 1000, tails=True)
        assert step is not None
        assert step.more
        assert (entries(url, "four"), entries(url, "another")) == (3, 0)
        go_on.set()
        assert not errors(recalling.result())
    assert waits(url) == before
    assert entries(url, "secret") == 0
    index(scene.store)
    assert entries(url, "secret") == len(tokens("secret")), "that of the other message"


def test_an_index_is_emptied_beside_a_batch_that_takes_a_text_out_of_it(url: str, scene: Scene) -> None:
    ada, bea = scene.friends()
    cat, dan = scene.friends()
    scene.send(ada, Kind.SINGLE, bea, "a secret")
    scene.send(cat, Kind.SINGLE, dan, "four")
    index(scene.store)
    inside, go_on = threading.Event(), threading.Event()

    def recall_and_stay(tx: ConversationTx) -> None:
        recall(tx, ada, 1)
        inside.set()
        assert go_on.wait(60)

    before = waits(url)
    with ThreadPoolExecutor(1) as pool:
        recalling = pool.submit(scene.store.commit, [Change(conversation_key(Kind.SINGLE, ada, bea), recall_and_stay)])
        assert inside.wait(60)
        scene.store.search_index.start_anew()
        for _ in range(3):
            step = scene.store.search_index.step("tests", 1000, tails=True)
            assert step is not None
            assert step.more
        assert entries(url, "four") == 0
        assert not scene.store.search_index.is_complete(), "what the batch holds is not gone"
        go_on.set()
        assert not errors(recalling.result())
    assert waits(url) == before
    index(scene.store)
    assert (entries(url, "four"), entries(url, "secret")) == (3, 0)


def test_an_account_is_disabled_after_the_batch_that_knew_it_enabled(
    url: str, scene: Scene, expect_log: ExpectLog
) -> None:
    """Once that has committed nothing of his is stored any more."""
    expect_log("storage.messages", "did not come through", optional=True)  # on a busy machine
    ada, bea = scene.friends()
    inside, go_on = threading.Event(), threading.Event()

    def stay(tx: ConversationTx) -> None:
        inside.set()
        assert go_on.wait(60)

    drafts: list[Draft] = [scene.draft(ada, Kind.SINGLE, bea), Change(conversation_key(Kind.SINGLE, ada, bea), stay)]
    before = waits(url)
    with ThreadPoolExecutor(2) as pool:
        committing = pool.submit(scene.store.commit, drafts)
        assert inside.wait(60)
        disabling = pool.submit(patiently, lambda: scene.store.users.set_disabled(ada, True))
        while waits(url) == before and not disabling.done():
            time.sleep(0.01)
        assert not disabling.done()
        go_on.set()
        assert not errors(committing.result())
        disabling.result()
    assert isinstance(scene.outcome(scene.draft(ada, Kind.SINGLE, bea)), AccountDisabled)
    assert len(scene.seen(bea, Kind.SINGLE, ada)) == 1
