"""Who may see a stored picture, and how it is given out."""

from collections.abc import Iterator

import pytest

from imtornado.drafts import Change, Changed
from imtornado.records import Gone, Kind, conversation_key
from tests import pictures
from tests.handlers.house import House, open_house
from tests.handlers.uploading import Answer, fetch, raw, read_answer, request, upload
from tests.people import Failure, Person
from tests.raw_client import new_cid


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "contacts.confirm=no") as opened:
        yield opened


def send_picture(sender: Person, dstid: int, uploaded: dict[str, object], cmd: int = 10) -> None:
    message = {"cmd": cmd, "dstid": dstid, "media": 4, "cid": new_cid()}
    sender.call("/message/send", **message, url=uploaded["data"], pic=uploaded["thumb"])


def assert_not_found(answer: Answer) -> None:
    assert (answer.status, answer.code, answer.envelope["data"]) == (404, 40401, None)


def test_unknown_foreign_and_guessed_look_alike(ann: Person, stranger: Person) -> None:
    uploaded = upload(ann, pictures.encoded(pictures.quarters(50, 40), "PNG"))
    answers = [
        fetch(stranger, path)
        for path in (uploaded["data"], uploaded["thumb"], "/resource/" + "0" * 64, "/resource/x", "/resource/")
    ]
    for answer in answers:
        assert_not_found(answer)
    assert len({answer.body for answer in answers}) == 1
    assert request(ann.port, "GET", uploaded["data"]).status == 401


def test_whoever_got_it_in_a_message_sees_it_and_nobody_else(ann: Person, stranger: Person, house: House) -> None:
    bob = house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    uploaded = upload(ann, pictures.encoded(pictures.quarters(51, 40), "PNG"))
    assert_not_found(fetch(bob, uploaded["data"]))
    send_picture(ann, bob.user_id, uploaded)
    assert fetch(bob, uploaded["data"]).status == 200
    assert fetch(bob, uploaded["thumb"]).status == 200
    assert_not_found(fetch(stranger, uploaded["data"]))


def test_a_recalled_picture_is_gone_for_who_got_it(ann: Person, house: House) -> None:
    bob = house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    uploaded = upload(ann, pictures.encoded(pictures.quarters(55, 40), "PNG"))
    send_picture(ann, bob.user_id, uploaded)
    assert fetch(bob, uploaded["data"]).status == 200
    key = conversation_key(Kind.SINGLE, ann.user_id, bob.user_id)
    (outcome,) = house.store.commit([Change(key, lambda tx: tx.messages.blank(1, Gone.RECALLED))])
    assert isinstance(outcome, Changed)
    assert_not_found(fetch(bob, uploaded["data"]))
    assert_not_found(fetch(bob, uploaded["thumb"]))


def test_a_url_in_anothers_message_gives_no_right(ann: Person, stranger: Person, house: House) -> None:
    accomplice = house.person("Accomplice")
    stranger.call("/contact/addfriend", dstid=accomplice.user_id)
    uploaded = upload(ann, pictures.encoded(pictures.quarters(52, 40), "PNG"))
    with pytest.raises(Failure) as refused:
        send_picture(stranger, accomplice.user_id, uploaded)
    assert (refused.value.code, refused.value.envelope["data"]) == (40401, {"field": "url"})
    assert_not_found(fetch(accomplice, uploaded["data"]))
    assert_not_found(fetch(stranger, uploaded["data"]))


def test_a_member_who_left_sees_no_later_picture(ann: Person, house: House) -> None:
    bob = house.person("Bob")
    community = ann.data("/contact/createcommunity", name=f"pictures {ann.user_id}")
    bob.call("/contact/joincommunity", dstid=community["id"])
    early, late = (upload(ann, pictures.encoded(pictures.quarters(53, side), "PNG")) for side in (40, 41))
    send_picture(ann, community["id"], early, cmd=11)
    assert fetch(bob, early["data"]).status == 200
    ann.call("/community/kick", dstid=community["id"], memberid=bob.user_id)
    send_picture(ann, community["id"], late, cmd=11)
    assert_not_found(fetch(bob, late["data"]))


def test_an_avatar_is_for_everybody(ann: Person, stranger: Person) -> None:
    uploaded = upload(ann, pictures.encoded(pictures.quarters(54, 40), "PNG"))
    ann.call("/user/update", avatar=uploaded["data"])
    assert fetch(stranger, uploaded["data"]).status == 200


# How it is served


@pytest.fixture
def served(ann: Person) -> tuple[str, bytes, str]:
    """(path, bytes, tag) of a picture of several reads."""
    data = pictures.encoded(pictures.grainy(1600, 1200, 30), "JPEG", quality=70)
    path = upload(ann, data)["data"]
    answer = fetch(ann, path)
    assert len(answer.body) > 300_000
    return path, answer.body, answer.headers["Etag"]


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299999", 100, 300_000),
        ("bytes=-10", -10, None),
        ("bytes=300000-", 300_000, None),
        ("bytes=5-99999999", 5, None),
    ],
)
def test_a_range_is_a_206(
    ann: Person, served: tuple[str, bytes, str], header: str, start: int, end: int | None
) -> None:
    path, whole, tag = served
    wanted = whole[start:end]
    first = start % len(whole)
    for conditions in ({}, {"If_Range": tag}):
        answer = fetch(ann, path, Range=header, **conditions)
        assert (answer.status, answer.body) == (206, wanted)
        assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(whole)}"
        assert answer.headers["Content-Length"] == str(len(wanted))
    assert fetch(ann, path, Range=header, If_Range='"other"').body == whole
    assert fetch(ann, path, "HEAD", Range=header).headers["Content-Length"] == str(len(wanted))


@pytest.mark.parametrize("header", ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=9-3", "bytes=a-b", "x" * 5000])
def test_what_is_no_single_range_is_the_whole_file(ann: Person, served: tuple[str, bytes, str], header: str) -> None:
    answer = fetch(ann, served[0], Range=header)
    assert (answer.status, answer.body) == (200, served[1])


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0", "bytes=99999999-999999999"])
def test_a_range_outside_is_a_416(ann: Person, served: tuple[str, bytes, str], header: str) -> None:
    answer = fetch(ann, served[0], Range=header)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{len(served[1])}"


def test_head_and_304_have_no_body(ann: Person, stranger: Person, served: tuple[str, bytes, str]) -> None:
    path, whole, tag = served
    head = fetch(ann, path, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole)))
    for header in (tag, f'"x", W/{tag}', "*"):
        answer = fetch(ann, path, If_None_Match=header)
        assert (answer.status, answer.body, answer.headers["Etag"]) == (304, b"", tag)
    assert fetch(ann, path, If_None_Match='"x"').status == 200
    assert_not_found(fetch(stranger, path, If_None_Match=tag))


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/resource/../config.example.ini",
            "/resource/..%2f..%2fim.db",
            "/resource/%2e%2e/im.db",
            "/resource//etc/passwd",
        ),
        *("/resource/..;/im.db", "/resource/%00", "/resource/.incoming", "/resource/ab/" + "ab" * 32, "/resource/.."),
        *("/resource/" + "a" * 5000, "/resource/..\\..\\im.db", "http://127.0.0.1/resource/../im.db"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "CONNECT"])
def test_no_path_leads_out_of_the_uploads(ann: Person, method: str, path: str) -> None:
    lines = (f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{ann.port}", f"Authorization: Bearer {ann.token}", "\r\n")
    answer = read_answer(raw(ann.port, "\r\n".join(lines).encode()), method)
    assert answer.status in ((405, 404) if method == "CONNECT" else (404,))


def test_a_reader_that_goes_away_leaves_nothing_open(ann: Person, served: tuple[str, bytes, str]) -> None:
    for _ in range(20):
        head = f"GET {served[0]} HTTP/1.1\r\nHost: 127.0.0.1:{ann.port}\r\nAuthorization: Bearer {ann.token}\r\n\r\n"
        connection = raw(ann.port, head.encode())
        assert connection.recv(1000)
        connection.close()
    assert fetch(ann, served[0]).body == served[1]
