"""`imtornado bench` as its users meet it: a population that the real server takes for its own."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imtornado.commands.figures import Figures, percentiles
from tests.fixtures.server import ROOT, Server, StartServer
from tests.people import call
from tests.raw_client import RawClient, Refused, new_cid

SMALL = ("--sockets", "12", "--pairs", "2", "--room", "4", "--rooms", "3", "--room-members", "2")


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMTORNADO_")}
    return subprocess.run(
        [sys.executable, "-m", "imtornado", "bench", *arguments],
        env=clean | {"PYTHONPATH": str(ROOT), "IMTORNADO_ACCOUNTS_BCRYPT_ROUNDS": "4"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )


def prepare(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return bench("prepare", "--out", f"{folder}/paths", "--set", f"storage.url=sqlite:///{folder}/im.db", *arguments)


def lines(folder: Path, name: str) -> list[tuple[str, int, int]]:
    """[(path, self, peer), …] of a path file."""
    rows = [line.split(" ") for line in (folder / "paths" / name).read_text(encoding="ascii").splitlines()]
    return [(path, int(user), int(peer)) for path, user, peer in rows]


def connect(server: Server, line: tuple[str, int, int]) -> RawClient:
    client = RawClient(server.port, path=line[0])
    assert client.until(cmd=3)["userid"] == line[1]
    return client


def say(client: RawClient, cmd: int, dstid: int) -> int:
    """The seq that the message got."""
    cid = new_cid()
    client.send({"cmd": cmd, "dstid": dstid, "media": 1, "content": f"said {cid}", "cid": cid})
    seq: int = client.until(cmd=1, cid=cid)["seq"]
    return seq


@pytest.fixture
def prepared(tmp_path: Path, start_server: StartServer) -> Server:
    """A server on a small fresh population."""
    done = prepare(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    return start_server(f"storage.url=sqlite:///{tmp_path}/im.db")


def test_the_server_takes_the_people_that_were_made(tmp_path: Path, prepared: Server) -> None:
    names = {file.name for file in (tmp_path / "paths").iterdir()}
    assert names == {"pairs4.txt", "room4.txt", "rooms3x2.txt", "idle12.txt"}
    one, other = (connect(prepared, line) for line in lines(tmp_path, "pairs4.txt")[:2])
    with one, other:
        peer = lines(tmp_path, "pairs4.txt")[0][2]
        assert say(one, 10, peer) == 1
        assert other.until(cmd=10)["seq"] == 1
    stranger = lines(tmp_path, "idle12.txt")[11]
    with connect(prepared, stranger) as outsider:
        outsider.send({"cmd": 10, "dstid": peer, "media": 1, "content": "let me in", "cid": new_cid()})
        assert outsider.until(cmd=2)["code"] == 40302


@pytest.mark.parametrize(("file", "talkers"), [("room4.txt", (0, 3)), ("rooms3x2.txt", (1, 4))])
def test_a_community_hears_its_members(tmp_path: Path, prepared: Server, file: str, talkers: tuple[int, int]) -> None:
    rows = lines(tmp_path, file)
    speaker, hearer = (rows[place] for place in talkers)
    assert speaker[2] == hearer[2]
    with connect(prepared, speaker) as one, connect(prepared, hearer) as other:
        assert say(one, 11, speaker[2]) == 1
        assert other.until(cmd=11)["dstid"] == speaker[2]
        say(other, 11, speaker[2])
        assert one.until(cmd=11)["userid"] == hearer[1]


@pytest.fixture(params=["sqlite", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; asked for before the server, that it is there until the server has ended."""
    found: str = f"sqlite:///{tmp_path}/im.db" if request.param == "sqlite" else request.getfixturevalue("mysql_url")
    return found


def test_a_grown_database_goes_on_where_it_stands(url: str, tmp_path: Path, start_server: StartServer) -> None:
    few = ("--pairs", "3", "--messages", "100", "--friends", "4", "--communities", "2")
    done = prepare(tmp_path, "--grown", *few, "--set", f"storage.url={url}")
    assert done.returncode == 0, done.stderr
    server = start_server(f"storage.url={url}")
    rows = lines(tmp_path, "grown3.txt")
    assert [row[1:] for row in rows[:4]] == [(1, 2), (2, 1), (3, 4), (4, 3)]
    token = rows[0][0].partition("token=")[2]
    assert len(call(server.port, "/contact/loadfriend", token=token)["rows"]) == 4
    assert len(call(server.port, "/contact/loadcommunity", token=token)["rows"]) == 2
    seqs = []
    for row in rows[::2]:
        with connect(server, row) as one:
            seqs.append(say(one, 10, row[2]))
    assert sum(seqs) == 100 + len(seqs)
    fields = {"kind": 10, "dstid": rows[0][2], "limit": 200}
    history = call(server.port, "/message/history", fields, token=token)["rows"]
    assert [row["seq"] for row in history] == list(range(1, seqs[0] + 1))
    assert len({row["cid"] for row in history}) == seqs[0]
    chats = call(server.port, "/message/conversations", token=token)["rows"]
    assert {chat["unread"] for chat in chats} == {0}


def test_path_files_are_their_owners_alone_and_passwords_nobodys(tmp_path: Path, prepared: Server) -> None:
    folder = tmp_path / "paths"
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    with pytest.raises(Refused) as refused:
        RawClient(prepared.port, path="/chat?id=1&token=guess")
    assert refused.value.status == 401


def test_a_database_with_accounts_is_not_touched(tmp_path: Path) -> None:
    assert prepare(tmp_path, *SMALL).returncode == 0
    before = (tmp_path / "paths" / "pairs4.txt").read_bytes()
    refused = prepare(tmp_path, *SMALL)
    assert refused.returncode == 1
    assert "accounts already" in refused.stderr
    assert (tmp_path / "paths" / "pairs4.txt").read_bytes() == before


@pytest.mark.parametrize("arguments", [(), ("--out", "x", "--pairs", "0"), ("--out", "x", "--fresh", "--grown")])
def test_a_wrong_command_is_explained(arguments: tuple[str, ...]) -> None:
    refused = bench("prepare", *arguments)
    assert refused.returncode == 2
    assert "usage: imtornado bench prepare" in refused.stderr


def run(server: Server, file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return bench("run", "--paths", str(file), "--seconds", "1", "--set", f"server.port={server.port}", *arguments)


@pytest.fixture
def unthrottled(tmp_path: Path, start_server: StartServer) -> Server:
    done = prepare(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    return start_server(f"storage.url=sqlite:///{tmp_path}/im.db", "security.throttle=no")


@pytest.mark.parametrize(
    ("file", "arguments", "sockets", "senders", "each"),
    [
        ("pairs4.txt", ("--window", "4"), 4, 4, 1),
        ("pairs4.txt", ("--rate", "50", "--senders", "1"), 4, 1, 1),
        ("room4.txt", ("--community", "--senders", "2"), 4, 2, 3),
        ("idle12.txt", ("--sockets", "3"), 3, 3, 0),
    ],
)
def test_a_run_counts_what_arrived(
    tmp_path: Path, unthrottled: Server, file: str, arguments: tuple[str, ...], sockets: int, senders: int, each: int
) -> None:
    done = run(unthrottled, tmp_path / "paths" / file, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["sockets"], figures["senders"]) == (sockets, senders)
    assert figures["acked_per_s"] > 0
    assert (figures["delivered_per_s"] > 0) == (each > 0)
    assert set(figures["ack_ms"]) == {"p50", "p99", "max"}
    lost = {name: figures[name] for name in ("unanswered", "missing", "disordered", "closed", "refused")}
    assert lost == {"unanswered": 0, "missing": 0, "disordered": 0, "closed": 0, "refused": {}}


def test_a_run_says_what_was_refused(tmp_path: Path, prepared: Server) -> None:
    """Strangers write to each other."""
    file = tmp_path / "strangers.txt"
    rows = lines(tmp_path, "idle12.txt")
    file.write_text("".join(f"{path} {user} {rows[0][1]}\n" for path, user, _ in rows[10:]), encoding="ascii")
    done = run(prepared, file, "--rate", "10")
    assert done.returncode == 0, done.stderr
    assert re.search(r"refused \d+ with 40302", done.stdout), done.stdout


def test_a_run_without_its_server_or_with_another_ones_paths_is_explained(tmp_path: Path, server: Server) -> None:
    done = prepare(tmp_path, *SMALL)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "paths" / "pairs4.txt"
    refused = run(server, file)
    assert refused.returncode == 1
    assert "status 401" in refused.stderr
    assert "token" not in refused.stderr
    server.stop()
    refused = run(server, file)
    assert refused.returncode == 1
    assert "--set server.port=" in refused.stderr
    refused = run(server, Path(__file__))
    assert refused.returncode == 1
    assert "is no path file" in refused.stderr


def test_losses_are_told() -> None:
    figures = Figures(2, 1, 10, 9, {"p50": 1.5}, {}, 0, 3, 2, 0, {42901: 7})
    assert figures.losses() == "3 missing, 2 out of order"
    assert "lost: 3 missing, 2 out of order" in figures.text()
    assert "refused 7 with 42901" in figures.text()
    assert percentiles([0.001 * n for n in range(1, 101)]) == {"p50": 51, "p99": 100, "max": 100}
