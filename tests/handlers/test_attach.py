"""Uploading, probing and fetching pictures, over real HTTP."""

import hashlib
import io
import select
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests import hostile, pictures
from tests.handlers.house import House, OldClient, open_house
from tests.handlers.uploading import (
    BOUNDARY,
    CONTENT_TYPE,
    arriving,
    fetch,
    form,
    head_of_upload,
    post_file,
    raw,
    read_answer,
    request,
    until_nothing_arrives,
    until_something_arrives,
    upload,
)
from tests.people import PASSWORD, Person

MAX_BYTES = 2_000_000
PHOTO = pictures.phone_file("JPEG", 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    with open_house(
        folder,
        "contacts.confirm=no",
        *(f"uploads.max_{kind}bytes={MAX_BYTES}" for kind in ("", "voice_", "video_", "file_")),
    ) as opened:
        yield opened


def test_an_upload_answers_with_everything_a_message_needs(ann: Person, folder: Path) -> None:
    answer = upload(ann, PHOTO)
    file = answer["file"]
    name = answer["data"].removeprefix("/resource/")
    assert len(name) == 64
    assert file["name"] == f"{name[:12]}.jpg"
    assert (file["mime"], file["width"], file["height"]) == ("image/jpeg", 400, 240)
    assert file["placeholder"].startswith("data:image/webp;base64,")
    picture, thumb = fetch(ann, answer["data"]), fetch(ann, answer["thumb"])
    assert len(picture.body) == file["size"]
    assert not [marker for marker in pictures.MARKERS if marker in picture.body + thumb.body]
    with Image.open(io.BytesIO(picture.body)) as image:
        assert (image.format, image.size) == ("JPEG", (400, 240))
    with Image.open(io.BytesIO(thumb.body)) as image:
        assert (image.format, image.size) == ("WEBP", (320, 192))
    assert not arriving(folder)


def test_what_is_served_cannot_be_taken_for_anything_else(ann: Person) -> None:
    answer = upload(ann, PHOTO)
    for path, mime, suffix in ((answer["data"], "image/jpeg", "jpg"), (answer["thumb"], "image/webp", "webp")):
        headers = fetch(ann, path, Sec_Fetch_Dest="document").headers
        assert headers["Content-Type"] == mime
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Content-Disposition"] == f'inline; filename="{path.removeprefix("/resource/")[:12]}.{suffix}"'
        assert headers["Cache-Control"].startswith("private, max-age=")
        assert headers["Vary"] == "Cookie, Authorization"


def test_the_originals_client_gets_the_bare_address(ann: Person, house: House) -> None:
    old = OldClient(house.port)
    old.post("/user/login", mobile=ann.mobile, passwd=PASSWORD)
    origin = f"http://127.0.0.1:{house.port}"
    browser = {"Accept": "*/*", "Cookie": old.cookie, "Origin": origin, "Content_Type": CONTENT_TYPE}
    body = form(PHOTO, fields=(("filetype", ".png"),))
    answer = request(house.port, "POST", "/attach/upload", browser, body)
    assert (answer.status, answer.code) == (200, 0)
    address = answer.envelope["data"]
    assert isinstance(address, str)
    assert request(house.port, "GET", address, {"Cookie": old.cookie}).headers["Content-Type"] == "image/jpeg"
    refused = request(house.port, "POST", "/attach/upload", browser, form(b"<svg/>"))
    assert (refused.status, refused.code) == (200, 41501)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer wrong"}, 40101),
        ({"Authorization": ""}, 40101),
        ({"Origin": "http://evil.example", "Cookie": "im_session={token}"}, 40305),
        ({"Cookie": "im_session={token}"}, 40305),
        ({"Content-Type": "application/octet-stream"}, 40002),
        ({"Content-Type": "multipart/form-data"}, 40002),
        ({"Content-Length": str(MAX_BYTES + 100_000)}, 41301),
        ({"Content-Length": str(10**15)}, 41301),
    ],
)
def test_rights_and_size_are_checked_before_a_byte_is_read(
    ann: Person, folder: Path, headers: dict[str, str], code: int
) -> None:
    usual = {"Content-Type": CONTENT_TYPE, "Content-Length": "1000000", "Accept": "application/json"}
    if "Cookie" not in headers:
        usual["Authorization"] = f"Bearer {ann.token}"
    lines = [f"{name}: {value.format(token=ann.token)}" for name, value in (usual | headers).items()]
    head = "\r\n".join(("POST /attach/upload HTTP/1.1", f"Host: 127.0.0.1:{ann.port}", *lines, "\r\n"))
    answer = read_answer(raw(ann.port, head.encode()))
    assert (answer.status, answer.code) == (code // 100, code)
    assert answer.envelope["msg"]
    assert not arriving(folder)


def test_a_file_of_the_greatest_size_passes_and_one_byte_more_does_not(ann: Person) -> None:
    data = PHOTO + b"\0" * (MAX_BYTES - len(PHOTO))
    assert post_file(ann, form(data)).code == 0
    over = post_file(ann, form(data + b"\0"))
    assert (over.status, over.code) == (413, 41301)


def test_who_sends_all_before_he_reads_is_told_why_it_was_refused(ann: Person, folder: Path) -> None:
    large = form(PHOTO + b"\0" * (MAX_BYTES + 8_000_000))
    page = form(b"<html>" + b" " * (MAX_BYTES - 1000))
    json = {"Content_Type": "application/json", "Authorization": f"Bearer {ann.token}"}
    for answer, code in (
        (post_file(ann, large), 41301),
        (post_file(ann, page), 41501),
        (post_file(ann, page, Authorization="Bearer wrong"), 40101),
        (request(ann.port, "POST", "/user/update", json, b" " * 8_000_000), 41301),
        (request(ann.port, "DELETE", "/attach/tus/" + "0" * 64, json, b" " * 8_000_000), 41301),
    ):
        assert (answer.status, answer.code, answer.headers["Connection"]) == (code // 100, code, "close")
        assert answer.envelope["msg"]
    assert not arriving(folder)


def test_who_waits_for_our_word_is_refused_without_it(ann: Person) -> None:
    lines = ("Content-Length: 9000000", "Expect: 100-continue")
    head = head_of_upload(ann, *lines).replace(b"Bearer ", b"Bearer x")
    connection = raw(ann.port, head)
    received = b""
    while piece := connection.recv(65536):
        received += piece
    connection.close()
    assert received.startswith(b"HTTP/1.1 401 ")
    assert received.count(b"HTTP/1.1") == 1


def test_more_than_announced_by_the_chunks_is_told(ann: Person, folder: Path) -> None:
    start = form(b"")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
    body = start + b"x" * (MAX_BYTES + 300_000)
    connection = raw(ann.port, head_of_upload(ann, "Transfer-Encoding: chunked"), b"%x\r\n%b\r\n" % (len(body), body))
    answer = read_answer(connection)
    assert (answer.status, answer.code) == (413, 41301)
    until_nothing_arrives(folder)


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_client_that_goes_away_leaves_no_file(ann: Person, folder: Path, ending: str) -> None:
    body = form(b"x" * 1_000_000)
    connection = raw(ann.port, head_of_upload(ann, f"Content-Length: {len(body)}"), body[:600_000])
    until_something_arrives(folder)
    if ending == "reset":
        connection.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SOL_SOCKET, SO_LINGER
    connection.close()
    until_nothing_arrives(folder)
    for _ in range(6):  # as many as may be under way at once: none of them is taken for lost
        assert post_file(ann, form(PHOTO)).code == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(b"<svg xmlns='http://www.w3.org/2000/svg'/>", file_name="a.png"), 41501),
        (form(b"<!DOCTYPE html><script>alert(1)</script>", file_name="a.jpg"), 41501),
        (form(b"\xef\xbb\xbf\n <?xml version='1.0'?><svg/>", file_name="a.bin"), 41501),
        (form("<svg/>".encode("utf-16"), file_name="a.txt"), 41501),
        (form(PHOTO[:3000]), 41501),
        (form(pictures.png_head(50_000, 50_000)), 41301),
        (form(pictures.jpeg_head(50_000, 50_000)), 41301),
        (form(b""), 40001),
        (form(PHOTO, name="picture"), 40001),
        (form(PHOTO).replace(f"--{BOUNDARY}--".encode(), f"--{BOUNDARY}".encode()) + form(PHOTO)[2:], 40002),
        (form(PHOTO)[:-10], 40002),
        (b"not multipart at all", 40002),
        (form(PHOTO, fields=(("filetype", "x" * 100_000),)), 40002),
    ],
    ids=[
        *(
            "svg",
            "html",
            "svg after blanks",
            "svg in utf-16",
            "truncated",
            "png bomb",
            "jpeg bomb",
            "empty",
            "no file",
            "two files",
            "cut",
            "junk",
        ),
        "long field",
    ],
)
def test_what_is_no_picture_is_refused_in_words(ann: Person, folder: Path, body: bytes, code: int) -> None:
    before = sorted(folder.glob("resource/??/*"))
    answer = post_file(ann, body)
    assert (answer.status, answer.code) == (code // 100, code)
    chinese = post_file(ann, body, Accept_Language="zh-CN").envelope
    assert chinese["msg"] != answer.envelope["msg"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese["msg"])
    assert sorted(folder.glob("resource/??/*")) == before
    assert not arriving(folder)


def test_a_probe_makes_an_upload_instant(ann: Person, stranger: Person) -> None:
    data = pictures.encoded(pictures.quarters(90, 70), "PNG")
    known = {"sha256": hashlib.sha256(data).hexdigest().upper(), "size": len(data)}
    assert stranger.call("/attach/probe", **known)["data"] is None
    uploaded = upload(ann, data)
    assert stranger.call("/attach/probe", **known) == uploaded
    assert fetch(stranger, uploaded["data"]).status == 200
    assert stranger.call("/attach/probe", **known | {"size": 1})["data"] is None


def test_ten_users_at_once_get_one_stored_copy(house: House, folder: Path) -> None:
    people = house.people(10)
    data = pictures.encoded(pictures.quarters(300, 200), "PNG")
    before = len(list(folder.glob("resource/??/*")))
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda person: upload(person, data), people))
    assert all(answer == answers[0] for answer in answers)
    assert len(list(folder.glob("resource/??/*"))) == before + 2
    assert {fetch(person, answers[0]["data"]).status for person in people} == {200}
    assert not arriving(folder)


@pytest.mark.parametrize("name", hostile.ENDLESS)
def test_an_endless_form_is_told_why_and_costs_nothing(ann: Person, folder: Path, name: str) -> None:
    start, more = hostile.ENDLESS[name]
    connection = raw(ann.port, head_of_upload(ann, "Transfer-Encoding: chunked"), chunk(start) if start else b"")
    connection.settimeout(60)
    sent = 0
    while not select.select([connection], [], [], 0)[0]:
        assert sent < 100_000_000, "it takes everything"
        connection.sendall(chunk(more))
        sent += len(more)
    answer = read_answer(connection)
    assert (answer.status, answer.code) in ((413, 41301), (400, 40002), (415, 41501))
    until_nothing_arrives(folder)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("name", hostile.POLYGLOTS)
def test_nothing_of_a_polyglot_is_left(ann: Person, name: str) -> None:
    sent = hostile.POLYGLOTS[name]
    assert [marker for marker in pictures.MARKERS if marker in sent], "the test's own file carries nothing"
    assert len(set(pictures.MARKERS)) >= 50
    answer = upload(ann, sent)
    assert answer["file"]["mime"].partition("/")[0] in ("image", "audio", "video")
    for path in filter(None, (answer["data"], answer["thumb"], answer["data"] + "?small=1")):
        served = fetch(ann, path)
        assert served.headers["Content-Type"].partition("/")[0] in ("image", "audio", "video")
        assert not [marker for marker in pictures.MARKERS if marker in served.body]
