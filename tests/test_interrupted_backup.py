"""A backup that others disturb: files that are removed meanwhile, and ends in the middle. On both databases."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from storage.backends import open_database
from tests.fixtures.backends import BACKENDS, Backend, backend_of
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import ROOT, StartServer
from tests.handlers.uploading import fetch
from tests.storage.whole import contents
from tests.test_backup import House, _house, backed_up, move, restored
from tests.test_cli import run

PICTURE = 4
# Stops where the database has been read and no file, says so, and goes on with the next line of input.
PAUSED = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background ignores it
import imtornado.commands.backup as backup
add_files = backup._add_files
def paused(*arguments):
    print("reads files", flush=True)
    sys.stdin.readline()
    return add_files(*arguments)
backup._add_files = paused
from imtornado.cli import main
sys.exit(main())
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return backend_of(request)


@pytest.fixture
def house(start_server: StartServer) -> House:
    return _house(start_server)


@contextmanager
def paused(house: House, place: Path) -> Iterator["subprocess.Popen[str]"]:
    """A backup to `place` that has read the database and waits for a line before it reads files."""
    settings = {"STORAGE_URL": house.server.storage_url, "UPLOADS_FOLDER": f"{house.server.folder}/resource"}
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED, "backup", str(place)],
        cwd=ROOT,
        env=os.environ | {f"IMTORNADO_{name}": value for name, value in settings.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "reads files\n", process.communicate()
            yield process
        finally:
            process.kill()


def forget_claims(url: str) -> None:
    """As if a day had passed since the uploads."""
    with closing(open_database(url)) as database, database.writing() as connection:
        connection.execute("UPDATE upload_claim SET created_at_ms = 0")


def collected(house: House) -> str:
    done = house.command("gc", "--older-than", "1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_that_nobody_needs_any_more_stay_while_a_backup_reads_them(house: House, tmp_path: Path) -> None:
    place = {"kind": 10, "dstid": house.bea.user_id}
    picture, attachment = house.files
    sent = house.ann.call("/message/send", cmd=10, dstid=house.bea.user_id, media=PICTURE, url=picture, cid="p")
    before = {url: fetch(house.ann, url).body for url in house.files}
    archive = tmp_path / "b.tar"
    with paused(house, archive) as process:
        house.ann.call("/message/recall", **place, seq=sent["data"]["seq"])
        forget_claims(house.server.storage_url)
        assert collected(house).startswith("0 uploads")
        output, errors = process.communicate("\n")
    assert process.returncode == 0, errors
    assert "21 messages, 3 files" in output
    assert collected(house).startswith("2 uploads"), "nothing was to be removed: this test shows nothing"
    assert fetch(house.ann, attachment).status == 404
    restored(house, archive, tmp_path)
    move(house.server, tmp_path)
    assert {url: fetch(house.ann, url).body for url in house.files} == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_backup_that_is_ended_leaves_nothing(house: House, tmp_path: Path, number: signal.Signals) -> None:
    with paused(house, tmp_path) as process:
        assert list(tmp_path.glob("imtornado-*.tar.partial")), "it is written elsewhere"
        process.send_signal(number)
        _, errors = process.communicate()
    assert (process.returncode, "Traceback" in errors) == (128 + number, False), errors
    assert not list(tmp_path.iterdir())
    forget_claims(house.server.storage_url)
    assert collected(house).startswith("2 uploads"), "the files are still kept"


def test_what_a_killed_backup_leaves_is_no_archive_and_goes_with_the_next(house: House, tmp_path: Path) -> None:
    with paused(house, tmp_path) as process:
        with paused(house, tmp_path / "other.tar") as other:
            process.kill()
            process.communicate()
            (left,) = tmp_path.glob("imtornado-*.partial")
            refused = house.command("restore", str(left))
            assert (refused.returncode, "is damaged or no backup" in refused.stderr) == (1, True), refused.stderr
            done = house.command("backup", str(tmp_path))
            assert done.returncode == 0, done.stderr
            assert f"removed {left}, left by a backup that was killed" in done.stderr
            assert not left.exists()
            other.communicate("\n")
        assert other.returncode == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".tar", ".tar"]


def test_two_backups_of_one_name_harm_neither(house: House, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar"
    with paused(house, archive) as process:
        refused = house.command("backup", str(archive))
        assert (refused.returncode, "another backup writes" in refused.stderr) == (1, True), refused.stderr
        process.communicate("\n")
    assert process.returncode == 0
    assert house.command("restore", "--check", str(archive)).returncode == 0


def test_a_backup_whose_server_is_lost_leaves_nothing(own_mariadb: MariaDB, tmp_path: Path) -> None:
    """Lost while the database is read, so that it cannot say either that files need not be kept any more."""
    url = own_mariadb.url()
    assert run(tmp_path, "migrate", IMTORNADO_STORAGE_URL=url).returncode == 0
    program = PAUSED.replace("_add_files", "snapshot").replace("reads files", "reads the database")
    place = tmp_path / "backups"
    place.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", program, "backup", str(place)],
        cwd=ROOT,
        env=os.environ | {"IMTORNADO_STORAGE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reads the database\n"
        own_mariadb.kill()
        _, errors = process.communicate("\n")
    assert (process.returncode, "Traceback" in errors) == (1, False), errors
    assert errors.endswith("imtornado: the database cannot be used now; the line above says why\n")
    assert not list(place.iterdir())


def test_a_damaged_archive_changes_nothing(house: House) -> None:
    archive = backed_up(house)
    whole = archive.read_bytes()
    house.say("after the backup")
    house.server.stop()
    before = contents(house.server.storage_url)
    files = sorted((house.server.folder / "resource").glob("??/*"))
    middle = len(whole) // 2
    for damaged in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        archive.write_bytes(damaged)
        refused = house.command("restore", str(archive), "--replace")
        assert (refused.returncode, "is damaged or no backup" in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr
    assert contents(house.server.storage_url) == before
    assert sorted((house.server.folder / "resource").glob("??/*")) == files
    house.server.restart()
    assert house.heard()[-1] == "after the backup"
