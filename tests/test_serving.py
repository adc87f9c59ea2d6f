"""One server on one SQLite file: a second is refused, tools are not, and a killed one leaves no lock behind."""

from pathlib import Path

from tests import pictures
from tests.fixtures.server import Server, StartServer
from tests.handlers.uploading import upload
from tests.people import PASSWORD, Person
from tests.test_cli import run


def serve(folder: Path, database: Path) -> "tuple[int, str]":
    """A second server on that database: how it ended, and what it said."""
    settings = (f"storage.url=sqlite:///{database}", "server.port=0", f"uploads.folder={folder}/resource")
    done = run(folder, "serve", *(part for setting in settings for part in ("--set", setting)))
    return done.returncode, done.stderr


def test_a_second_server_is_refused_by_name_and_the_first_goes_on(server: Server, tmp_path: Path) -> None:
    ann = Person(server.port, "Ann")
    status, told = serve(tmp_path, server.folder / "im.db")
    assert (status, f"{server.folder}/im.db is in use by a server (process {server.pid})" in told) == (1, True), told
    assert "Traceback" not in told
    assert ann.data("/user/me")["nickname"] == "Ann"


def test_another_name_of_the_file_is_the_same_database(server: Server, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(server.folder / "im.db")
    status, told = serve(tmp_path, tmp_path / "link.db")
    assert (status, "is in use" in told) == (1, True), told


def test_tools_work_beside_a_server(server: Server, tmp_path: Path) -> None:
    database = f"storage.url=sqlite:///{server.folder}/im.db"
    added = run(tmp_path, "user", "add", "13800000001", "--set", database, typed=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    assert run(tmp_path, "migrate", "--set", database).stdout == "the database is up to date\n"


def test_a_killed_server_leaves_no_lock_though_its_workers_may_live_on(start_server: StartServer) -> None:
    server = start_server("security.throttle=no")
    upload(Person(server.port, "Ann"), pictures.encoded(pictures.quarters(40, 40), "PNG"))  # starts a worker process
    server.kill()
    server.restart()
    assert Person(server.port, "Bea").data("/user/me")["nickname"] == "Bea"


def test_a_lock_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "im.db.serving").mkdir()
    status, told = serve(tmp_path, tmp_path / "im.db")
    assert (status, "im.db.serving, the lock of the database, cannot be opened" in told) == (1, True), told
    assert "Traceback" not in told
