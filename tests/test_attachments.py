"""What is kept of files of any kind: kinds by their bytes, recordings and videos without what they tell."""

import hashlib
import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from imtornado.attachments import SQUARE, convert
from imtornado.errors import UnsupportedKind
from imtornado.file_records import Content
from imtornado.kinds import FileKind, kind_of
from tests import media, pictures
from tests.fixtures.services import require

Converter = Callable[..., tuple[Content, bytes]]


@pytest.fixture
def converted(tmp_path: Path) -> Converter:
    def converted(data: bytes, form: str = "") -> tuple[Content, bytes]:
        source, result = tmp_path / "source", tmp_path / "result"
        source.write_bytes(data)
        result.unlink(missing_ok=True)
        content = convert(str(source), str(result), str(tmp_path / "thumb"), 25_000_000, form)
        assert source.read_bytes() == data, "what was sent is left as it is"
        assert content.result_sha256 == hashlib.sha256(result.read_bytes()).hexdigest()
        return content, result.read_bytes()

    return converted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (media.ogg(2500), ("audio/ogg", 2500, 0, 0)),
        (media.webm(), ("audio/webm", 0, 0, 0)),
        (media.webm(duration_ms=1234), ("audio/webm", 1234, 0, 0)),
        (media.webm(video=True), ("video/webm", 0, 640, 480)),
        (media.webm(video=True, duration_ms=99_000, doc_type=b"matroska"), ("video/webm", 99_000, 640, 480)),
        (media.mp4(), ("video/mp4", 4200, 1280, 720)),
        (media.mp4(front=True, brand=b"mp42"), ("video/mp4", 4200, 1280, 720)),
        (media.mp4(brand=b"qt  "), ("video/quicktime", 4200, 1280, 720)),
        (media.mp4(video=False, brand=b"M4A "), ("audio/mp4", 4200, 0, 0)),
    ],
)
def test_recordings_and_videos_are_known_by_what_is_in_them(
    converted: Converter, data: bytes, wanted: tuple[str, int, int, int]
) -> None:
    content, kept = converted(data)
    assert (content.mime, content.duration_ms, content.width, content.height) == wanted
    assert len(kept) == len(data)
    assert not content.has_thumb


@pytest.mark.parametrize("front", [True, False])
def test_a_video_does_not_tell_where_it_was_taken(converted: Converter, front: bool) -> None:
    sent = media.mp4(front=front)
    _, kept = converted(sent)
    for told in (media.PLACE, b"iPhone of Li Si", b"Owner: Zhang San", b"ns.adobe.com"):
        assert told in sent
        assert told not in kept
    silent = media.mp4(front=front, telling=False)
    assert converted(silent)[1] == silent
    assert bytes(range(256)) * 4 in kept


PLAIN = {
    "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "text": b"just a text with <script>alert(1)</script> further down",
    "one byte": b"x",
    "an ogg that is no opus": media.ogg(codec=b"Speexxxx"),
    "a webm of another kind": media.webm(doc_type=b"mka4"),
    "an mp4 without an index": media.mp4()[:900],
    "an mp4 of nothing": b"\0\0\0\x14ftypisom\0\0\0\0isom",
    "a heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
}


@pytest.mark.parametrize("name", PLAIN)
def test_anything_else_is_kept_as_bytes_without_a_meaning(converted: Converter, name: str) -> None:
    content, kept = converted(PLAIN[name])
    assert (content.mime, content.duration_ms, content.width) == ("application/octet-stream", 0, 0)
    assert kept == PLAIN[name]


HEIF_BRANDS = (b"heic", b"mif1", b"heix", b"msf1")


@pytest.mark.parametrize("brand", HEIF_BRANDS)
def test_a_heic_stays_as_it_is_but_for_what_it_tells(converted: Converter, tmp_path: Path, brand: bytes) -> None:
    exiftool = require("exiftool", "reads the metadata of HEIC")
    # AVIF is the same container, and Pillow writes it
    picture = pictures.phone_file("AVIF", 6)
    sent = picture[:8] + brand + picture[12:]
    content, kept = converted(sent)
    assert content.mime == "application/octet-stream"
    assert len(kept) == len(sent)
    assert [marker for marker in pictures.MARKERS if marker in sent]
    assert not [marker for marker in pictures.MARKERS if marker in kept]
    (tmp_path / "sent.heic").write_bytes(sent)
    (tmp_path / "kept.heic").write_bytes(kept)
    told = [
        subprocess.run([exiftool, "-G0", "-a", tmp_path / name], capture_output=True, check=False, timeout=100).stdout
        for name in ("sent.heic", "kept.heic")
    ]
    assert b"[EXIF]" in told[0]
    assert b"[XMP]" in told[0]
    assert b"[EXIF]" not in told[1]
    assert b"[XMP]" not in told[1]
    with Image.open(io.BytesIO(picture)) as before, Image.open(io.BytesIO(kept[:8] + b"avif" + kept[12:])) as after:
        assert before.tobytes() == after.tobytes()


def test_a_heic_that_cannot_be_read_is_refused(converted: Converter) -> None:
    sent = pictures.phone_file("AVIF", 1).replace(b"ftypavif", b"ftypheic", 1)
    refused = 0
    for place in range(30, 600, 3):
        broken = sent[:place] + b"\xff\xff\xff" + sent[place + 3 :]
        try:
            assert len(converted(broken)[1]) == len(broken)
        except UnsupportedKind:
            refused += 1
    assert refused > 10
    with pytest.raises(UnsupportedKind):
        converted(sent[:300])


@pytest.mark.parametrize(
    "text",
    [
        *("<svg/>", "<!DOCTYPE html>", "<html>", " \n\t<script>", "<?xml version='1.0'?>", "<!-- -->", "</a>"),
        *("\ufeff<svg/>", "\0\0<b>", "<A HREF=x>"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_markup_is_refused_whatever_it_is_written_in(converted: Converter, text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert kind_of(data) is FileKind.MARKUP
    with pytest.raises(UnsupportedKind):
        converted(data)


@pytest.mark.parametrize(
    "data", [media.ogg(), media.webm(video=True, duration_ms=5), media.mp4(), media.mp4(front=True)]
)
def test_damaged_recordings_end_quickly_and_in_words(converted: Converter, data: bytes) -> None:
    for place in range(0, min(len(data), 900), 7):
        for broken in (data[:place], data[:place] + b"\xff" * 9 + data[place + 9 :], data[:place] + os.urandom(40)):
            try:
                content, _ = converted(broken)
            except UnsupportedKind:
                continue
            assert content.mime.partition("/")[0] in ("audio", "video", "application")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_an_avatar_is_a_square_in_two_sizes(converted: Converter, tmp_path: Path, kind: str) -> None:
    sent = pictures.gif(3, (900, 700)) if kind == "GIF" else pictures.phone_file(kind, 6)
    content, kept = converted(sent, SQUARE)
    side = 512 if kind == "GIF" else 240  # never enlarged
    assert (content.mime, content.width, content.height) == ("image/webp", side, side)
    with Image.open(tmp_path / "thumb") as small:
        assert (small.format, small.size) == ("WEBP", (128, 128))
    assert not [marker for marker in pictures.MARKERS if marker in kept]


@pytest.mark.parametrize("data", [media.mp4(), PLAIN["pdf"], b"<svg/>"])
def test_an_avatar_is_a_picture(converted: Converter, data: bytes) -> None:
    with pytest.raises(UnsupportedKind):
        converted(data, SQUARE)
