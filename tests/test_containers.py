"""Real recordings and videos lose what they tell, and play as before."""

import hashlib
import io
import json
import random
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.audio
import av.container
import av.video
import pytest

from imtornado import containers
from imtornado.ogg import checksum
from imtornado.tracks import Tracks
from tests import media
from tests.fixtures.services import require
from tests.recordings import RECIPES, SECRETS, SIZE, recording

MIMES = {"ogg": "audio/ogg", "mkv": "video/webm", "mp4": "video/mp4", "mov": "video/quicktime", "m4a": "audio/mp4"}


def cleaned(data: bytes) -> tuple[Tracks | None, bytes]:
    file = io.BytesIO(data)
    return containers.clean(file), file.getvalue()


class Played(NamedTuple):
    """What a strict player makes of a file: frames as (kind, time, digest of the samples), and what it says."""

    frames: list[tuple[str, int | None, str]]
    kinds: list[str]
    told: list[dict[str, str]]
    chapters: int


def played(data: bytes) -> Played:
    """Raises where anything at all is wrong with the file."""
    frames = []
    with av.open(io.BytesIO(data), options={"err_detect": "explode+crccheck"}) as file:
        assert isinstance(file, av.container.InputContainer)
        for frame in file.decode(*file.streams.video, *file.streams.audio):
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            digest = hashlib.sha256(b"".join(bytes(plane) for plane in frame.planes)).hexdigest()
            frames.append((type(frame).__name__, frame.pts, digest))
        told = [dict(file.metadata), *(dict(stream.metadata) for stream in file.streams)]
        return Played(frames, [stream.type for stream in file.streams], told, len(file.chapters()))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recording_plays_as_before_and_tells_nothing(name: str) -> None:
    sent = recording(name)
    assert any(secret in sent for secret in SECRETS), "the test's own file tells nothing"
    tracks, kept = cleaned(sent)
    assert tracks is not None
    recipe = RECIPES[name]
    assert tracks.mime == MIMES.get(name[-3:], "video/webm" if recipe.picture else "audio/webm")
    assert (tracks.width, tracks.height) == (SIZE if recipe.picture else (0, 0))
    assert abs(tracks.duration_ms - 1000) < 100 or (name, tracks.duration_ms) in (("live.webm", 0), ("pieces.mp4", 0))
    assert not [secret for secret in SECRETS if secret in kept]
    before, after = played(sent), played(kept)
    assert len(after.frames) > 40
    assert after.frames == before.frames
    assert set(after.kinds) <= {"video", "audio"}
    assert after.chapters == 0
    # brands and the like tell what is needed to play it
    technical = {"major_brand", "minor_version", "compatible_brands", "language", "encoder", "vendor_id", "DURATION"}
    for told in after.told:
        assert set(told) <= technical
        assert set(told.get("encoder", "").strip()) == set()


def test_exiftool_finds_nobody_in_them(tmp_path: Path) -> None:
    exiftool = require("exiftool", "reads metadata that players do not know")
    for name in RECIPES:
        (tmp_path / f"sent-{name}").write_bytes(recording(name))
        (tmp_path / f"kept-{name}").write_bytes(cleaned(recording(name))[1])
    command = [exiftool, "-j", "-ee", "-G0", "-a", "-u", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, timeout=100, check=True)
    telling: dict[str, list[Any]] = {}
    for file in json.loads(run.stdout):
        found = [
            (key, value)
            for key, value in file.items()
            if key.partition(":")[0] not in ("SourceFile", "ExifTool", "File") and _tells(key, str(value))
        ]
        telling[Path(file["SourceFile"]).name] = found
    assert len(telling) == 2 * len(RECIPES)
    assert all(found for name, found in telling.items() if name.startswith("sent")), telling
    assert not {name: found for name, found in telling.items() if found and name.startswith("kept")}


def _tells(key: str, value: str) -> bool:
    """True for a tag with something in it that is not about sound and pictures."""
    tag = key.partition(":")[2]
    if tag == "MajorBrand":  # exiftool's own words: "Apple QuickTime"
        return False
    named = (
        "App",
        "Title",
        "Comment",
        "Vendor",
        "Artist",
        "Name",
        "Date",
        "GPS",
        "Location",
        "Encoder",
        "Tag",
        "Attach",
    )
    personal = any(word in tag for word in (*named, "Chapter", "Make", "Model", "Text", "Author"))
    empty = value.strip(" .0:\0") == ""
    return (personal and not empty) or any(secret.decode() in value for secret in SECRETS)


def test_pages_of_ogg_keep_their_checksums() -> None:
    for name in ("opus.ogg", "vorbis.ogg"):
        for data in (recording(name), cleaned(recording(name))[1]):
            at, pages = 0, 0
            while at < len(data):
                segments = data[at + 26]
                end = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
                page = bytearray(data[at:end])
                (said,) = struct.unpack_from("<I", page, 22)
                page[22:26] = bytes(4)
                assert checksum(page) == said
                at, pages = end, pages + 1
            assert pages > 4


@pytest.mark.parametrize("name", RECIPES)
def test_what_follows_the_end_is_cut_off_and_a_second_time_changes_nothing(name: str) -> None:
    _, kept = cleaned(recording(name))
    assert cleaned(kept)[1] == kept
    junk = b"TAG" + b"GPS 31.2304N" * 10
    if name == "live.webm":
        return  # has no end
    assert cleaned(recording(name) + junk)[1] == kept


@pytest.mark.parametrize("name", RECIPES)
def test_damaged_ones_are_none_or_still_recordings(name: str) -> None:
    sent, chance = recording(name), random.Random(name)
    for _ in range(60):
        at = chance.randrange(4, min(len(sent), 6000))
        wild = chance.randbytes(chance.randrange(1, 12))
        for broken in (sent[:at] + wild + sent[at + len(wild) :], sent[: chance.randrange(len(sent))]):
            tracks, _ = cleaned(broken)
            assert tracks is None or tracks.mime.partition("/")[0] in ("audio", "video")


def test_a_truncated_recording_plays_as_far_as_it_goes() -> None:
    for name in ("live.webm", "opus.ogg", "tags.mp4"):
        sent = recording(name)
        tracks, kept = cleaned(sent[: len(sent) - 1500])
        assert tracks is not None, name
        assert not [secret for secret in SECRETS if secret in kept]


def test_many_small_parts_are_refused_before_they_cost_much() -> None:
    page = b"OggS" + struct.pack("<BBqIIIB", 0, 0, 0, 7, 0, 0, 0)
    assert cleaned(media.ogg() + page * 200_001)[0] is None
    assert cleaned(media.webm()[:-5] + b"\xec\x80" * 1_000_001)[0] is None
    assert cleaned(media.mp4() + struct.pack(">I4s", 8, b"free") * 200_001)[0] is None


@pytest.mark.parametrize("name", ["vorbis.ogg", "live.webm", "h264.mp4"])
def test_a_large_one_takes_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(_enlarged(name))
    with path.open("r+b") as file:
        tracemalloc.start()
        try:
            assert containers.clean(file) is not None
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert most < 2_000_000
    data = path.read_bytes()
    assert not [secret for secret in SECRETS if secret in data]


def _enlarged(name: str) -> bytes:
    """More of the same behind it, to 20 MB and more."""
    data = recording(name)
    if name == "live.webm":
        block = b"\xa3\x42\x00" + b"\x81\0\0\x80" + bytes(508)
        return data + block * (20_000_000 // len(block)) + b"\x12\x54\xc3\x67\x8c" + b"GPS 31.2304N"
    if name == "h264.mp4":
        return data + struct.pack(">I4s", 20_000_008, b"uuid") + b"GPS 31.2304N" * 1_666_667
    page = bytearray(data[data.rindex(b"OggS") :])
    page[5] = 0
    return data + bytes(page) * (20_000_000 // len(page))
