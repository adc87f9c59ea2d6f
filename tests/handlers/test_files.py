"""Files of all kinds over HTTP, on the folder and on a real S3 server: names, types, rights, signed addresses."""

import http.client
import random
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imtornado.services.blob_places import open_blobs
from imtornado.services.clean_up import CleanUp
from tests import media, pictures, recordings
from tests.fixtures.s3 import S3Server
from tests.handlers.house import House, open_house
from tests.handlers.uploading import Answer, fetch, form, post_file, request
from tests.people import Failure, Person

PDF = b"%PDF-1.7\n1 0 obj << /JS (app.alert) >>" + bytes(range(256)) * 40
DAY_MS = 86_400_000


@pytest.fixture(scope="module", params=["folder", "bucket", "presigned"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings: tuple[str, ...] = ()
    if request.param != "folder":
        server: S3Server = request.getfixturevalue("s3_server")
        settings = (*server.settings(f"house-{request.param}"), f"uploads.presigned={request.param == 'presigned'}")
    with open_house(tmp_path_factory.mktemp("house"), "contacts.confirm=no", *settings) as opened:
        yield opened


@pytest.fixture
def bob(house: House, ann: Person) -> Person:
    """A friend of Ann's."""
    bob = house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    return bob


def sent(person: Person, data: bytes, name: str = "a.pdf", **fields: str) -> dict[str, Any]:
    """The envelope of an upload that must succeed."""
    answer = post_file(person, form(data, file_name=name, fields=[*fields.items()]))
    assert answer.code == 0, answer.envelope
    return answer.envelope


def followed(answer: Answer) -> Answer:
    """The file itself: what a browser gets that follows a redirect to the bucket."""
    if answer.status != 302:
        return answer
    address = urllib.parse.urlsplit(answer.headers["Location"])
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    try:
        connection.request("GET", f"{address.path}?{address.query}")
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def is_given(answer: Answer) -> bool:
    """True for the file; else the answer must be the refusal that tells nothing."""
    if answer.status in (200, 302):
        return True
    assert (answer.status, answer.code) in ((404, 40401), (401, 40101))
    return False


def share(sender: Person, dstid: int, url: str, cmd: int = 10, **file: object) -> dict[str, Any]:
    fields = sender.message(dstid, "", cmd, media=10, url=url) | ({"file": file} if file else {})
    data: dict[str, Any] = sender.data("/message/send", **fields)
    return data


@pytest.mark.parametrize(
    ("data", "mime", "shown"),
    [
        (PDF, "application/octet-stream", "attachment"),
        (b"just text <script>", "application/octet-stream", "attachment"),
        (media.webm(duration_ms=1500), "audio/webm", "inline"),
        (media.mp4(), "video/mp4", "inline"),
    ],
)
def test_a_file_keeps_its_name_and_gets_the_type_that_its_bytes_prove(
    ann: Person, data: bytes, mime: str, shown: str
) -> None:
    answer = sent(ann, data, "../年度 re\u202eport.html")
    assert answer["file"]["name"] == "年度 report.html"
    assert answer["file"]["mime"] == mime
    assert answer["file"]["size"] == len(data)
    assert answer["file"]["duration"] == {"audio/webm": 1500, "video/mp4": 4200}.get(mime, 0)
    assert answer["thumb"] == ""
    served = followed(fetch(ann, answer["data"]))
    assert served.headers["Content-Type"] == mime
    assert served.headers["Content-Disposition"].startswith(f"{shown}; filename=")
    if fetch(ann, answer["data"]).status == 200:
        assert served.headers["X-Content-Type-Options"] == "nosniff"
        assert served.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert served.headers["Content-Disposition"].endswith("filename*=UTF-8''%E5%B9%B4%E5%BA%A6%20report.html")
    assert (len(served.body), media.PLACE in served.body) == (len(data), False)


@pytest.mark.parametrize("name", ["opus.ogg", "live.webm", "h264.mov", "pieces.mp4"])
def test_a_recording_is_served_without_what_it_tells(ann: Person, name: str) -> None:
    data = recordings.recording(name)
    answer = sent(ann, data, name)
    assert answer["file"]["mime"].partition("/")[0] in ("audio", "video")
    served = followed(fetch(ann, answer["data"]))
    assert len(served.body) == len(data)
    assert not [secret for secret in recordings.SECRETS if secret in served.body]


def test_a_file_is_called_as_its_sender_calls_it_and_not_as_others_do(
    ann: Person, bob: Person, stranger: Person
) -> None:
    data = PDF + b"names"
    theirs = sent(stranger, data, "their secret name.pdf")
    mine = sent(ann, data, "for Bob.pdf")
    assert mine["data"] == theirs["data"]
    assert mine["file"]["name"] == "for Bob.pdf"
    share(ann, bob.user_id, mine["data"])
    head = fetch(bob, mine["data"], "HEAD")
    assert head.headers["Content-Disposition"] == 'attachment; filename="for Bob.pdf"'
    assert "their secret" in fetch(stranger, mine["data"], "HEAD").headers["Content-Disposition"]
    forwarder = bob.call("/user/me")["data"]["id"]
    assert forwarder == bob.user_id
    share(bob, bob.user_id, mine["data"], **mine["file"])
    assert fetch(bob, mine["data"], "HEAD").headers["Content-Disposition"] == 'attachment; filename="for Bob.pdf"'


def test_a_range_of_a_video_is_served(ann: Person, house: House) -> None:
    answer = sent(ann, media.mp4(duration_ms=77))
    got = fetch(ann, answer["data"], Range="bytes=4-7")
    if got.status == 302:
        return  # the bucket's own matter
    assert (got.status, got.body) == (206, b"ftyp")
    assert got.headers["Accept-Ranges"] == "bytes"


def test_equal_pictures_from_different_files_are_stored_once(ann: Person, bob: Person) -> None:
    image = pictures.quarters(333, 222)
    first = sent(ann, pictures.encoded(image, "PNG", optimize=True))
    again = sent(bob, pictures.encoded(image, "PNG", compress_level=1))
    assert first["data"] == again["data"]
    known = sent(ann, pictures.encoded(image, "PNG", compress_level=1))
    assert known["data"] == first["data"]


def test_an_avatar_has_two_sizes(ann: Person, stranger: Person) -> None:
    data = pictures.encoded(pictures.quarters(800, 640), "PNG")
    plain, square = sent(ann, data), sent(ann, data, filetype="avatar")
    assert plain["data"] != square["data"]
    assert (square["file"]["width"], square["file"]["height"]) == (512, 512)
    assert sent(ann, data, filetype="icon")["data"] == square["data"]
    ann.call("/user/update", avatar=square["data"] + "?small=1")
    assert stranger.data("/user/find", id=ann.user_id)["avatar"] == square["data"]
    small = followed(fetch(stranger, square["data"] + "?small=1"))
    assert len(small.body) < len(followed(fetch(stranger, square["data"])).body)
    assert small.body == followed(fetch(stranger, square["thumb"])).body
    assert followed(fetch(ann, sent(ann, PDF)["data"] + "?small=1")).body == PDF


def test_ten_at_once_get_one_file_while_it_is_being_removed(house: House) -> None:
    """Nobody has used the picture for long: the clean-up takes it away, or ten people claim it, whoever comes first."""
    people = house.people(10)
    data = pictures.encoded(pictures.quarters(300, 210), "PNG")
    clean_up = CleanUp(house.store, house.store.clock, open_blobs(house.uploads))
    chance, never = random.Random(7), threading.Event()
    last, took_s, rescued, renewed = sent(people[0], data)["data"], 0.0, 0, 0
    with ThreadPoolExecutor(11) as threads:
        while not (rescued and renewed and rescued + renewed >= 6):
            assert rescued + renewed < 100, (rescued, renewed)
            house.store.clock.at_least(house.store.clock.now_ms() + 61_000)
            started = time.monotonic()
            sending = [threads.submit(sent, person, data) for person in people]
            never.wait(chance.random() * took_s)  # somewhere in the time that they needed the last time
            clean_up.collect(60_000)
            (url,) = {future.result(60)["data"] for future in sending}
            took_s = time.monotonic() - started
            rescued, renewed = rescued + (url == last), renewed + (url != last)
            (body,) = {followed(fetch(person, url)).body for person in people}
            assert body[8:12] == b"WEBP"
            assert url == last or followed(fetch(people[0], last)).status == 404
            last = url


# Signed addresses


@pytest.fixture
def signed(ann: Person) -> str:
    url = sent(ann, PDF + str(ann.user_id).encode())["data"]
    (signed,) = ann.data("/attach/sign", urls=[url])
    assert isinstance(signed, str)
    return signed


def test_a_signed_address_works_for_whoever_has_it_and_nothing_else_does(ann: Person, signed: str) -> None:
    assert followed(request(ann.port, "GET", signed)).body.startswith(b"%PDF")
    assert request(ann.port, "HEAD", signed).status == 200
    assert ann.data("/attach/sign", urls=[signed]) == [signed], "it stays the same for a day"
    other = sent(ann, PDF + b"another")["data"]
    path, _, query = signed.partition("?")
    changed = (
        *(other + "?" + query, path + "?" + query.replace(f"u={ann.user_id}", f"u={ann.user_id + 1}")),
        *(signed[:-1] + ("0" if signed[-1] != "0" else "1"), path + "?s=" + "0" * 64, path + "?u=1&e=1&s=é"),
    )
    for url in changed:
        assert request(ann.port, "GET", urllib.parse.quote(url, safe="/?&=")).status in (400, 401)
    assert is_given(fetch(ann, changed[2])), "a session counts beside a signature that does not"


def test_a_signed_address_ends_with_its_day(house: House, ann: Person, signed: str) -> None:
    house.store.clock.at_least(house.store.clock.now_ms() + 2 * DAY_MS)
    assert request(ann.port, "GET", signed).status == 401
    (anew,) = ann.data("/attach/sign", urls=[signed])
    assert anew != signed
    assert is_given(request(ann.port, "GET", anew))


def test_a_disabled_accounts_signatures_are_worth_nothing(house: House, ann: Person, signed: str) -> None:
    house.store.users.set_disabled(ann.user_id, disabled=True)
    assert request(ann.port, "GET", signed).status == 401


def test_a_signature_is_never_stored(ann: Person, bob: Person, signed: str) -> None:
    bare = signed.partition("?")[0]
    share(ann, bob.user_id, signed)
    foreign = "https://cdn.example" + signed
    share(ann, bob.user_id, foreign)
    rows = bob.rows("/message/history", kind=10, dstid=ann.user_id, limit=10)
    assert [row["url"] for row in rows if "url" in row] == [bare, "https://cdn.example" + bare]
    ann.call("/user/update", avatar=signed)
    assert ann.data("/user/me")["avatar"] == bare
    room = ann.data("/contact/createcommunity", name=f"signed {ann.user_id}", icon=signed)
    assert room["icon"] == bare


@pytest.mark.parametrize("urls", [None, "x", [1], ["x" * 2000], ["x"] * 201, {}])
def test_a_bad_list_of_addresses_is_refused(ann: Person, urls: object) -> None:
    with pytest.raises(Failure) as refused:
        ann.call("/attach/sign", urls=urls)
    assert (refused.value.code, refused.value.envelope["data"]) == (40001, {"field": "urls"})


def test_what_is_no_file_of_ours_is_not_signed(ann: Person) -> None:
    urls = ["", "/resource/", "/resource/x", "https://example.org/a.png", "/resource/" + "0" * 64, "/asset/icon.svg"]
    assert ann.data("/attach/sign", urls=urls) == [None] * len(urls)
    assert ann.data("/attach/sign", urls=[]) == []


# In front of the server


def test_nginx_is_told_where_the_file_lies(tmp_path: Path) -> None:
    with open_house(tmp_path, "uploads.accel=/stored/") as house:
        ann = house.person("Ann")
        url = sent(ann, PDF)["data"]
        name = url.removeprefix("/resource/")
        answer = fetch(ann, url)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["X-Accel-Redirect"] == f"/stored/{name[:2]}/{name}"
        assert (tmp_path / "resource" / name[:2] / name).read_bytes() == PDF
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.pdf"'
        refused = fetch(house.person("Stranger"), url)
        assert (refused.status, refused.headers["X-Accel-Redirect"]) == (404, None)


def test_signed_addresses_begin_at_the_cdn(tmp_path: Path) -> None:
    with open_house(tmp_path, "uploads.base_url=https://cdn.example.org") as house:
        ann = house.person("Ann")
        url = sent(ann, PDF)["data"]
        (signed,) = ann.data("/attach/sign", urls=[url])
        assert signed.startswith(f"https://cdn.example.org{url}?u=")
        answer = request(house.port, "GET", signed.removeprefix("https://cdn.example.org"))
        assert answer.headers["Cache-Control"] == "public, max-age=3600"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert fetch(ann, url).headers["Cache-Control"].startswith("private")
        assert ann.data("/attach/sign", urls=[signed]) == [signed]
