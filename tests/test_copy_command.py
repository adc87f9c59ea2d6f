"""`imtornado copy`, as an operator moves a server's database."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.server import ROOT, Server, StartServer
from tests.handlers.uploading import fetch, upload
from tests.people import Person
from tests.storage.whole import contents
from tests.test_cli import run

SINGLE = 10


@pytest.fixture
def stopped(start_server: StartServer) -> "tuple[Server, Person, str]":
    """A server that was in use and is stopped, somebody with a session there, and a picture of hers."""
    server = start_server("security.throttle=no", "contacts.confirm=no")
    ann, bea = Person(server.port, "Ann"), Person(server.port, "Bea")
    ann.call("/contact/addfriend", dstid=bea.user_id)
    for number in range(30):
        ann.call("/message/send", cmd=SINGLE, dstid=bea.user_id, media=1, content=f"text {number}", cid=f"c{number}")
    url = upload(ann, (ROOT / "docs" / "images" / "phone.png").read_bytes())["data"]
    server.stop()
    return server, ann, url


def test_a_server_goes_on_with_the_copy(stopped: "tuple[Server, Person, str]", tmp_path: Path) -> None:
    server, ann, picture = stopped
    source, target = f"sqlite:///{server.folder}/im.db", f"sqlite:///{tmp_path}/new/im.db"
    done = run(tmp_path, "copy", "storage.url", "env:NEW", IMTORNADO_STORAGE_URL=source, NEW=target)
    assert done.returncode == 0, done.stderr
    assert "30 messages among them" in done.stdout
    assert "rows copied and compared" in done.stderr
    assert contents(target) == contents(source)
    server.storage_url = target
    server.restart()
    assert ann.data("/user/me")["nickname"] == "Ann"
    assert fetch(ann, picture).status == 200


def test_a_database_that_is_served_is_not_copied(server: Server, tmp_path: Path) -> None:
    source = f"sqlite:///{server.folder}/im.db"
    refused = run(tmp_path, "copy", source, f"sqlite:///{tmp_path}/new.db")
    assert (refused.returncode, "is in use by a server" in refused.stderr) == (1, True), refused.stderr
    refused = run(tmp_path, "copy", f"sqlite:///{tmp_path}/new.db", source)
    assert refused.returncode == 1
    assert Person(server.port, "Ann").data("/user/me")["nickname"] == "Ann"


def test_a_server_moves_to_mysql_and_back(
    stopped: "tuple[Server, Person, str]", mysql_url: str, tmp_path: Path
) -> None:
    server, ann, _ = stopped
    first, last = f"sqlite:///{server.folder}/im.db", f"sqlite:///{tmp_path}/back.db"
    moved = run(tmp_path, "copy", first, "env:NEW", NEW=mysql_url)
    assert moved.returncode == 0, moved.stderr
    assert contents(mysql_url) == contents(first)
    server.storage_url = mysql_url
    server.restart()
    assert ann.data("/user/me")["nickname"] == "Ann"
    ann.call("/message/send", cmd=SINGLE, dstid=ann.user_id, media=1, content="from MySQL", cid="new")
    served = run(tmp_path, "copy", "env:NEW", last, NEW=mysql_url)
    assert (served.returncode, "connections to the MySQL database are open" in served.stderr) == (1, True), (
        served.stderr
    )
    server.stop()
    back = run(tmp_path, "copy", "env:NEW", last, NEW=mysql_url)
    assert back.returncode == 0, back.stderr
    assert contents(last) == contents(mysql_url)
    password = mysql_url.partition("://")[2].partition("@")[0].partition(":")[2]
    assert password not in "".join((moved.stdout, moved.stderr, served.stderr, back.stdout, back.stderr))
    server.storage_url = last
    server.restart()
    history = ann.call("/message/history", kind=SINGLE, dstid=ann.user_id)
    assert [row["content"] for row in history["rows"]] == ["from MySQL"]


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("sqlite:///none.db", "sqlite:///new.db", "there is no database at none.db"),
        ("storage.url", "storage.url", "the same database"),
        ("env:NOTHING", "sqlite:///new.db", "no variable 'NOTHING'"),
        ("sqlite:///paths/../im.db", "sqlite:///im.db", "the same database"),
        ("oracle://x:secret@h/x", "sqlite:///new.db", "no storage backend oracle"),
        ("sqlite:///im.db", "sqlite:///im.db/new.db", "folder of the database cannot be made"),
        ("sqlite:///broken.db", "sqlite:///new.db", "file is not a database"),
        ("sqlite:///im.db", "mysql://im:secret@127.0.0.1:1/im", "the database cannot be used"),
    ],
)
def test_what_cannot_be_copied_is_said(tmp_path: Path, source: str, target: str, told: str) -> None:
    assert run(tmp_path, "migrate", "--set", "storage.url=sqlite:///im.db").returncode == 0
    (tmp_path / "paths").mkdir()
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 100)
    refused = run(tmp_path, "copy", source, target, "--set", "storage.url=sqlite:///im.db")
    assert refused.returncode in (1, 2)
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr + refused.stdout


@pytest.mark.parametrize("blocks", [300, 900])  # of 512 bytes: while the schema is made, and while rows are copied
def test_a_full_disk_is_said_and_the_copy_goes_on_when_there_is_room(tmp_path: Path, blocks: int) -> None:
    source, target = f"sqlite:///{tmp_path}/im.db", f"sqlite:///{tmp_path}/new.db"
    sizes = ("--grown", "--messages", "8000", "--sockets", "200", "--pairs", "100", "--room", "50", "--rooms", "1")
    prepared = run(tmp_path, "bench", "prepare", "--out", "paths", "--set", f"storage.url={source}", *sizes)
    assert prepared.returncode == 0, prepared.stderr
    command = [sys.executable, "-m", "imtornado", "copy", source, target]
    full = subprocess.run(
        ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (full.returncode, "disk I/O error" in full.stderr) == (1, True), full.stderr
    assert "Traceback" not in full.stderr
    refused = run(tmp_path, "serve", "--set", f"storage.url={target}", "--set", "server.port=0")
    assert (refused.returncode, "a copy that is not finished" in refused.stderr) == (1, True), refused.stderr
    assert run(tmp_path, "copy", source, target).returncode == 0
    assert contents(target) == contents(source)
