"""How much of which kind is taken, what becomes of a file when nothing uses it any more, and what travels with it."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado.services.blob_places import open_blobs
from imtornado.services.clean_up import CleanUp
from tests import media, pictures
from tests.handlers.house import House, create, open_house
from tests.handlers.uploading import Answer, fetch, form, post_file, upload
from tests.people import Person

HOUR_MS = 3_600_000
LIMITS = {"max_bytes": 50_000, "max_voice_bytes": 30_000, "max_video_bytes": 40_000, "max_file_bytes": 20_000}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    limits = (f"uploads.{key}={value}" for key, value in LIMITS.items())
    with open_house(
        tmp_path_factory.mktemp("house"),
        "contacts.confirm=no",
        "uploads.user_files=5",
        "messages.recall_s=999999",
        *limits,
    ) as opened:
        yield opened


def padded(data: bytes, size: int) -> bytes:
    """The same to whoever reads it, in so many bytes."""
    return data + struct.pack(">I4s", size - len(data), b"free") + bytes(size - len(data) - 8)


def sent(person: Person, data: bytes, **headers: str) -> Answer:
    return post_file(person, form(data, file_name="a.bin"), **headers)


KINDS = {
    "max_bytes": pictures.phone_file("JPEG", 1),
    "max_voice_bytes": media.mp4(video=False, brand=b"M4A "),
    "max_video_bytes": media.mp4(),
    "max_file_bytes": b"%PDF-1.7",
}


@pytest.mark.parametrize("key", KINDS)
def test_each_kind_has_its_own_limit(ann: Person, key: str) -> None:
    limit = LIMITS[key]
    assert sent(ann, padded(KINDS[key], limit)).code == 0
    over = sent(ann, padded(KINDS[key], limit + 1))
    assert (over.status, over.code, over.envelope["data"]) == (413, 41301, {"field": "file"})
    assert "MB" in over.envelope["msg"]


def test_a_recording_above_its_limit_is_an_attachment_up_to_the_limit_of_those(tmp_path: Path) -> None:
    with open_house(tmp_path, "uploads.max_voice_bytes=5000", "uploads.max_file_bytes=9000") as house:
        ann = house.person("Ann")
        song = KINDS["max_voice_bytes"]
        voice, file = (upload(ann, padded(song, size))["file"] for size in (5000, 5001))
        assert (voice["mime"], voice["duration"]) == ("audio/mp4", 4200)
        assert (file["mime"], file["duration"]) == ("application/octet-stream", 0)
        stored = upload(ann, padded(song, 9000))["data"]
        assert media.PLACE not in fetch(ann, stored).body  # an attachment, but not one that tells where it was made
        assert sent(ann, padded(song, 9001)).code == 41301


@pytest.mark.parametrize("key", [key for key in KINDS if key != "max_bytes"])
def test_a_kind_that_is_not_taken_is_refused(tmp_path: Path, key: str) -> None:
    with open_house(tmp_path, f"uploads.{key}=0") as house:
        ann = house.person("Ann")
        refused = sent(ann, KINDS[key])
        assert (refused.status, refused.code) == (415, 41501)
        others = [sent(ann, data).code for name, data in KINDS.items() if name != key]
        assert others == [0] * 3
        assert not [file for file in (tmp_path / "resource" / ".incoming").rglob("*") if file.is_file()]


def test_so_many_files_a_day_and_the_next_day_again(house: House, ann: Person) -> None:
    for number in range(5):
        assert sent(ann, b"file %d of %d" % (number, ann.user_id)).code == 0
    refused = sent(ann, b"one more", Accept_Language="zh-CN")
    assert (refused.status, refused.code) == (429, 42902)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in refused.envelope["msg"])
    assert sent(house.person("Bob"), b"one more").code == 0
    house.store.clock.at_least(house.store.clock.now_ms() + 25 * HOUR_MS)
    assert sent(ann, b"one more").code == 0


def test_a_recalled_file_goes_with_its_last_use(house: House, ann: Person) -> None:
    bob = house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    room = create(ann, bob)
    file = upload(ann, b"%PDF-1.7 " + str(ann.user_id).encode())
    seqs = {
        (kind, dstid): ann.data("/message/send", **ann.message(dstid, "", kind, media=10, url=file["data"]))["seq"]
        for kind, dstid in ((10, bob.user_id), (11, room))
    }
    name = file["data"].removeprefix("/resource/")
    blobs = open_blobs(house.uploads)
    clean_up = CleanUp(house.store, house.store.clock, blobs)
    for (kind, dstid), seq in seqs.items():
        house.store.clock.at_least(house.store.clock.now_ms() + 25 * HOUR_MS)
        clean_up.collect()
        assert blobs.size_bytes(name) is not None
        assert fetch(bob, file["data"]).status == 200
        ann.call("/message/recall", kind=kind, dstid=dstid, seq=seq)
    assert fetch(bob, file["data"]).status == 404
    clean_up.collect()
    assert blobs.size_bytes(name) is None
    assert fetch(ann, file["data"]).status == 404


def test_what_a_reader_needs_before_the_picture_travels_in_the_message(ann: Person, house: House) -> None:
    bob = house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    socket = bob.connect()
    answer = upload(ann, pictures.phone_file("JPEG", 3))
    fields = {"media": 4, "url": answer["data"], "pic": answer["thumb"], "file": answer["file"]}
    ann.call("/message/send", **ann.message(bob.user_id, "") | fields)
    (row,) = bob.rows("/message/history", kind=10, dstid=ann.user_id, limit=10)
    for message in (socket.until(cmd=10), row):
        assert message["file"]["placeholder"] == answer["file"]["placeholder"]
        assert len(message["file"]["placeholder"]) <= len("data:image/webp;base64,") + 136  # 100 bytes in base64
        assert (message["file"]["width"], message["file"]["height"]) == (400, 240)
        assert message["pic"] == answer["thumb"]
    socket.close()
