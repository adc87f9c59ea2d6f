"""SIGKILL while messages are indexed: the index holds every text that is there, and nothing else."""

import random
import time

import pytest

from imtornado.clock import Clock
from imtornado.drafts import MessageDraft
from imtornado.errors import Busy
from imtornado.records import Kind
from imtornado.tokenizer import tokens
from storage.backends import open_database, open_store
from storage.search_entries import searched_text, shelf_of, slot_of
from storage.search_pages import entry_of, first_page, unpacked
from storage.store import Store
from tests.fixtures.backends import BACKENDS
from tests.fixtures.server import StartServer
from tests.people import Person

BATCH = 500
SOON_S = 60.0
WORDS = ["今天", "开会", "三点", "报告", "好的", "lunch", "later", "Kubernetes", "😂", "ok"]
LONG = [pytest.mark.long, pytest.mark.timeout(900)]


def fill(store: Store, user_id: int, dstids: list[tuple[Kind, int]], count: int) -> None:
    """Messages in several conversations, past the server, as they would lie in a database that was never indexed."""
    chance = random.Random(5)
    for start in range(0, count, BATCH):
        first = store.reserve_ids(BATCH)
        drafts = [
            MessageDraft(
                user_id,
                *dstids[n % len(dstids)],
                f"fill-{start + n}",
                1,
                " ".join(chance.choices(WORDS, k=3)) + f" n{start + n}",
                message_id=first + n,
            )
            for n in range(BATCH)
        ]
        store.commit(drafts)


def waiting(store: Store) -> int:
    while True:
        try:
            return store.search_index.waiting()
        except Busy:
            time.sleep(0.05)


def entries(url: str) -> tuple[set[tuple[int, ...]], set[tuple[int, ...]]]:
    """((page, entry) of the index, those that the messages should have)"""
    database = open_database(url)
    try:
        with database.reading() as connection:
            pages = connection.execute("SELECT id, entries FROM search_page").fetchall()
            rows = connection.execute(
                "SELECT conversation_id, seq, media, content, file FROM message WHERE gone = 0"
            ).fetchall()
    finally:
        database.close()
    wanted: set[tuple[int, ...]] = set()
    for conversation_id, seq, media, content, file in rows:
        for token in tokens(searched_text(media, content, file)):
            page, entry = entry_of(token, slot_of(seq))
            wanted.add((first_page(shelf_of(conversation_id, seq)) + page, entry))
    found = [(page_id, entry) for page_id, page in pages for entry in unpacked(page)]
    assert len(found) == len(set(found)), "each entry is there once"
    return set(found), wanted


@pytest.mark.parametrize(
    ("backend", "kills", "messages"),
    [
        *(pytest.param(name, 2, 6_000, marks=pytest.mark.timeout(300)) for name in BACKENDS),
        *(pytest.param(name, 12, 30_000, marks=LONG) for name in BACKENDS),
    ],
    indirect=["backend"],
)
def test_kills_in_the_middle_of_indexing_leave_no_hole_and_no_trace(
    start_server: StartServer, kills: int, messages: int
) -> None:
    server = start_server("security.throttle=no", "contacts.confirm=no", "messages.recall_s=3600")
    ann, bob = Person(server.port, "Ann"), Person(server.port, "Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    room = ann.data("/contact/createcommunity", name="sailors")["id"]
    chance = random.Random(kills)
    store = open_store(server.storage_url, Clock())
    try:
        places = [(Kind.SINGLE, ann.user_id), (Kind.SINGLE, bob.user_id), (Kind.COMMUNITY, room)]
        fill(store, ann.user_id, places, messages)
        for number in range(kills):
            before, until = waiting(store), time.monotonic() + SOON_S
            assert before > 0, "all was indexed before the kills"
            while waiting(store) == before:
                assert time.monotonic() < until, "nobody indexes"
            place = {"kind": 10, "dstid": bob.user_id}
            ann.call("/message/recall", **place, seq=chance.randrange(1, messages // 3))
            ann.call("/message/edit", **place, seq=messages // 3 - number, content=f"edited 改了 {number}")
            time.sleep(chance.random() * 0.05)  # anywhere within a step
            server.kill()
            server.restart()
        until = time.monotonic() + SOON_S * 5
        while not store.search_index.is_complete(tails=True):
            assert time.monotonic() < until, f"{waiting(store)} messages still wait"
            time.sleep(0.05)
        rows = ann.rows("/message/search", q="改了")
        assert sorted(row["excerpt"] for row in rows) == sorted(f"edited 改了 {number}" for number in range(kills))
        server.stop()
    finally:
        store.close()
    found, wanted = entries(server.storage_url)
    assert len(wanted) > messages
    assert found == wanted
