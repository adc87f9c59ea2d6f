"""The routes of changes and views: what they refuse, in which words, and that nothing was changed then."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import pictures
from tests.handlers.calls import JSON, exchange, post_form, post_json
from tests.handlers.house import House, OldClient, create, open_house, refusal
from tests.handlers.uploading import fetch, upload
from tests.people import PASSWORD, Person
from tests.raw_client import new_cid

GOOD: dict[str, dict[str, object]] = {
    "/message/recall": {},
    "/message/edit": {"content": "another text"},
    "/message/react": {"emoji": "👍"},
    "/message/delete": {"seqs": [1]},
    "/message/clear": {},
    "/message/pin": {},
    "/message/mute": {},
    "/message/changes": {"since": 0},
    "/message/readers": {},
}
WITH_SEQ = ("/message/recall", "/message/edit", "/message/react", "/message/readers")
READS = ("/message/changes", "/message/readers")
WRITES = tuple(path for path in GOOD if path not in READS)
NOT_NUMBERS: tuple[object, ...] = ("1", "x", 1.5, True, [], {}, None, -1, 2**53, 10**30)


def bad(path: str, field: str, *values: object) -> list[tuple[str, str, object]]:
    return [(path, field, value) for value in values]


BAD = [
    *(case for path in GOOD if path != "/message/readers" for case in bad(path, "kind", *NOT_NUMBERS, 9, 12)),
    *(case for path in GOOD for case in bad(path, "dstid", *NOT_NUMBERS, 0)),
    *(case for path in WITH_SEQ for case in bad(path, "seq", *NOT_NUMBERS, 0)),
    *bad("/message/changes", "since", *NOT_NUMBERS),
    *bad("/message/changes", "limit", 0, 201, "many"),
    *bad("/message/edit", "content", None, 7, True, [], {}, "", "a\0b", "x" * 400_000),
    *bad("/message/react", "emoji", None, 7, True, [], {}, "", "\0", "\n", "123456789", "x" * 500),
    *bad("/message/react", "on", "yes", 1, [], ""),
    *bad("/message/delete", "seqs", None, 1, "1", {}, ["1"], [0], [-1], [2**53], list(range(1, 102))),
    *bad("/message/clear", "seq", "1", -1, 2**53, 1.5, True),
    *bad("/message/pin", "pinned", "yes", 1, [], ""),
    *bad("/message/mute", "muted", "yes", 1, [], ""),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), database, "contacts.confirm=no") as opened:
        yield opened


class Notebook:
    """Somebody's conversation with himself, with one message, and everything that can be seen of it."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.place: dict[str, object] = {"kind": 10, "dstid": person.user_id}
        person.say(person.user_id, "the text")

    def fields(self, path: str) -> dict[str, object]:
        seq = {"seq": 1} if path in WITH_SEQ else {}
        return self.place | seq | GOOD[path]

    def state(self) -> tuple[Any, ...]:
        conversations = self.person.rows("/message/conversations")
        history = self.person.call("/message/history", **self.place)
        return conversations, history, self.person.call("/message/changes", **self.place, since=0)


@pytest.fixture(scope="module")
def notebook(house: House) -> Notebook:
    return Notebook(house.person("Nora"))


@pytest.mark.parametrize(("path", "field", "value"), BAD, ids=lambda value: str(value)[:20])
def test_a_wrong_parameter_is_named_and_changes_nothing(
    notebook: Notebook, path: str, field: str, value: object
) -> None:
    before = notebook.state()
    answer = post_json(
        notebook.person.port,
        path,
        notebook.fields(path) | {field: value},
        Authorization=f"Bearer {notebook.person.token}",
    )
    assert (answer.status, answer.code, answer.envelope["data"]) == (400, 40001, {"field": field})
    assert answer.envelope["msg"]
    assert notebook.state() == before


def test_a_text_beyond_the_limit_is_too_large(notebook: Notebook) -> None:
    before = notebook.state()
    for text in ("x" * 60_001, "长" * 20_001):
        status, code, field = refusal(notebook.person, "/message/edit", **notebook.place, seq=1, content=text)
        assert (status, code, field) == (413, 41301, "content")
    assert notebook.state() == before


@pytest.mark.parametrize("path", GOOD)
def test_nobody_without_a_session_and_no_foreign_page(notebook: Notebook, path: str) -> None:
    person, fields, before = notebook.person, notebook.fields(path), notebook.state()
    assert post_json(person.port, path, fields).code == 40101
    assert post_json(person.port, path, fields, Authorization="Bearer nonsense").code == 40101
    cookie = {"Cookie": f"im_session={person.token}"}
    assert post_json(person.port, path, fields, **cookie, Origin="https://evil.example").code == 40305
    assert post_json(person.port, path, fields, **cookie).code == 40305
    assert (
        post_json(person.port, path, fields | {"userid": 10**9}, Authorization=f"Bearer {person.token}").code == 40301
    )
    assert notebook.state() == before


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"null", b"[" * 10_000])
def test_bodies_that_are_no_parameters(notebook: Notebook, path: str, body: bytes) -> None:
    headers = JSON | {"Authorization": f"Bearer {notebook.person.token}"}
    assert exchange(notebook.person.port, "POST", path, body, headers).status == 400


def test_what_changes_something_is_no_get(notebook: Notebook) -> None:
    headers = {"Authorization": f"Bearer {notebook.person.token}"}
    for path in WRITES:
        assert exchange(notebook.person.port, "GET", path, headers=headers).code == 40501
    place = f"kind=10&dstid={notebook.person.user_id}"
    assert exchange(notebook.person.port, "GET", f"/message/changes?{place}&since=0", headers=headers).code == 0


@pytest.mark.parametrize("path", GOOD)
def test_foreign_and_unknown_conversations_look_alike(house: House, ann: Person, path: str) -> None:
    owner, member, stranger = house.people(3)
    room = create(owner, member)
    seq = owner.say(room, "inside", cmd=11)["seq"]
    fields = {"seq": seq} if path in WITH_SEQ else {"seqs": [seq]} if path == "/message/delete" else {}
    answers = {
        post_json(
            house.port,
            path,
            GOOD[path] | {"kind": 11, "dstid": dstid} | fields,
            Authorization=f"Bearer {stranger.token}",
        ).body
        for dstid in (room, 2**53 - 1)
    }
    assert len(answers) == 1
    assert b"40401" in answers.pop()
    if path != "/message/readers":
        assert refusal(stranger, path, **(GOOD[path] | {"kind": 10, "dstid": owner.user_id} | fields))[1] == 40401
        assert refusal(stranger, path, **(GOOD[path] | {"kind": 10, "dstid": 2**53 - 1} | fields))[1] == 40401
    assert owner.call("/message/changes", kind=11, dstid=room, since=0)["ver"] == 0


def test_forms_of_the_originals_time_do_the_same(house: House, ann: Person) -> None:
    old = OldClient(house.port)
    old.post("/user/login", mobile=ann.mobile, passwd=PASSWORD)
    place = {"kind": 10, "dstid": ann.user_id}
    ann.say(ann.user_id, "one")
    ann.say(ann.user_id, "two")
    assert old.post("/message/edit", **place, seq=1, content="uno")["data"] == {"seq": 1, "ver": 1, "dup": False}
    assert old.post("/message/react", **place, seq=1, emoji="👍", on="1")["data"]["ver"] == 2
    assert old.post("/message/react", **place, seq=1, emoji="👍", on="off")["data"]["ver"] == 3
    assert old.post("/message/recall", **place, seq=1)["data"]["ver"] == 4
    assert old.post("/message/recall", **place, seq=7)["code"] == 40401
    assert [row["ver"] for row in old.post("/message/changes", **place, since=2)["rows"]] == [3, 4]
    assert old.post("/message/pin", **place, pinned="yes")["code"] == 0
    assert old.post("/message/delete", **place, seqs="1,2")["code"] == 0
    assert [row["gone"] for row in ann.rows("/message/history", **place)] == ["deleted", "deleted"]
    assert old.post("/message/clear", **place)["data"] == {"seq": 2}


def test_changes_are_counted_as_messages_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("house")
    with open_house(folder, "security.throttle=yes", "security.messages_per_minute=3") as strict:
        ann = strict.person("Ann")
        ann.say(ann.user_id, "one")
        place = {"kind": 10, "dstid": ann.user_id, "seq": 1}
        ann.call("/message/edit", **place, content="two")
        ann.call("/message/react", **place, emoji="x")
        answer = post_json(strict.port, "/message/recall", place, Authorization=f"Bearer {ann.token}")
        assert (answer.status, answer.code) == (429, 42901)
        assert int(answer.headers["Retry-After"]) > 0
        assert ann.rows("/message/history", kind=10, dstid=ann.user_id)[0]["content"] == "two"


def test_the_time_is_the_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_house(tmp_path_factory.mktemp("house"), "messages.recall_s=1", "contacts.confirm=no") as strict:
        ann = strict.person("Ann")
        ann.say(ann.user_id, "one")
        strict.store.clock.at_least(strict.store.clock.now_ms() + 1001)
        place = {"kind": 10, "dstid": ann.user_id, "seq": 1}
        assert refusal(ann, "/message/recall", **place) == (403, 40306, "seq")
        assert refusal(ann, "/message/edit", **place, content="two") == (403, 40306, "seq")
        assert ann.data("/message/react", **place, emoji="x")["ver"] == 1
        chinese = post_json(
            ann.port, "/message/recall", place, Authorization=f"Bearer {ann.token}", Accept_Language="zh-CN"
        )
        assert chinese.envelope["msg"] == "此消息发送已超过 1 秒。"


def test_a_recalled_picture_is_served_to_nobody_who_got_it(house: House, ann: Person) -> None:
    bob, carl = house.people(2)
    room = create(ann, bob, carl)
    uploaded = upload(ann, pictures.encoded(pictures.quarters(61, 40), "PNG"))
    message = {"cmd": 11, "dstid": room, "media": 4, "cid": new_cid()}
    seq = ann.data("/message/send", **message, url=uploaded["data"], pic=uploaded["thumb"])["seq"]
    paths = (uploaded["data"], uploaded["thumb"])
    tag = fetch(bob, paths[0]).headers["Etag"]
    assert [fetch(who, path).status for who in (bob, carl) for path in paths] == [200] * 4
    ann.call("/message/recall", kind=11, dstid=room, seq=seq)
    assert [fetch(who, path).status for who in (bob, carl) for path in paths] == [404] * 4
    assert fetch(bob, paths[0], If_None_Match=tag).status == 404, "not even that it has not changed"
    assert refusal(bob, "/message/send", **message | {"cid": new_cid()}, url=paths[0]) == (404, 40401, "url")
    dup = ann.data("/message/send", **message, url=uploaded["data"], pic=uploaded["thumb"])
    assert (dup["seq"], dup["dup"]) == (seq, True), "the same cid brings nothing back"
    assert ann.rows("/message/history", kind=11, dstid=room)[-1] == {"seq": seq, "gone": "recalled"}


def test_readers_of_a_community(house: House, ann: Person) -> None:
    bob, carl = house.people(2)
    room = create(ann, bob, carl)
    seq = ann.say(room, "read me", cmd=11)["seq"]
    bob.call("/message/read", kind=11, dstid=room, seq=seq)
    carl.call("/message/read", kind=11, dstid=room, seq=seq - 1)
    assert carl.rows("/message/readers", dstid=room, seq=seq) == [{"userid": bob.user_id}]
    assert refusal(carl, "/message/readers", dstid=room, seq=seq + 1)[1] == 40401
    form = post_form(house.port, "/message/readers", {"dstid": room, "seq": seq, "token": ann.token})
    assert form.envelope["rows"] == [{"userid": bob.user_id}]
