"""`imtornado copy-files` and `imtornado gc`, as operators run them beside a server's data."""

import os
import time
from pathlib import Path

import pytest

from tests import pictures
from tests.fixtures.s3 import S3Server
from tests.fixtures.server import StartServer
from tests.handlers.uploading import fetch, form, post_file, upload
from tests.people import Person
from tests.test_cli import run

PICTURES = [pictures.encoded(pictures.quarters(side, 40), "PNG") for side in (50, 60, 70)]
PDF = b"%PDF-1.7 " + bytes(3_000_000)


def command(folder: Path, *arguments: str) -> "tuple[int, str, str]":
    settings = (f"storage.url=sqlite:///{folder}/im.db", f"uploads.folder={folder}/resource")
    done = run(folder, *arguments, *(part for setting in settings for part in ("--set", setting)))
    return done.returncode, done.stdout, done.stderr


def options(server: S3Server, prefix: str) -> list[str]:
    return [part for setting in server.settings(prefix) for part in ("--set", setting)]


def test_files_move_to_a_bucket_and_back_and_every_one_is_compared(
    start_server: StartServer, s3_server: S3Server, tmp_path: Path
) -> None:
    server = start_server("security.throttle=no")
    ann = Person(server.port, "Ann")
    urls = [upload(ann, data)["data"] for data in PICTURES]
    urls.append(post_file(ann, form(PDF, file_name="a.pdf")).envelope["data"])
    before = [fetch(ann, url).body for url in urls]
    server.stop()
    source, bucket = str(server.folder / "resource"), "s3://files/moved"
    extra = options(s3_server, "moved")
    status, told, progress = command(server.folder, "copy-files", source, bucket, *extra)
    assert (status, told.split(" files")[0]) == (0, "7"), progress
    assert "4 of 4 files" in progress
    assert command(server.folder, "copy-files", source, bucket, *extra)[1].startswith("0 files copied, 2.9 MB compared")
    back = tmp_path / "back"
    assert command(server.folder, "copy-files", bucket, str(back), *extra)[0] == 0
    copies = {file.name: file.read_bytes() for file in back.glob("??/*")}
    assert copies == {file.name: file.read_bytes() for file in (server.folder / "resource").glob("??/*")}
    assert not list(back.glob(".*"))
    server.settings = (*server.settings, *s3_server.settings("moved"))
    server.restart()
    assert [fetch(ann, url).body for url in urls] == before


def test_a_damaged_copy_is_made_again_and_a_missing_file_is_named(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("security.throttle=no")
    ann = Person(server.port, "Ann")
    names = [upload(ann, data)["data"].removeprefix("/resource/") for data in PICTURES]
    server.stop()
    source, target = server.folder / "resource", tmp_path / "copy"
    assert command(server.folder, "copy-files", str(source), str(target))[0] == 0
    copy = target / names[0][:2] / names[0]
    whole = copy.read_bytes()
    copy.write_bytes(whole[:-1] + b"?")
    (target / names[1][:2] / names[1]).write_bytes(b"short")
    status, told, _ = command(server.folder, "copy-files", str(source), str(target))
    assert (status, told.split()[0], copy.read_bytes() == whole) == (0, "2", True)
    (source / names[2][:2] / names[2]).unlink()
    status, _, complaint = command(server.folder, "copy-files", str(source), str(target))
    assert (status, names[2] in complaint, "1 files" in complaint) == (1, True, True)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("copy-files",), 2),
        (("copy-files", "only-one"), 2),
        (("copy-files", "no-such-folder", "there"), 1),
        (("copy-files", "s3://b", "there"), 2),
        (("gc", "--older-than", "0"), 2),
        (("gc", "--older-than", "x"), 2),
    ],
)
def test_a_wrong_command_is_explained_and_nothing_is_touched(
    tmp_path: Path, arguments: tuple[str, ...], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    code, told, complaint = command(tmp_path, *arguments)
    assert (code, told) == (status, "")
    assert complaint
    assert "Traceback" not in complaint
    assert not list(tmp_path.iterdir())


def test_gc_removes_what_nobody_needs(start_server: StartServer) -> None:
    server = start_server("security.throttle=no")
    ann = Person(server.port, "Ann")
    used, unused = (upload(ann, data)["data"] for data in PICTURES[:2])
    ann.call("/user/update", avatar=used)
    folder = server.folder / "resource"
    orphan = folder / "aa" / ("aa" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left by a crash")
    assert command(server.folder, "gc")[1].startswith("0 uploads that nothing used removed, and 0 files")
    yesterday = time.time() - 90_000
    os.utime(orphan, (yesterday, yesterday))
    told = command(server.folder, "gc")[1]
    assert told == "0 uploads that nothing used removed, and 1 files that no upload knew\n"
    assert not orphan.exists()
    assert (fetch(ann, used).status, fetch(ann, unused).status) == (200, 200)
