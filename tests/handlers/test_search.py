"""/message/search: what it takes and refuses, whom it shows what, and what becomes of texts that change."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from storage.search_work import TAIL_SEQS
from tests.handlers.calls import JSON, exchange, post_json
from tests.handlers.house import House, OldClient, create, open_house, refusal
from tests.people import PASSWORD, Person

SOON_S = 60.0
NOT_NUMBERS: tuple[object, ...] = ("1", "x", 1.5, True, [], {}, -1, 2**53)
BAD_QUERIES: tuple[object, ...] = (None, 7, True, [], {}, "", "a\0b", "x" * 101, "猫", "a b c", "…")
BAD_CURSORS: tuple[object, ...] = (7, [], "x", "1.2", "1.2.3.4", "-1.2.3", "1.2.g", "f" * 15 + ".1.1", "1" * 49)
BAD: list[tuple[str, object]] = [
    *(("q", value) for value in BAD_QUERIES),
    ("q", " ".join(f"word{n}" for n in range(11))),
    *(("kind", value) for value in (*NOT_NUMBERS, 9, 12)),
    *(("dstid", value) for value in (*NOT_NUMBERS, 0)),
    *(("limit", value) for value in (*NOT_NUMBERS, 0, 51)),
    *(("after", value) for value in BAD_CURSORS),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "contacts.confirm=no") as opened:
        yield opened


@pytest.fixture(scope="module")
def nora(house: House) -> Person:
    """With a notebook that holds a text."""
    person = house.person("Nora")
    person.say(person.user_id, "the text of 今天")
    return person


def indexed(house: House) -> None:
    """Waits until the job has seen all that was sent and changed so far."""
    until = time.monotonic() + SOON_S
    while not house.store.search_index.is_complete():
        assert time.monotonic() < until, "the index stays behind"
        time.sleep(0.02)


def excerpts(person: Person, q: str, **fields: object) -> list[str]:
    return [row["excerpt"] for row in person.rows("/message/search", q=q, **fields)]


@pytest.mark.parametrize(("field", "value"), BAD, ids=lambda value: str(value)[:20])
def test_a_wrong_parameter_is_named(nora: Person, field: str, value: object) -> None:
    fields = {"q": "今天", "kind": 10, "dstid": nora.user_id} | {field: value}
    assert refusal(nora, "/message/search", **fields) == (400, 40001, field)


def test_kind_and_dstid_belong_together(nora: Person) -> None:
    assert refusal(nora, "/message/search", q="今天", kind=10) == (400, 40001, "dstid")
    assert refusal(nora, "/message/search", q="今天", dstid=nora.user_id) == (400, 40001, "kind")


def test_nobody_without_a_session_and_no_foreign_page(nora: Person) -> None:
    fields = {"q": "今天"}
    assert post_json(nora.port, "/message/search", fields).code == 40101
    cookie = {"Cookie": f"im_session={nora.token}"}
    assert post_json(nora.port, "/message/search", fields, **cookie, Origin="https://evil.example").code == 40305
    bearer = {"Authorization": f"Bearer {nora.token}"}
    assert post_json(nora.port, "/message/search", fields | {"userid": 10**9}, **bearer).code == 40301
    for body in (b"{", b"[]", b"\xff", b"null"):
        assert exchange(nora.port, "POST", "/message/search", body, JSON | bearer).status == 400


def test_a_hit_says_where_who_when_and_what(house: House) -> None:
    ann, bob = house.people(2)
    ann.call("/contact/addfriend", dstid=bob.user_id)
    ann.call("/contact/remark", dstid=bob.user_id, remark="Bobby")
    sent = bob.say(ann.user_id, "早上好\n明天下午三点在二楼开会，" + "请大家准时参加。" * 20)
    indexed(house)
    found = ann.call("/message/search", q="开会")
    assert (found["next"], found["indexing"]) == (None, False)
    (row,) = found["rows"]
    assert row == {
        "kind": 10,
        "dstid": bob.user_id,
        "title": "Bobby",
        "avatar": "",
        "seq": sent["seq"],
        "id": sent["id"],
        "userid": bob.user_id,
        "nickname": "Bobby",
        "createat": sent["createat"],
        "media": 1,
        "excerpt": row["excerpt"],
    }
    assert row["excerpt"].startswith("早上好 明天下午三点在二楼开会，")
    assert row["excerpt"].endswith("…")
    assert len(row["excerpt"]) < 130
    (row,) = bob.rows("/message/search", q="开会")
    assert (row["kind"], row["dstid"], row["title"], row["nickname"]) == (10, ann.user_id, "person 0", "person 1")


def test_pages_are_turned_by_next_and_a_get_does_the_same(house: House) -> None:
    ann, bob = house.people(2)
    room = create(ann, bob)
    texts = [f"word number {n}" for n in range(7)]
    for n, text in enumerate(texts):
        if n % 2:
            ann.say(room, text, cmd=11)
        else:
            ann.say(ann.user_id, text)
    indexed(house)
    found: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(10):
        answer = ann.call("/message/search", q="WORD numb", limit=3, **cursor)
        found += [row["excerpt"] for row in answer["rows"]]
        if answer["next"] is None:
            break
        cursor = {"after": answer["next"]}
    assert found == texts[::-1]
    assert excerpts(ann, "word", kind=11, dstid=room) == texts[5::-2]
    headers = {"Authorization": f"Bearer {bob.token}"}
    got = exchange(house.port, "GET", f"/message/search?q=word&kind=11&dstid={room}&limit=2", headers=headers)
    assert [row["excerpt"] for row in got.envelope["rows"]] == [texts[5], texts[3]]


def test_everybody_finds_what_his_history_shows(house: House) -> None:
    owner, early, late, stranger = house.people(4)
    room = create(owner, early)
    owner.say(room, "secret one", cmd=11)
    late.call("/contact/joincommunity", dstid=room)
    owner.say(room, "secret two", cmd=11)
    owner.call("/community/kick", dstid=room, memberid=early.user_id)
    three = owner.say(room, "secret three", cmd=11)["seq"]
    owner.say(room, "secret four", cmd=11)
    late.call("/message/delete", kind=11, dstid=room, seqs=[three])
    indexed(house)
    assert excerpts(owner, "secret") == ["secret four", "secret three", "secret two", "secret one"]
    assert excerpts(early, "secret") == ["secret two", "secret one"], "the one who was kicked"
    assert excerpts(late, "secret") == ["secret four", "secret two"], "came late, deleted one for himself"
    assert excerpts(stranger, "secret") == []
    foreign = refusal(stranger, "/message/search", q="secret", kind=11, dstid=room)
    assert foreign == refusal(stranger, "/message/search", q="secret", kind=11, dstid=2**53 - 1)
    assert foreign[1] == 40401
    owner.call("/message/clear", kind=11, dstid=room, seq=three)
    assert excerpts(owner, "secret") == ["secret four"]


def test_the_blocked_and_the_unfriended_keep_what_they_read(house: House) -> None:
    ann, bob = house.people(2)
    ann.call("/contact/addfriend", dstid=bob.user_id)
    bob.say(ann.user_id, "unforgettable")
    ann.call("/contact/block", dstid=bob.user_id)
    indexed(house)
    for person, other in ((ann, bob), (bob, ann)):
        shown = person.rows("/message/history", kind=10, dstid=other.user_id)
        assert [row["content"] for row in shown] == excerpts(person, "unforget") == ["unforgettable"]


def test_recalled_at_once_and_edited_texts(house: House) -> None:
    ann, bob = house.people(2)
    ann.call("/contact/addfriend", dstid=bob.user_id)
    one = ann.say(bob.user_id, "密码 is hunter2")["seq"]
    two = ann.say(bob.user_id, "lunch at noon")["seq"]
    indexed(house)
    place = {"kind": 10, "dstid": bob.user_id}
    assert excerpts(bob, "密码") == ["密码 is hunter2"]
    ann.call("/message/recall", **place, seq=one)
    assert excerpts(bob, "密码") == []
    ann.call("/message/edit", **place, seq=two, content="dinner at eight")
    assert excerpts(bob, "lunch") == []
    indexed(house)
    assert excerpts(bob, "dinn") == ["dinner at eight"]


def test_file_names_are_found(house: House) -> None:
    ann = house.person("Ann")
    file = {"name": "季度报告 final.pdf", "mime": "application/pdf", "size": 9}
    ann.data("/message/send", **ann.message(ann.user_id, "", media=10, url="https://example.org/x", file=file))
    indexed(house)
    (row,) = ann.rows("/message/search", q="报告 final")
    assert (row["media"], row["excerpt"], row["file"]["name"]) == (10, "", "季度报告 final.pdf")


def test_clients_of_the_originals_time_may_search_too(house: House, nora: Person) -> None:
    old = OldClient(house.port)
    old.post("/user/login", mobile=nora.mobile, passwd=PASSWORD)
    indexed(house)
    assert [row["excerpt"] for row in old.post("/message/search", q="今天")["rows"]] == ["the text of 今天"]
    assert old.post("/message/search", q="x")["code"] == 40001


def test_searches_are_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("house")
    with open_house(folder, "security.throttle=yes", "security.searches_per_minute=2") as strict:
        ann = strict.person("Ann")
        for _ in range(2):
            assert excerpts(ann, "word") == []
        answer = post_json(strict.port, "/message/search", {"q": "word"}, Authorization=f"Bearer {ann.token}")
        assert (answer.status, answer.code) == (429, 42901)


def test_it_can_be_switched_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_house(tmp_path_factory.mktemp("house"), "search.enabled=no") as house:
        ann = house.person("Ann")
        ann.say(ann.user_id, "word")
        assert refusal(ann, "/message/search", q="word") == (403, 40301, "")
        assert "imtornado_search_" not in exchange(house.port, "GET", "/metrics").body.decode()


def test_the_metrics_tell_how_far_the_index_is(house: House, nora: Person) -> None:
    def figure(name: str) -> float:
        lines = exchange(house.port, "GET", "/metrics").body.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"imtornado_{name} "))

    before = figure("search_indexed_messages_total")
    for number in range(TAIL_SEQS):
        nora.say(nora.user_id, f"one more {number}")
    indexed(house)
    until = time.monotonic() + SOON_S
    while figure("search_indexed_messages_total") <= before and time.monotonic() < until:
        time.sleep(0.02)
    assert figure("search_indexed_messages_total") > before
    assert 0 <= figure("search_lag_seconds") < SOON_S
