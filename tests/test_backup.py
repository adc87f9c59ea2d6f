"""`imtornado backup` and `restore`, as an operator uses them beside a server and after its loss."""

import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from imtornado.commands.command import Refusal
from imtornado.commands.manifest import check
from tests import pictures
from tests.fixtures.s3 import S3Server
from tests.fixtures.server import ROOT, Server, StartServer
from tests.handlers.uploading import fetch, form, post_file, upload
from tests.people import Failure, Person
from tests.storage.whole import contents, epochs
from tests.test_cli import run

SINGLE = 10
PDF = b"%PDF-1.7 " + bytes(300_000)


class House(NamedTuple):
    """A server in use: somebody there, her friend, and addresses of her files."""

    server: Server
    ann: Person
    bea: Person
    files: list[str]

    def command(self, *arguments: str, folder: Path | None = None, url: str = "") -> "subprocess.CompletedProcess[str]":
        """With the settings of the server, or those of another folder."""
        place = folder or self.server.folder
        url = url or (f"sqlite:///{folder}/im.db" if folder else self.server.storage_url)
        return run(place, *arguments, IMTORNADO_STORAGE_URL=url, IMTORNADO_UPLOADS_FOLDER=f"{place}/resource")

    def say(self, text: str) -> None:
        self.ann.call("/message/send", cmd=SINGLE, dstid=self.bea.user_id, media=1, content=text, cid=text)

    def heard(self) -> list[str]:
        return [
            row["content"] for row in self.bea.call("/message/history", kind=SINGLE, dstid=self.ann.user_id)["rows"]
        ]


@pytest.fixture
def house(start_server: StartServer) -> House:
    return _house(start_server)


def _house(start_server: StartServer, *settings: str) -> House:
    server = start_server("security.throttle=no", "contacts.confirm=no", *settings)
    ann, bea = Person(server.port, "Ann"), Person(server.port, "Bea")
    ann.call("/contact/addfriend", dstid=bea.user_id)
    files = [upload(ann, pictures.encoded(pictures.quarters(60, 60), "PNG"))["data"]]
    files.append(post_file(ann, form(PDF, file_name="a.pdf")).envelope["data"])
    house = House(server, ann, bea, files)
    for number in range(20):
        house.say(f"text {number}")
    return house


def backed_up(house: House, name: str = "b.tar", *options: str) -> Path:
    archive = house.server.folder / name
    done = house.command("backup", str(archive), *options)
    assert done.returncode == 0, done.stderr
    return archive


def restored(house: House, archive: Path, folder: Path, *options: str) -> None:
    done = house.command("restore", str(archive), *options, folder=folder)
    assert done.returncode == 0, done.stderr


def move(server: Server, folder: Path) -> None:
    """The server starts on what was restored there."""
    if server.is_running():
        server.stop()
    server.storage_url = f"sqlite:///{folder}/im.db"
    server.settings = (*server.settings, f"uploads.folder={folder}/resource")
    server.restart()


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_what_was_there_is_there_again(house: House, tmp_path: Path, name: str) -> None:
    archive = backed_up(house, name)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert [path for path in house.server.folder.iterdir() if "partial" in path.name] == []
    before = {url: fetch(house.ann, url).body for url in house.files}
    house.say("after the backup")
    restored(house, archive, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"im.db", "im.db.serving", "resource"}
    assert not [path for path in (tmp_path / "resource").iterdir() if path.name.startswith(".")]
    move(house.server, tmp_path)
    assert house.heard() == [f"text {number}" for number in range(20)]
    assert {url: fetch(house.ann, url).body for url in house.files} == before


def test_any_tar_program_unpacks_it(house: House, tmp_path: Path) -> None:
    archive = backed_up(house)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tmp_path)], check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "manifest.json.sha256"], cwd=tmp_path, check=True)
    assert contents(f"sqlite:///{tmp_path}/im.db")["message"].rows == 20
    assert len(list((tmp_path / "files").iterdir())) == 3


def test_the_database_is_another_one_and_the_sessions_are_the_same(house: House, tmp_path: Path) -> None:
    archive = backed_up(house)
    old = epochs(house.server.storage_url)
    house.say("lost")
    restored(house, archive, tmp_path)
    assert epochs(f"sqlite:///{tmp_path}/im.db") != old
    move(house.server, tmp_path)
    # A client that kept its place from before is beyond the end: only the epoch of HELLO tells it to begin anew.
    page = house.bea.call("/message/history", kind=SINGLE, dstid=house.ann.user_id, after=21)
    assert (page["rows"], page["last"]) == ([], 20)
    house.say("said anew")
    page = house.bea.call("/message/history", kind=SINGLE, dstid=house.ann.user_id, after=20)
    assert [(row["seq"], row["content"]) for row in page["rows"]] == [(21, "said anew")]


def test_everybody_logs_in_again_where_that_is_wanted(house: House, tmp_path: Path) -> None:
    restored(house, backed_up(house), tmp_path, "--end-sessions")
    move(house.server, tmp_path)
    with pytest.raises(Failure) as refused:
        house.ann.call("/user/me")
    assert refused.value.code == 40101


def test_a_restore_overwrites_nothing_unless_told(house: House, tmp_path: Path) -> None:
    archive = backed_up(house)
    house.server.stop()
    refused = house.command("restore", str(archive))
    assert (refused.returncode, "has data already" in refused.stderr) == (1, True), refused.stderr
    (tmp_path / "resource").mkdir()
    (tmp_path / "resource" / ("a" * 64)).write_bytes(b"a file of another database")
    refused = house.command("restore", str(archive), folder=tmp_path)
    assert (refused.returncode, "uploaded files already" in refused.stderr) == (1, True), refused.stderr
    before = contents(house.server.storage_url)
    replaced = house.command("restore", str(archive), "--replace")
    assert replaced.returncode == 0, replaced.stderr
    (old,) = house.server.folder.glob("im.db.replaced-*")
    assert contents(f"sqlite:///{old}") == before
    house.server.restart()
    assert len(house.heard()) == 20


def test_a_server_that_runs_is_not_restored_into(house: House) -> None:
    archive = backed_up(house)
    refused = house.command("restore", str(archive), "--replace")
    assert (refused.returncode, "in use by a server" in refused.stderr) == (1, True), refused.stderr


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_damage_of_any_byte_is_found(house: House, tmp_path: Path, name: str) -> None:
    archive = backed_up(house, name)
    whole = archive.read_bytes()
    dice = random.Random(7)
    places = [dice.randrange(10, len(whole)) for _ in range(12)]
    if name == "b.tar":
        places += [0, 100, 150, 512, 600, len(whole) - 1, len(whole) - 1024, len(whole) - 1400]
    check(archive, lambda _read, _name: None)
    for place in places:
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << dice.randrange(8)]) + whole[place + 1 :])
        with pytest.raises(Refusal, match="damaged"):
            check(archive, lambda _read, _name: None)
    for size in (0, 100, 512, len(whole) // 2, len(whole) - 1, len(whole) - 600):
        archive.write_bytes(whole[:size])
        with pytest.raises(Refusal, match="damaged"):
            check(archive, lambda _read, _name: None)
    archive.write_bytes(whole[: len(whole) // 2])
    refused = house.command("restore", str(archive), folder=tmp_path)
    assert (refused.returncode, "is damaged or no backup" in refused.stderr) == (1, True), refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_restore_that_was_interrupted_begins_anew(house: House, tmp_path: Path) -> None:
    """Killed when the files are there and the database is not."""
    archive = backed_up(house)
    program = (
        "import os, signal, sys\nimport imtornado.commands.restore as restore\n"
        "restore.put_in_place = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from imtornado.cli import main\nsys.exit(main())\n"
    )
    settings = (f"storage.url=sqlite:///{tmp_path}/im.db", f"uploads.folder={tmp_path}/resource")
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-c", program, "restore", str(archive), *options]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -9
    restored(house, archive, tmp_path)
    assert len(list((tmp_path / "resource").glob("??/*"))) == 3
    assert not list(tmp_path.glob(".restoring*")) + list((tmp_path / "resource").glob(".restoring*"))
    move(house.server, tmp_path)
    assert len(house.heard()) == 20


def test_a_full_disk_leaves_no_archive(house: House, tmp_path: Path) -> None:
    for blocks in (100, 900):  # of 512 bytes: in the copy of the database, and in the archive
        settings = (f"storage.url={house.server.storage_url}", f"uploads.folder={house.server.folder}/resource")
        options = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "imtornado", "backup", str(tmp_path / "b.tar"), *options]
        full = subprocess.run(
            ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert full.returncode == 1, full.stderr
        # The limit is the process's: it may stop what is written to the database itself, where its log has grown.
        assert re.search("the backup could not be written|the database cannot be used now", full.stderr), full.stderr
        assert "Traceback" not in full.stderr
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("blocks", [100, 500])  # of 512 bytes: in the database, and in a file of 300 kB
def test_a_restore_onto_a_full_disk_can_be_done_again(house: House, tmp_path: Path, blocks: int) -> None:
    archive = backed_up(house)
    settings = (f"storage.url=sqlite:///{tmp_path}/im.db", f"uploads.folder={tmp_path}/resource")
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "imtornado", "restore", str(archive), *options]
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command]
    full = subprocess.run(limited, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert full.returncode == 1, full.stderr
    assert "Traceback" not in full.stderr
    with closing(sqlite3.connect(tmp_path / "im.db")) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    restored(house, archive, tmp_path)
    assert contents(f"sqlite:///{tmp_path}/im.db")["message"].rows == 20


def test_a_folder_that_cannot_be_made_is_said(house: House, tmp_path: Path) -> None:
    archive = backed_up(house)
    (tmp_path / "resource").write_text("a file")
    refused = house.command("restore", str(archive), folder=tmp_path)
    assert (refused.returncode, "the restore stopped: " in refused.stderr) == (1, True), refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("backup", "b.zip"), "ends with .tar"),
        (("backup", "none/b.tar"), "no folder none"),
        (("backup", "there.tar"), "overwrites nothing"),
        (("restore", "none.tar"), "No such file"),
        (("restore", "--check", "there.tar"), "is damaged or no backup"),
        (("restore", "--check", "."), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    run(tmp_path, "migrate")
    (tmp_path / "there.tar").write_bytes(b"no backup" * 1000)
    refused = run(tmp_path, *arguments)
    assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_backup_of_no_database_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path, "backup", "b.tar")
    assert (refused.returncode, "there is no database" in refused.stderr) == (1, True), refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_damaged_is_not_backed_up(house: House) -> None:
    house.server.stop()
    path = house.server.folder / "im.db"
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'message'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    refused = house.command("backup", str(house.server.folder / "b.tar"))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not list(house.server.folder.glob("b.tar*"))


def test_files_that_are_missing_are_named_and_the_rest_is_saved(house: House) -> None:
    name = house.files[1].rpartition("/")[2]
    (house.server.folder / "resource" / name[:2] / name).unlink()
    done = house.command("backup", str(house.server.folder / "b.tar"))
    assert (done.returncode, name in done.stderr, "20 messages, 2 files" in done.stdout) == (1, True, True), done.stderr
    assert house.command("restore", "--check", str(house.server.folder / "b.tar")).returncode == 0


def test_files_in_s3_are_listed_or_taken_along(start_server: StartServer, s3_server: S3Server, tmp_path: Path) -> None:
    house = _house(start_server, *s3_server.settings("backup"))
    extra = [part for setting in s3_server.settings("backup") for part in ("--set", setting)]
    listed = house.command("backup", str(house.server.folder / "l.tar"), *extra)
    assert (listed.returncode, "3 files are listed and not in it" in listed.stdout) == (0, True), listed.stderr
    whole = house.command("backup", str(house.server.folder / "w.tar"), "--files", "yes", *extra)
    assert (whole.returncode, "20 messages, 3 files" in whole.stdout) == (0, True), whole.stderr
    restored(house, house.server.folder / "w.tar", tmp_path)  # into a folder
    assert len(list((tmp_path / "resource").glob("??/*"))) == 3
    other = tmp_path / "other"
    other.mkdir()
    told = house.command("restore", str(house.server.folder / "l.tar"), folder=other)
    assert "3 of them are not in the storage either" in told.stdout


def test_a_backup_of_either_database_is_restored_into_the_other(house: House, mysql_url: str, tmp_path: Path) -> None:
    first = backed_up(house)
    into = house.command("restore", str(first), folder=tmp_path, url=mysql_url)
    assert into.returncode == 0, into.stderr
    assert contents(mysql_url)["message"] == contents(house.server.storage_url)["message"]
    again = house.command("restore", str(first), folder=tmp_path, url=mysql_url)
    assert (again.returncode, "has data already" in again.stderr) == (1, True), again.stderr
    second = tmp_path / "second.tar"
    saved = house.command("backup", str(second), folder=tmp_path, url=mysql_url)
    assert saved.returncode == 0, saved.stderr
    back = tmp_path / "back"
    back.mkdir()
    restored(house, second, back)
    there, here = contents(mysql_url), contents(f"sqlite:///{back}/im.db")
    assert {name: there[name] for name in there if name != "meta"} == {
        name: here[name] for name in here if name != "meta"
    }
    replaced = house.command("restore", str(first), "--replace", folder=tmp_path, url=mysql_url)
    assert replaced.returncode == 0, replaced.stderr
    move(house.server, back)
    assert len(house.heard()) == 20
