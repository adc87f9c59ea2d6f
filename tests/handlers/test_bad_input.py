"""Every route with every parameter wrong in every way: a refusal with its code and a sentence, and nothing changed.

The tests of each route hold it to the exact code; this one looks at all of them, also at those that come.
"""

import json
import re
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import routes
from imtornado.protocol import MAX_ID
from tests.handlers.calls import FORM, JSON, Answer, exchange
from tests.handlers.house import House, create, open_house

POSTS = [path for path, handler in routes.TABLE if hasattr(handler, "post") and "(" not in path]
READS = {"/user/me", "/user/sessions", "/contact/requests", "/contact/loadfriend", "/contact/blocked"}
READS |= {"/contact/loadcommunity", "/message/conversations"}
NEEDS_NOTHING = READS | {"/user/logout", "/user/update"}
# Every name that any route reads.
NAMES = (
    *("id", "userid", "ownerid", "dstid", "memberid", "userids", "mobile", "dstname", "name", "nickname", "passwd"),
    *("old", "new", "token", "invite", "device", "avatar", "icon", "sex", "memo", "cate", "policy", "announcement"),
    *("role", "seconds", "hours", "link", "approve", "q", "kind", "cmd", "seq", "media", "content", "cid", "url"),
    *("pic", "amount", "reply", "mention", "file", "before", "after", "since", "limit", "sha256", "size", "urls"),
    *("remark", "emoji", "ver", "pinned", "muted", "text", "until", "on", "seqs", "small", "u", "e", "s"),
)
WRONG: tuple[object, ...] = (
    *("", " ", "x", "\0", "\u202e", "x" * 5000, "' OR 1=1 --", "../../etc/passwd", "\U0001f389" * 300),
    *(0, -1, MAX_ID + 1, 10**300, 1.5, -0.0, True, False),
    *([], [None], ["x"] * 1000, [[[]]], {}, {"$ne": ""}, [{"id": 1}]),
)
FORMS = ("", "x", "\0", "-1", "0", "9" * 400, "1e9", "１２", "true", "%00", "x" * 5000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    with open_house(folder, "contacts.confirm=no") as opened:
        opened.person("the first")
        yield opened


def told(answer: Answer, sent: str) -> int:
    """The code of an answer that must be whole: its status, a sentence where it refuses, no fault of ours."""
    code = answer.code
    assert answer.status == (code // 100 or 200), sent
    assert answer.status < 500, sent
    assert bool(answer.envelope["msg"]) == bool(code), sent
    return code


CHANGING = {"session", "counter", "job", "search_entry", "search_progress"}


def everything(folder: Path) -> dict[str, list[object]]:
    """All rows of all tables but those that a look changes, or the server's own work."""
    connection = sqlite3.connect(folder / "im.db")
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = [table for table in tables if table not in CHANGING and not table.startswith("sqlite_")]
    rows: dict[str, list[object]] = {table: connection.execute(f"SELECT * FROM `{table}`").fetchall() for table in kept}
    connection.close()
    return rows


@pytest.mark.parametrize("path", POSTS)
def test_whatever_is_sent_is_answered(house: House, path: str) -> None:
    person, friend = house.people(2)
    person.call("/contact/addfriend", dstid=friend.user_id)
    community = create(person, friend)
    bearer = JSON | {"Authorization": f"Bearer {person.token}"}
    for wrong in WRONG:
        for fields in (dict.fromkeys(NAMES, wrong), {"dstid": community, "kind": 11, "cmd": 11, "q": wrong}):
            sent = f"{path} {str(fields)[:200]}"
            told(exchange(house.port, "POST", path, json.dumps(fields).encode(), bearer), sent)
    for text in FORMS:
        body = urllib.parse.urlencode(dict.fromkeys(NAMES, text)).encode()
        headers = FORM | {"Authorization": f"Bearer {person.token}", "Accept": "application/json"}
        told(exchange(house.port, "POST", path, body, headers), f"{path} form {text[:20]!r}")


@pytest.mark.parametrize("path", [path for path in POSTS if path not in NEEDS_NOTHING])
def test_nothing_at_all_and_nonsense_change_nothing(house: House, folder: Path, path: str) -> None:
    person, friend = house.people(2)
    person.call("/contact/addfriend", dstid=friend.user_id)
    create(person, friend)
    bearer = JSON | {"Authorization": f"Bearer {person.token}"}
    before = everything(folder)
    for body in (b"", b"{}", b"[]", b"null", b"\xff", b"{", b'"x"', b"7", b"{}" * 2, b'{"dstid":"\\ud800"}'):
        assert told(exchange(house.port, "POST", path, body, bearer), f"{path} {body!r}") != 0
    few: tuple[object, ...] = ("\0", [], {}, 1.5, -1, 10**30, [{"x": []}])
    for wrong in few:
        fields = json.dumps(dict.fromkeys(NAMES, wrong)).encode()
        assert told(exchange(house.port, "POST", path, fields, bearer), f"{path} {wrong!r}") != 0
    unknown = dict.fromkeys(("id", "dstid", "memberid", "seq"), MAX_ID) | {"kind": 11, "cmd": 11}
    assert told(exchange(house.port, "POST", path, json.dumps(unknown).encode(), bearer), path) != 0
    assert everything(folder) == before


def test_the_names_are_those_that_the_routes_read() -> None:
    """A parameter that a new route reads belongs into NAMES."""
    sources = "\n".join(file.read_text(encoding="utf-8") for file in Path(routes.__file__).parent.glob("*.py"))
    read = set(re.findall(r'params\.(?:text|texts|integer|integers|flag|choice|has)\(\s*"(\w+)"', sources))
    assert len(read) > 30
    assert read - set(NAMES) == set()
