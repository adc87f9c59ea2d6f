"""The last messages of a conversation: searches find them before the index has them."""

from functools import partial

import pytest

from imtornado.records import Kind
from imtornado.tokenizer import query, tokens
from storage import search
from storage.search_work import EDITS, QUIET_MS, TAIL_SEQS, USUAL_CHARACTERS
from storage.sql_store import SqlStore
from tests.storage.plans import selects_of
from tests.storage.scene import Scene
from tests.storage.test_search import alter, contents, edit, entries, index, recall

SINGLE = Kind.SINGLE


def test_the_last_messages_are_found_before_they_are_indexed(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "hello there")
    index(scene.store)
    scene.later(1)
    for text in ("hello 今天", "never mind", "Hello again"):
        scene.send(ada, SINGLE, bea, text)
    index(scene.store, tails=False)
    assert entries(url, "今天 mind again") == 0
    assert contents(scene, bea, "hello") == ["Hello again", "hello 今天", "hello there"]
    assert contents(scene, bea, "hello 今天") == ["hello 今天"]
    alter(scene, SINGLE, ada, bea, partial(edit, actor_id=ada, seq=4, content="goodbye"))
    alter(scene, SINGLE, ada, bea, partial(recall, actor_id=ada, seq=2))
    assert contents(scene, bea, "hello") == ["hello there"]
    assert contents(scene, bea, "goodbye") == ["goodbye"]


def test_many_chats_that_talk_now_are_read_in_few_statements(scene: Scene) -> None:
    ada, *others = scene.users(60)
    for bea in others:
        scene.store.contacts.befriend(ada, bea)
        for number in range(3):
            scene.send(bea, SINGLE, ada, f"hello {number}")
    scene.leave(scene.community(ada, others[0]), others[0])
    scene.send(others[7], SINGLE, ada, "needle 今天")
    assert isinstance(scene.store, SqlStore)
    assert len(selects_of(scene.store, lambda: contents(scene, ada, "needle"))) < 30
    assert contents(scene, ada, "needle") == ["needle 今天"]
    assert len(contents(scene, ada, "hello")) == 3 * len(others)


def test_messages_are_indexed_when_they_are_many_or_have_rested(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    for number in range(TAIL_SEQS - 1):
        scene.send(ada, SINGLE, bea, f"word {number}", cid=f"n{number}")
    index(scene.store, tails=False)
    assert entries(url, "wo") == 0
    scene.send(ada, SINGLE, bea, "the last word")
    index(scene.store, tails=False)
    assert entries(url, "wo") == TAIL_SEQS
    scene.send(ada, SINGLE, bea, "another word")
    alter(scene, SINGLE, ada, bea, partial(edit, actor_id=ada, seq=1, content="sentence"))
    index(scene.store, tails=False)
    assert entries(url, "sentence") == len(tokens("sentence")), "a change never waits"
    assert entries(url, "wo") == TAIL_SEQS - 1
    scene.later(QUIET_MS)
    index(scene.store, tails=False)
    assert entries(url, "wo") == TAIL_SEQS
    assert scene.store.search_index.waiting() == 0


def test_who_searches_is_told_when_the_index_lacks_too_much(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TAIL_MOST", 3)
    ada, bea = scene.friends()
    carl = scene.user()

    def is_behind(user_id: int, place: tuple[int, int] | None = None, page: int = 10) -> bool:
        return scene.store.search.find(user_id, query("word"), place, None, page).behind

    for _ in range(3):
        scene.send(ada, SINGLE, bea, "word")
    assert not is_behind(ada)
    scene.send(ada, SINGLE, bea, "word")
    assert is_behind(ada)
    assert is_behind(bea, (SINGLE, ada))
    assert len(contents(scene, ada, "word")) == 3
    assert not is_behind(carl), "he has nothing that could be found"
    index(scene.store)
    assert not is_behind(ada)
    assert len(contents(scene, ada, "word")) == 4
    for _ in range(4):
        scene.send(ada, SINGLE, bea, "word")
    assert not is_behind(ada, page=1), "there is another page"
    index(scene.store)
    scene.store.search_index.start_anew()
    assert is_behind(ada), "its entries go before what is known of its progress"


def test_long_texts_and_many_edits_are_taken_in_pieces(scene: Scene) -> None:
    ada, bea = scene.friends()
    long = [f"{number} " + "漢字" * 1_500 for number in range(TAIL_SEQS)]
    for number, text in enumerate(long):
        scene.send(ada, SINGLE, bea, text, cid=f"n{number}")
    job, most = scene.store.search_index, 3_000 // USUAL_CHARACTERS + 1

    def pieces() -> list[int]:
        """So many messages each."""
        found = []
        while (step := job.step("me", 4 * most, tails=True)) is not None and (step.more or step.messages):
            found.append(step.messages)
        return found

    assert sum(taken := pieces()) == TAIL_SEQS
    assert max(taken) <= 4, "a piece takes so much text, not so many messages"
    for seq in range(1, EDITS + 3):
        alter(scene, SINGLE, ada, bea, partial(edit, actor_id=ada, seq=seq, content=f"sentence {seq}"))
    assert sorted(pieces())[-2:] == [2, EDITS]
    assert job.is_complete(tails=True)
    assert len(contents(scene, bea, "sentence")) == EDITS + 2
    assert len(contents(scene, bea, "漢字")) == TAIL_SEQS - EDITS - 2
