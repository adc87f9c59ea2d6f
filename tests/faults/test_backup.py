"""A backup in the middle of traffic: every message that was acknowledged before it began is in what is restored."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.database import read_database
from tests.faults.ledger import Attempt, Finding, Ledger, judge
from tests.faults.town import SETTINGS, Town
from tests.faults.traffic import Sender, Traffic
from tests.fixtures.server import ROOT, Server, StartServer

HEADROOM = 500  # messages; no sender comes to rest before the end of the backup
LIMIT_S = 120


def command(url: str, folder: Path, *arguments: str) -> None:
    settings = ("--set", f"storage.url={url}", "--set", f"uploads.folder={folder}")
    done = subprocess.run(
        [sys.executable, "-m", "imtornado", *arguments, *settings],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def known(ledger: Ledger, acked: "dict[tuple[int, str], tuple[int, int]]") -> Ledger:
    """The ledger as it was at a moment: what had been acknowledged by then; all else may be stored or not."""
    then = Ledger()
    for key, attempt in ledger.attempts.items():
        then.attempts[key] = entry = Attempt(attempt.sender_id, attempt.key, attempt.cid, attempt.content, tries=1)
        if key in acked:
            entry.acked(*acked[key])
        else:
            entry.unknown = 1
    return then


async def saved_under_load(server: Server, town: Town, archives: list[Path], step: int) -> list[Ledger]:
    """What the database in each archive must hold."""
    marks: list[dict[tuple[int, str], tuple[int, int]]] = []
    async with asyncio.TaskGroup() as group:
        traffic = Traffic(server.port, group)
        for person in town.people:
            traffic.add(Sender(traffic, person, town.targets[person.user_id]))
        for archive in archives:
            traffic.allow(step + HEADROOM)
            await traffic.acks(traffic.acked + step)
            marks.append({key: attempt.acks[0] for key, attempt in traffic.ledger.attempts.items() if attempt.acks})
            saving = asyncio.create_task(
                asyncio.to_thread(command, server.storage_url, server.folder / "resource", "backup", str(archive))
            )
            before = traffic.acked
            while not saving.done():
                traffic.allow(HEADROOM)
                await asyncio.wait({saving}, timeout=0.05)
            saving.result()
            assert traffic.acked > before, "nobody wrote while the backup was made"
        await traffic.finish()
    return [known(traffic.ledger, mark) for mark in marks]


@pytest.mark.timeout(300)
def test_what_was_acknowledged_before_a_backup_is_in_it(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(*SETTINGS)
    town = Town(server.port, people=8, communities=2)
    archives = [tmp_path / f"{number}.tar" for number in range(2)]
    ledgers = asyncio.run(saved_under_load(server, town, archives, step=600))
    for archive, ledger in zip(archives, ledgers, strict=True):
        url = f"sqlite:///{tmp_path}/{archive.stem}.db"
        command(url, tmp_path / archive.stem, "restore", str(archive))
        verdict = judge(ledger, read_database(url), readers=False)
        assert verdict.finding is Finding.PASS, verdict
        assert verdict.figures["acked"] >= 600
