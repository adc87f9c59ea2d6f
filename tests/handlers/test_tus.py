"""Resumable uploads: the tus protocol as its clients speak it, over real HTTP, with cuts and kills."""

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pictures
from tests.fixtures.server import StartServer
from tests.handlers.house import House, open_house, refusal
from tests.handlers.uploading import Answer, fetch, raw, request
from tests.people import Person

HOUR_MS = 3_600_000
DATA = os.urandom(700_000)
PHOTO = pictures.encoded(pictures.quarters(640, 480), "PNG")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    limits = (f"uploads.{key}_bytes=3000000" for key in ("max_voice", "max_video", "max_file"))
    with open_house(
        folder, "contacts.confirm=no", "uploads.max_bytes=1000000", "uploads.user_bytes=8000000", *limits
    ) as opened:
        yield opened


def call(person: Person, method: str, path: str, body: bytes = b"", **headers: object) -> Answer:
    known = {"Authorization": f"Bearer {person.token}", "Tus_Resumable": "1.0.0", "Accept": "application/json"}
    return request(person.port, method, path, known | {name: str(value) for name, value in headers.items()}, body)


def begun(person: Person, size_bytes: int, name: str = "a.bin", filetype: str = "") -> str:
    """The address of a new upload."""
    told = f"filename {base64.b64encode(name.encode()).decode()}"
    if filetype:
        told += f",filetype {base64.b64encode(filetype.encode()).decode()}"
    answer = call(person, "POST", "/attach/tus", Upload_Length=size_bytes, Upload_Metadata=told)
    assert (answer.status, answer.headers["Tus-Resumable"]) == (201, "1.0.0")
    assert answer.headers["Location"] == "/attach/tus/" + answer.envelope["data"]["id"]
    return answer.headers["Location"]


def brought(person: Person, path: str, offset: int, data: bytes) -> Answer:
    kind = "application/offset+octet-stream"
    return call(person, "PATCH", path, data, Upload_Offset=offset, Content_Type=kind)


def offset(person: Person, path: str) -> int:
    answer = call(person, "HEAD", path)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    return int(answer.headers["Upload-Offset"])


def code(answer: Answer) -> int:
    assert answer.status == answer.code // 100
    assert answer.envelope["msg"]
    return answer.code


def partial_files(folder: Path) -> list[Path]:
    return [*(folder / "resource" / ".resumable").glob("*")]


def test_pieces_become_the_file_and_finishing_twice_is_the_same(ann: Person, folder: Path) -> None:
    path = begun(ann, len(DATA), "年度 data.bin")
    assert offset(ann, path) == 0
    for start in range(0, len(DATA), 300_000):
        answer = brought(ann, path, start, DATA[start : start + 300_000])
        reached = min(start + 300_000, len(DATA))
        assert (answer.status, answer.body, answer.headers["Upload-Offset"]) == (204, b"", str(reached))
        assert answer.headers["Upload-Expires"].endswith("GMT")
        assert offset(ann, path) == reached
    upload_id = path.rpartition("/")[2]
    stored = ann.call("/attach/finish", id=upload_id)
    assert stored["file"]["name"] == "年度 data.bin"
    assert fetch(ann, stored["data"]).body == DATA
    assert ann.call("/attach/finish", id=upload_id) == stored
    assert offset(ann, path) == len(DATA)
    assert code(brought(ann, path, len(DATA), b"x")) == 40901
    assert not partial_files(folder)


def test_a_picture_and_an_avatar_are_made_as_by_the_other_upload(ann: Person) -> None:
    for filetype, size in (("", (640, 480)), ("avatar", (480, 480))):
        path = begun(ann, len(PHOTO), filetype=filetype)
        brought(ann, path, 0, PHOTO)
        file = ann.call("/attach/finish", id=path.rpartition("/")[2])["file"]
        assert (file["mime"], file["width"], file["height"]) == ("image/webp", *size)


def test_what_had_come_when_the_line_broke_is_kept(ann: Person, folder: Path) -> None:
    path = begun(ann, len(DATA))
    lines = (
        *(f"PATCH {path} HTTP/1.1", f"Host: 127.0.0.1:{ann.port}", f"Authorization: Bearer {ann.token}"),
        *("Upload-Offset: 0", "Content-Type: application/offset+octet-stream", f"Content-Length: {len(DATA)}", "\r\n"),
    )
    connection = raw(ann.port, "\r\n".join(lines).encode(), DATA[:500_000])
    until = time.monotonic() + 30
    while not any(file.stat().st_size for file in partial_files(folder)):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert code(brought(ann, path, 0, b"x")) == 40901, "one at a time"
    connection.close()
    while call(ann, "DELETE", begun(ann, 1)).status == 204 and (at := offset(ann, path)) < 262_144:
        assert time.monotonic() < until
    answer = brought(ann, path, at, DATA[at:])
    while answer.status == 409:  # the server has not noticed yet that the line broke
        assert time.monotonic() < until
        at = offset(ann, path)
        answer = brought(ann, path, at, DATA[at:])
    assert answer.status == 204
    stored = ann.call("/attach/finish", id=path.rpartition("/")[2])
    assert fetch(ann, stored["data"]).body == DATA


def test_an_upload_is_its_owners_only(ann: Person, house: House) -> None:
    stranger, path = house.person("Stranger"), begun(ann, 10)
    upload_id = path.rpartition("/")[2]
    assert brought(ann, path, 0, b"12345").status == 204
    for answer in (brought(stranger, path, 5, b"x"), call(stranger, "DELETE", path)):
        assert code(answer) == 40401
    assert call(stranger, "HEAD", path).status == 404
    assert refusal(stranger, "/attach/finish", id=upload_id)[1] == 40401
    assert request(house.port, "HEAD", path).status == 401
    assert code(request(house.port, "POST", "/attach/tus", {"Upload_Length": "5"})) == 40101
    by_cookie = {"Cookie": f"im_session={ann.token}", "Upload_Length": "5", "Origin": "http://evil.example"}
    assert code(request(house.port, "POST", "/attach/tus", by_cookie)) == 40305
    assert offset(ann, path) == 5


@pytest.mark.parametrize("size", ["", "-1", "x", "1e3", "9" * 40, "0", "1.5"])
def test_a_bad_length_is_refused(ann: Person, size: str) -> None:
    assert code(call(ann, "POST", "/attach/tus", Upload_Length=size)) == 40001


@pytest.mark.parametrize("told", ["filename %%%", "filename é", "x" * 5000])
def test_bad_metadata_is_refused(ann: Person, told: str) -> None:
    answer = call(ann, "POST", "/attach/tus", Upload_Metadata=told.encode().decode("latin-1"), Upload_Length=5)
    assert code(answer) == 40001


def test_bad_pieces_change_nothing(ann: Person) -> None:
    path = begun(ann, 10)
    assert code(call(ann, "PATCH", path, b"x", Upload_Offset=0, Content_Type="text/plain")) == 41501
    assert code(call(ann, "PATCH", path, b"x", Content_Type="application/offset+octet-stream")) == 40001
    assert code(brought(ann, path, 5, b"x")) == 40901
    assert code(brought(ann, path, 0, b"x" * 11)) == 41301
    assert offset(ann, path) == 0
    assert refusal(ann, "/attach/finish", id=path.rpartition("/")[2])[1] == 40901
    for unknown in ("0" * 64, "x", "..%2f..", ""):
        assert code(brought(ann, f"/attach/tus/{unknown}", 0, b"x")) == 40401


def test_what_is_spoken_is_told_to_anybody_and_another_version_is_refused(ann: Person, house: House) -> None:
    path = begun(ann, 10)
    for address in ("/attach/tus", path, "/attach/tus/" + "0" * 64):
        told = request(house.port, "OPTIONS", address)
        assert (told.status, told.body) == (204, b"")
        assert (told.headers["Tus-Version"], told.headers["Tus-Resumable"]) == ("1.0.0", None)
        assert told.headers["Tus-Extension"] == "creation,expiration,termination"
        assert told.headers["Tus-Max-Size"] == "3000000"
    kind = {"Upload_Offset": 0, "Content_Type": "application/offset+octet-stream"}
    for method, address, headers in (("POST", "/attach/tus", {"Upload_Length": 5}), ("PATCH", path, kind)):
        refused = call(ann, method, address, b"x" * (method == "PATCH"), Tus_Resumable="0.2.2", **headers)
        assert code(refused) == 41201
        assert refused.headers["Tus-Version"] == "1.0.0"
    assert call(ann, "HEAD", path, Tus_Resumable="2.0.0").status == 412
    assert call(ann, "DELETE", path, Tus_Resumable="2.0.0").status == 412
    assert offset(ann, path) == 0


def test_no_page_of_another_origin_is_let_in(house: House) -> None:
    foreign = {"Origin": "https://evil.example", "Access_Control_Request_Method": "PATCH"}
    for path in ("/attach/tus", "/attach/upload", "/resource/" + "0" * 64):
        answer = request(house.port, "OPTIONS", path, foreign)
        assert not [header for header in answer.headers if header.lower().startswith("access-control-")]


def test_limits_hold_from_the_first_bytes(ann: Person) -> None:
    assert code(call(ann, "POST", "/attach/tus", Upload_Length=3_000_001)) == 41301
    picture = begun(ann, 1_000_001)
    assert code(brought(ann, picture, 0, PHOTO)) == 41301
    page = begun(ann, 100)
    assert code(brought(ann, page, 0, b"<html>")) == 41501
    assert offset(ann, picture) == offset(ann, page) == 0


def test_what_is_announced_counts_in_the_quota_until_it_is_given_up(ann: Person) -> None:
    paths = [begun(ann, 3_000_000), begun(ann, 3_000_000)]
    assert code(call(ann, "POST", "/attach/tus", Upload_Length=2_000_001)) == 42902
    assert call(ann, "DELETE", paths[0]).status == 204
    assert code(call(ann, "DELETE", paths[0])) == 40401
    begun(ann, 2_000_001)


def test_few_unfinished_ones_at_once(ann: Person) -> None:
    for _ in range(20):
        begun(ann, 1)
    answer = call(ann, "POST", "/attach/tus", Upload_Length=1)
    assert (code(answer), answer.headers["Retry-After"]) == (42901, "60")


def test_a_picture_that_is_none_is_refused_at_the_end_and_can_be_given_up(ann: Person, folder: Path) -> None:
    before = len([*folder.glob("resource/??/*")])
    half = pictures.encoded(pictures.grainy(300, 200), "PNG")[:2000]
    path = begun(ann, len(half))
    assert brought(ann, path, 0, half).status == 204
    assert refusal(ann, "/attach/finish", id=path.rpartition("/")[2])[1] == 41501
    assert len([*folder.glob("resource/??/*")]) == before
    assert call(ann, "DELETE", path).status == 204


def test_killed_or_expired_uploads_leave_nothing_for_ever(start_server: StartServer) -> None:
    server = start_server("security.throttle=no", "uploads.unfinished_hours=1")
    ann = Person(server.port, "Ann")
    path = begun(ann, len(DATA))
    assert brought(ann, path, 0, DATA[:300_000]).status == 204
    orphan = server.folder / "resource" / ".resumable" / ("ab" * 32)
    orphan.write_bytes(b"of a row that is gone")
    server.kill()
    server.restart()
    assert not orphan.exists()
    at = offset(ann, path)
    assert at == 300_000
    assert brought(ann, path, at, DATA[at:]).status == 204
    stored = ann.call("/attach/finish", id=path.rpartition("/")[2])
    assert fetch(ann, stored["data"]).body == DATA
    assert not partial_files(server.folder)


def test_an_expired_upload_is_unknown_and_swept(house: House, ann: Person, folder: Path) -> None:
    path = begun(ann, 10)
    assert brought(ann, path, 0, b"12345").status == 204
    house.store.clock.at_least(house.store.clock.now_ms() + 25 * HOUR_MS)
    assert call(ann, "HEAD", path).status == 404
    assert path.rpartition("/")[2] in house.store.partial_uploads.expired(house.store.clock.now_ms())
    begun(ann, 3_000_000)
