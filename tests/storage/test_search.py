"""Finding messages by their words, and the index behind it: `store.Search`, `store.SearchIndex`."""

import random
import sys
from collections.abc import Callable
from functools import partial

import pytest

from imtornado.drafts import Change, ConversationTx, MessageDraft, ViewTx
from imtornado.errors import NotFound
from imtornado.records import Gone, Kind, conversation_key
from imtornado.search_records import Found
from imtornado.tokenizer import folded, matches, query, tokens
from storage import search_index, search_walk
from storage.backends import open_database
from storage.search_pages import PAGES, SHELF_SEQS, entry_of, slot_in, unpacked
from storage.search_work import QUIET_MS
from storage.store import Store
from tests.storage.scene import Scene

SINGLE, COMMUNITY = Kind.SINGLE, Kind.COMMUNITY


def index(store: Store, limit: int = 1000, *, tails: bool = True) -> int:
    """Steps until nothing is left to index; their number."""
    for number in range(1, 10_000):
        step = store.search_index.step("tests", limit, tails=tails)
        assert step is not None, "another one holds the job"
        if not step.more:
            assert store.search_index.is_complete(tails=tails)
            return number
    raise AssertionError("the index is never complete")


def find(scene: Scene, user_id: int, text: str, place: tuple[int, int] | None = None, page: int = 100) -> list[Found]:
    """All pages."""
    rows: list[Found] = []
    position = None
    for _ in range(1000):
        got = scene.store.search.find(user_id, query(text), place, position, page)
        assert len(got.rows) <= page
        rows += got.rows
        position = got.next_position
        if position is None:
            return rows
    raise AssertionError("the pages never end")


def contents(scene: Scene, user_id: int, text: str, place: tuple[int, int] | None = None) -> list[str]:
    return [found.message.content for found in find(scene, user_id, text, place)]


def entries(url: str, *texts: str) -> int:
    """How many entries of the index the texts have, of one conversation or of all."""
    wanted = {entry_of(token, 0) for text in texts for token in tokens(folded(text))}
    database = open_database(url)
    try:
        with database.reading() as connection:
            pages = connection.execute("SELECT id, entries FROM search_page").fetchall()
    finally:
        database.close()
    found = [(page_id % PAGES, entry - slot_in(entry)) for page_id, page in pages for entry in unpacked(page)]
    return sum(entry in wanted for entry in found)


def alter(scene: Scene, kind: Kind, user_id: int, dstid: int, step: Callable[[ConversationTx], object]) -> None:
    scene.outcome(Change(conversation_key(kind, user_id, dstid), step))


def recall(tx: ConversationTx, actor_id: int, seq: int) -> None:
    tx.messages.blank(seq, Gone.RECALLED)
    tx.messages.record(actor_id, "recall", seq, "")


def edit(tx: ConversationTx, actor_id: int, seq: int, content: str) -> None:
    tx.messages.rewrite(seq, content, tx.messages.record(actor_id, "edit", seq, "{}"))


def test_words_of_all_scripts_are_found_in_all_conversations_newest_first(scene: Scene) -> None:
    ada, bea = scene.friends()
    room = scene.community(bea, ada)
    for number, (kind, dstid, text) in enumerate(
        [
            (SINGLE, bea, "明天开会吗"),
            (COMMUNITY, room, "我们三点开会"),
            (SINGLE, ada, "开会 in my notebook"),
            (SINGLE, bea, "The Meeting starts"),
            (SINGLE, bea, "开心的会议"),
            (COMMUNITY, room, "再说一次：开会！"),
        ]
    ):
        scene.later(1)
        scene.send(ada, kind, dstid, text, cid=f"n{number}")
    index(scene.store)
    assert contents(scene, ada, "开会") == ["再说一次：开会！", "开会 in my notebook", "我们三点开会", "明天开会吗"]
    assert contents(scene, ada, "MEET") == ["The Meeting starts"]
    assert contents(scene, ada, "notebook 开会") == ["开会 in my notebook"]
    assert contents(scene, ada, "开会", (SINGLE, bea)) == ["明天开会吗"]
    assert contents(scene, bea, "开会") == ["再说一次：开会！", "我们三点开会", "明天开会吗"]


def test_a_hit_says_where_and_by_whom(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.store.contacts.remark(ada, bea, "Bee")
    room = scene.community(bea, ada, name="sailors")
    scene.send(bea, SINGLE, ada, "hello alone")
    scene.send(bea, COMMUNITY, room, "hello all")
    index(scene.store)
    alone, all_ = sorted(find(scene, ada, "hello"), key=lambda found: found.kind)
    assert (alone.kind, alone.dstid, alone.title, alone.nickname) == (SINGLE, bea, "Bee", "Bee")
    assert (all_.kind, all_.dstid, all_.title, all_.nickname) == (COMMUNITY, room, "sailors", "Bee")
    assert (all_.message.sender_id, all_.message.seq) == (bea, scene.seen(ada, COMMUNITY, room)[-1].seq)


def test_names_of_files_are_found_and_lines_of_the_server_are_not(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    scene.change(room, lambda tx: tx.say(ada, "quarterly", "{}"))
    scene.send(ada, COMMUNITY, room, "", file='{"name":"Quarterly 报告.pdf","size":1}')
    index(scene.store)
    assert [found.message.file for found in find(scene, ada, "quart")] == ['{"name":"Quarterly 报告.pdf","size":1}']
    assert len(find(scene, ada, "报告")) == 1
    assert find(scene, bea, "报告") == []


def test_nobody_finds_what_he_may_not_see(scene: Scene) -> None:
    ada, bea, carl = scene.users(3)
    room = scene.community(ada, bea)
    for text in ("word one", "word two", "word three"):
        scene.send(ada, COMMUNITY, room, text)
    scene.join(room, carl)
    scene.send(ada, COMMUNITY, room, "word four")
    scene.leave(room, bea)
    scene.send(ada, COMMUNITY, room, "word five")
    index(scene.store)
    place = (COMMUNITY, room)
    assert contents(scene, bea, "word", place) == ["word four", "word three", "word two", "word one"]  # left after it
    assert contents(scene, carl, "word", place) == ["word five", "word four"]  # came late
    two = next(message.seq for message in scene.seen(ada, COMMUNITY, room) if message.content == "word two")
    alter(scene, COMMUNITY, ada, room, lambda tx: _view(tx, ada).hide([two]))
    assert contents(scene, ada, "word") == ["word five", "word four", "word three", "word one"]
    alter(scene, COMMUNITY, ada, room, lambda tx: _view(tx, ada).clear(two + 1))
    assert contents(scene, ada, "word") == ["word five", "word four"]
    with pytest.raises(NotFound):
        scene.store.search.find(scene.user(), query("word"), place, None, 10)


def _view(tx: ConversationTx, user_id: int) -> ViewTx:
    view = tx.view(user_id)
    assert view is not None
    return view


def test_what_is_recalled_leaves_no_trace_in_the_index(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    for text in ("the secret 密码 is hunter2", "the weather", "another secret"):
        scene.send(ada, SINGLE, bea, text)
    index(scene.store)
    assert entries(url, "密码 hunter2")
    alter(scene, SINGLE, ada, bea, partial(recall, actor_id=ada, seq=1))
    assert entries(url, "密码 hunter2 is") == 0, "before any step of the job"
    index(scene.store)
    assert entries(url, "密码 hunter2 is") == 0
    assert contents(scene, bea, "密码") == []
    assert contents(scene, bea, "secret") == ["another secret"], "its neighbour had the same word"
    assert contents(scene, bea, "the") == ["the weather"]


def test_a_recall_before_the_index_comes_by_is_never_indexed(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "密码")
    alter(scene, SINGLE, ada, bea, partial(recall, actor_id=ada, seq=1))
    index(scene.store)
    assert entries(url, "密码") == 0


def test_an_edited_text_is_found_as_it_is_now(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "lunch at noon")
    index(scene.store)
    alter(scene, SINGLE, ada, bea, partial(edit, actor_id=ada, seq=1, content="dinner at eight"))
    assert contents(scene, bea, "lunch") == []
    assert entries(url, "lunch noon") == 0
    index(scene.store)
    assert contents(scene, bea, "dinner") == ["dinner at eight"]


def test_whoever_left_finds_texts_as_they_were_then(scene: Scene, url: str) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    seq = scene.send(ada, COMMUNITY, room, "lunch at noon").seq
    index(scene.store)
    scene.leave(room, bea)
    alter(scene, COMMUNITY, ada, room, partial(edit, actor_id=ada, seq=seq, content="dinner at eight"))
    index(scene.store)
    assert contents(scene, ada, "dinner") == ["dinner at eight"]
    assert contents(scene, ada, "lunch") == []
    assert contents(scene, bea, "lunch") == ["lunch at noon"]
    assert contents(scene, bea, "dinner") == []
    alter(scene, COMMUNITY, ada, room, partial(recall, actor_id=ada, seq=seq))
    assert entries(url, "lunch noon dinner eight") == 0
    assert contents(scene, bea, "lunch") == []


def test_an_edit_that_came_before_the_index_is_found_by_both(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    seq = scene.send(ada, COMMUNITY, room, "lunch at noon").seq
    scene.leave(room, bea)
    alter(scene, COMMUNITY, ada, room, partial(edit, actor_id=ada, seq=seq, content="dinner at eight"))
    index(scene.store)
    assert contents(scene, bea, "lunch") == ["lunch at noon"]
    assert contents(scene, ada, "dinner") == ["dinner at eight"]


def test_a_long_conversation_is_indexed_in_steps_and_found_to_its_beginning(scene: Scene) -> None:
    ada, bea = scene.friends()
    count = SHELF_SEQS + 100
    for start in range(0, count, 500):
        scene.later(1)
        numbers = range(start + 1, min(start + 500, count) + 1)
        first = scene.store.reserve_ids(500)
        scene.store.commit(
            [
                MessageDraft(ada, SINGLE, bea, f"c{n}", 1, f"n{n} 今天", message_id=first + n - start - 1)
                for n in numbers
            ]
        )
    scene.send(ada, SINGLE, bea, "at the end")
    assert index(scene.store) > count // 1000
    for number in (1, SHELF_SEQS - 1, SHELF_SEQS, count):
        assert [found.message.seq for found in find(scene, ada, f"n{number}")][-1] == number
    found = find(scene, bea, "今天", page=200)
    assert [one.message.seq for one in found] == list(range(count, 0, -1))


def test_pages_are_bounded_also_where_nothing_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_walk, "MESSAGES_READ", search_walk.COST_OF_READING + 3)
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "the omega.alpha")
    for _ in range(20):
        scene.later(1)
        scene.send(ada, SINGLE, bea, "alpha and omega")
    scene.later(1)
    scene.send(ada, SINGLE, bea, "omega.alpha")
    index(scene.store)
    first = scene.store.search.find(ada, query("omega.alpha"), None, None, 10)
    assert [found.message.content for found in first.rows] == ["omega.alpha"]
    assert first.next_position is not None
    assert contents(scene, ada, "omega.alpha") == ["omega.alpha", "the omega.alpha"]
    assert len(contents(scene, ada, "omega")) == 22


def test_what_has_expired_leaves_the_index(scene: Scene, url: str) -> None:
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "old words 旧的")
    scene.later(1000)
    scene.send(ada, SINGLE, bea, "new words 新的")
    index(scene.store)
    alter(scene, SINGLE, ada, bea, lambda tx: tx.messages.expire(tx.now_ms - 500, 10))
    assert contents(scene, bea, "words") == ["new words 新的"]
    index(scene.store)
    assert entries(url, "旧的 old") == 0
    assert contents(scene, bea, "words") == ["new words 新的"]


def test_two_holders_do_not_work_at_once(scene: Scene, reopen: Callable[[], Store]) -> None:
    other = reopen()
    ada, bea = scene.friends()
    index(scene.store)
    scene.later(search_index.HELD_MS + 1)
    scene.send(ada, SINGLE, bea, "hello")
    assert scene.store.search_index.step("one", 10, tails=True) is not None
    scene.send(ada, SINGLE, bea, "hello again")
    assert other.search_index.step("other", 10, tails=True) is None
    other.clock.at_least(scene.store.clock.now_ms() + search_index.HELD_MS + QUIET_MS)
    step = other.search_index.step("other", 10)
    assert step is not None
    assert (step.messages, step.more) == (1, False)
    assert step.lag_ms == search_index.HELD_MS, "since nothing had changed for long enough"
    assert contents(scene, bea, "hello") == ["hello again", "hello"]


def test_the_index_can_be_made_anew(scene: Scene, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "EMPTIED_ROWS", 5)
    ada, bea = scene.friends()
    scene.store.commit([scene.draft(ada, SINGLE, bea, f"word {n} 今天") for n in range(20)])
    index(scene.store)
    before = entries(url, "word 今天")
    database = open_database(url)
    with database.writing() as connection:
        page, entry = entry_of(min(tokens("今天")), 0)
        row = (7 * PAGES + page, entry.to_bytes(4, sys.byteorder))
        connection.execute("INSERT INTO search_page (id, entries) VALUES (?, ?)", row)
    database.close()
    scene.store.search_index.start_anew()
    assert not scene.store.search_index.is_complete()
    index(scene.store)
    assert entries(url, "word 今天") == before
    assert len(contents(scene, bea, "word")) == 20


def test_an_index_of_another_version_is_made_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bea = scene.friends()
    scene.send(ada, SINGLE, bea, "hello")
    index(scene.store)
    monkeypatch.setattr(search_index, "VERSION", 99)
    assert not scene.store.search_index.is_complete()
    index(scene.store)
    assert contents(scene, bea, "hello") == ["hello"]


@pytest.mark.parametrize("tails", [True, False])
def test_whatever_happens_the_index_finds_what_the_history_shows(scene: Scene, tails: bool) -> None:
    """Two hundred random deeds of four people, held against a search through everybody's history."""
    chance = random.Random(7)
    people = scene.users(4)
    for one in people:
        for other in people:
            if one < other:
                scene.store.contacts.befriend(one, other)
    rooms = [scene.community(people[0], *people[1:3]), scene.community(people[1], people[3])]
    words = ["今天", "开会", "lunch", "Lunchtime", "好的", "ok", "😂", "report", "看报告"]
    inside = {rooms[0]: set(people[:3]), rooms[1]: {people[1], people[3]}}
    for number in range(200):
        scene.later(chance.randrange(3))
        room, user_id = chance.choice(rooms), chance.choice(people)
        other = chance.choice(people)
        kind, dstid = chance.choice([(COMMUNITY, room), (SINGLE, other)])
        deed = chance.random()
        if deed < 0.65:
            text = " ".join(chance.sample(words, chance.randint(1, 3)))
            scene.outcome(scene.draft(user_id, kind, dstid, text))
        elif deed < 0.7 and user_id != people[0] and user_id != people[1]:
            (scene.leave if user_id in inside[room] else scene.join)(room, user_id)
            inside[room] ^= {user_id}
        elif deed < 0.95:
            _alter_something(scene, chance, kind, user_id, dstid)
        if number % 40 == 20:
            index(scene.store, limit=chance.choice([3, 1000]), tails=chance.random() < 0.7)
    index(scene.store, limit=5, tails=tails)
    for user_id in people:
        for text in [*words, "lunch 今天", "告 report"]:
            expected = _by_hand(scene, user_id, people, rooms, text)
            found = find(scene, user_id, text, page=chance.choice([2, 7, 100]))
            times = [one.message.created_at_ms for one in found]
            assert times == sorted(times, reverse=True)
            assert {one.message.message_id: one.message.content for one in found} == expected, text
            assert len(found) == len(expected), text


def _alter_something(scene: Scene, chance: random.Random, kind: Kind, user_id: int, dstid: int) -> None:
    try:
        seen = [message for message in scene.seen(user_id, kind, dstid) if not message.gone and message.media == 1]
    except NotFound:
        return
    if not seen:
        return
    seq = chance.choice(seen).seq
    step: Callable[[ConversationTx], object]
    match chance.randrange(4):
        case 0:
            step = partial(recall, actor_id=user_id, seq=seq)
        case 1:
            step = partial(edit, actor_id=user_id, seq=seq, content=chance.choice(["看报告 edited", "lunch 好的"]))
        case 2:
            step = lambda tx: _view(tx, user_id).hide([seq])  # noqa: E731
        case _:
            step = lambda tx: _view(tx, user_id).clear(max(0, seq - 40))  # noqa: E731
    alter(scene, kind, user_id, dstid, step)


def _by_hand(scene: Scene, user_id: int, people: tuple[int, ...], rooms: list[int], text: str) -> dict[int, str]:
    """{id of a message that he may see and that holds it: its text}"""
    wanted, found = query(text), dict[int, str]()
    for kind, dstid in [*((SINGLE, one) for one in people), *((COMMUNITY, room) for room in rooms)]:
        try:
            messages = scene.seen(user_id, kind, dstid)
        except NotFound:
            continue
        found |= {
            message.message_id: message.content
            for message in messages
            if not message.gone and message.media == 1 and matches(wanted, folded(message.content))
        }
    return found
