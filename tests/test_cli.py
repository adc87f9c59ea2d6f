"""The command line as its users meet it: in a folder of theirs, by arguments, standard input and exit status."""

import fcntl
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imtornado.config_sources import example
from tests.fixtures.server import ROOT, StartServer
from tests.people import PASSWORD, Failure, Person, call

MOBILE = "13800000001"
LINK = re.compile(r"(https?://\S+?)(/(?:password|register))#([A-Za-z0-9_-]{43})\n")


def run(folder: Path, *arguments: str, typed: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """`imtornado …` in the folder, without a terminal."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMTORNADO_")}
    return subprocess.run(
        [sys.executable, "-m", "imtornado", *arguments],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT), "IMTORNADO_ACCOUNTS_BCRYPT_ROUNDS": "4"} | environment,
        input=typed,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = run(tmp_path, "--help")
    assert shown.returncode == 0
    for word in (
        "serve",
        "check-config",
        "migrate",
        "copy",
        "backup",
        "restore",
        "user",
        "bench",
        "http://127.0.0.1:8081",
    ):
        assert word in shown.stdout
    users = run(tmp_path, "user", "--help").stdout
    for word in ("add", "passwd", "disable", "enable", "invite"):
        assert word in users


@pytest.mark.parametrize(
    "arguments",
    [
        *((), ("fly",), ("user",), ("user", "add"), ("serve", "--port", "1"), ("user", "invite", "--hours", "0")),
        *(("user", "add", MOBILE, PASSWORD), ("user", "passwd", MOBILE, "--hours", "x")),
    ],
)
def test_a_wrong_command_is_explained_with_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    refused = run(tmp_path, *arguments)
    assert refused.returncode == 2
    assert "usage: imtornado" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("serve",), ("check-config",), ("migrate",), ("user", "disable", MOBILE)])
def test_wrong_settings_are_told_all_at_once_with_status_2(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "config.ini").write_text("[server]\nport = many\n", encoding="utf-8")
    refused = run(tmp_path, *command, "--set", "log.level=loud", IMTORNADO_CONTACTS_CONFIRM="perhaps")
    assert refused.returncode == 2
    for key in ("server.port", "log.level", "contacts.confirm"):
        assert key in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.ini"]


def test_check_config_says_which_file_it_read_and_starts_nothing(tmp_path: Path) -> None:
    assert "no settings file" in run(tmp_path, "check-config").stdout
    (tmp_path / "config.ini").write_text("[server]\nport = 1\n", encoding="utf-8")
    assert "config.ini" in run(tmp_path, "check-config").stdout
    (tmp_path / "other.ini").write_text("[server]\nport = 1\n", encoding="utf-8")
    assert "other.ini" in run(tmp_path, "check-config", "--config", "other.ini").stdout
    assert "other.ini" in run(tmp_path, "check-config", IMTORNADO_CONFIG="other.ini").stdout
    missing = run(tmp_path, "check-config", "--config", "none.ini")
    assert (missing.returncode, "none.ini: No such file" in missing.stderr) == (2, True)
    assert {entry.name for entry in tmp_path.iterdir()} == {"config.ini", "other.ini"}


def test_check_config_prints_a_file_to_start_from(tmp_path: Path) -> None:
    assert run(tmp_path, "check-config", "--example").stdout == example()


def test_migrate_makes_the_database_once(tmp_path: Path) -> None:
    first, second = run(tmp_path, "migrate"), run(tmp_path, "migrate")
    assert (first.returncode, second.returncode) == (0, 0)
    assert "applied 0001" in first.stdout
    assert second.stdout == "the database is up to date\n"
    assert (tmp_path / "data" / "im.db").is_file()


def test_without_auto_migrate_an_old_database_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--set", "storage.auto_migrate=no")
    assert refused.returncode == 1
    assert "imtornado migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("url", ["oracle://x/y", "sqlite://im.db", "im.db", "sqlite:///"])
def test_an_unusable_database_address_is_named(tmp_path: Path, url: str) -> None:
    for command in (("serve",), ("migrate",), ("user", "enable", MOBILE), ("check-config",)):
        refused = run(tmp_path, *command, "--set", f"storage.url={url}")
        assert refused.returncode == 2
        assert "storage.url" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_file_that_is_no_database_is_not_called_busy(tmp_path: Path) -> None:
    (tmp_path / "im.db").write_bytes(b"this is no database" * 100)
    for command in (("serve", "--set", "server.port=0"), ("migrate",), ("user", "enable", MOBILE)):
        refused = run(tmp_path, *command, "--set", "storage.url=sqlite:///im.db")
        assert refused.returncode == 1
        assert "file is not a database" in refused.stderr
        assert "the database cannot be used" in refused.stderr
        assert "busy" not in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("setting", "named"),
    [("uploads.folder=im.txt/x", "uploads.folder"), ("server.tls_cert=im.txt", "server.tls_key")],
)
def test_what_stops_the_start_is_named(tmp_path: Path, setting: str, named: str) -> None:
    (tmp_path / "im.txt").write_text("no folder and no certificate", encoding="ascii")
    more = ("--set", "server.tls_key=im.txt") if setting.startswith("server") else ()
    refused = run(tmp_path, "serve", "--set", "server.port=0", "--set", setting, *more)
    assert refused.returncode == 1
    assert named in refused.stderr
    assert "server.port" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_address_in_use_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run(tmp_path, "serve", "--set", f"server.port={taken.getsockname()[1]}")
    assert refused.returncode == 1
    assert "Address already in use" in refused.stderr
    assert "--set server.port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_passwords_come_from_standard_input(tmp_path: Path) -> None:
    added = run(tmp_path, "user", "add", MOBILE, "--nickname", "Ann", typed=f"{PASSWORD}\nmore\n")
    assert (added.returncode, added.stdout) == (0, f"added {MOBILE}, user 1, administrator\n")
    again = run(tmp_path, "user", "add", MOBILE, typed=PASSWORD)
    assert (again.returncode, again.stdout) == (1, "")
    assert "registered already" in again.stderr
    second = run(tmp_path, "user", "add", "13800000002", typed=PASSWORD)
    assert second.stdout == "added 13800000002, user 2\n"
    third = run(tmp_path, "user", "add", "13800000003", "--admin", typed=PASSWORD)
    assert third.stdout == "added 13800000003, user 3, administrator\n"
    assert PASSWORD not in added.stdout + added.stderr + again.stderr


@pytest.mark.parametrize(
    ("mobile", "nickname", "typed", "named"),
    [
        ("12", "Ann", PASSWORD, "mobile"),
        ("12a4", "Ann", PASSWORD, "mobile"),
        (MOBILE, "x" * 21, PASSWORD, "nickname"),
        (MOBILE, "two\nlines", PASSWORD, "nickname"),
        (MOBILE, "Ann", "", "password"),
        (MOBILE, "Ann", "12345678", "password"),
        (MOBILE, "Ann", MOBILE, "password"),
    ],
)
def test_bad_accounts_are_not_added(tmp_path: Path, mobile: str, nickname: str, typed: str, named: str) -> None:
    refused = run(tmp_path, "user", "add", mobile, "--nickname", nickname, typed=typed)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"imtornado: {named}: ")
    assert run(tmp_path, "user", "disable", MOBILE).returncode == 1


@pytest.mark.parametrize("command", [("disable",), ("enable",), ("passwd",), ("passwd", "--link")])
def test_an_unknown_mobile_is_told(tmp_path: Path, command: tuple[str, ...]) -> None:
    run(tmp_path, "migrate")
    refused = run(tmp_path, "user", *command, MOBILE, typed=PASSWORD)
    assert refused.returncode == 1
    assert refused.stderr == f"imtornado: There is no account with the mobile {MOBILE}.\n"


@pytest.mark.parametrize(
    "command", [("disable", MOBILE), ("enable", MOBILE), ("passwd", MOBILE), ("passwd", MOBILE, "--link"), ("invite",)]
)
def test_in_the_wrong_folder_no_database_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A new, empty one would answer, and its links would open nothing."""
    refused = run(tmp_path, "user", *command, typed=PASSWORD)
    assert refused.returncode == 1
    assert "there is no database at data/im.db" in refused.stderr
    assert "--config" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_commands_reach_a_running_server(start_server: StartServer) -> None:
    server = start_server("accounts.registration=invite")
    folder, database = server.folder, f"storage.url=sqlite:///{server.folder}/im.db"
    ann = Person(server.port, "Ann")
    socket_of_ann = ann.connect()
    assert run(folder, "user", "disable", ann.mobile, "--set", database).returncode == 0
    assert socket_of_ann.closed_with() == 4501
    with pytest.raises(Failure) as refused:
        ann.call("/user/me")
    assert refused.value.code == 40101
    assert run(folder, "user", "enable", ann.mobile, "--set", database).returncode == 0
    assert ann.log_in()
    assert run(folder, "user", "passwd", ann.mobile, "--set", database, typed="another horse 8").returncode == 0
    with pytest.raises(Failure) as refused:
        ann.log_in()
    assert refused.value.code == 40102
    link = LINK.match(run(folder, "user", "passwd", ann.mobile, "--link", "--set", database).stdout)
    assert link is not None
    assert link[2] == "/password"
    reset = call(server.port, "/user/reset", {"token": link[3], "passwd": "third horse 99"})
    assert reset["data"]["mobile"] == ann.mobile
    invited = run(folder, "user", "invite", "--set", database, "--set", "server.hosts=chat.example")
    invitation = LINK.match(invited.stdout)
    assert invitation is not None
    assert invitation[1] + invitation[2] == "https://chat.example/register"
    fields = {"mobile": "13700000001", "passwd": PASSWORD, "invite": invitation[3]}
    assert call(server.port, "/user/register", fields)["code"] == 0


def test_a_server_starts_with_no_settings_at_all(tmp_path: Path) -> None:
    """As a newcomer starts it, but for the port, which other tests may hold."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMTORNADO_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "imtornado", "serve", "--set", "server.port=0"],
        cwd=tmp_path,
        env=clean | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(re.fullmatch(r"listening on http://127\.0\.0\.1:\d+\n", line) for line in lines)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    assert (tmp_path / "data" / "im.db").is_file()


def test_a_signal_is_heard_before_the_server_is_ready(tmp_path: Path) -> None:
    """It waits for another process to finish its migration when SIGTERM comes; it still ends in order."""
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "im.db.migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(
            [sys.executable, "-m", "imtornado", "serve", "--set", "server.port=0"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            waiting = re.compile(rf"-> FLOCK .* {process.pid} ")
            deadline = time.monotonic() + 30
            while not waiting.search(Path("/proc/locks").read_text()):  # the kernel tells nobody of a waiter
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.01)
            process.terminate()
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def test_reindex_makes_the_index_anew_beside_a_server_and_alone(start_server: StartServer) -> None:
    server = start_server("security.throttle=no")
    ann = Person(server.port, "Ann")
    for n in range(30):
        ann.say(ann.user_id, f"word {n}")

    def reindex(*arguments: str) -> str:
        done = run(server.folder, "reindex", *arguments, "--set", f"storage.url={server.storage_url}")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    def found() -> int:
        return len(ann.rows("/message/search", q="word", limit=50))

    assert reindex().endswith("nothing waits")
    assert found() == 30
    server.stop()
    assert reindex().startswith("30 messages indexed")
    assert reindex("--resume").startswith("0 messages indexed")
    server.restart()
    assert found() == 30
