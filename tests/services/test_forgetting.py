"""A text that was recalled or edited away is nowhere in the files of the database, not even in free space."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado.records import Kind
from tests.services.world import World, open_world

SINGLE = Kind.SINGLE
FIRST, SECOND, THIRD, KEPT = "MarkedFirst", "MarkedSecond", "MarkedThird", "MarkedKept"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as opened:
        yield opened


def holding(folder: Path, text: str) -> set[str]:
    """Names of the files in which the text is found."""
    return {file.name for file in folder.iterdir() if text.encode() in file.read_bytes()}


@pytest.mark.parametrize("size", [0, 1500, 20_000], ids=["in a row", "a third of a page", "on pages of its own"])
def test_a_recalled_text_is_on_no_page_and_in_no_journal(world: World, tmp_path: Path, size: int) -> None:
    ann, bob = world.users(2)
    world.befriend(ann, bob)
    kept = world.send(ann, SINGLE, bob, KEPT)
    seq = world.send(ann, SINGLE, bob, FIRST + "x" * size, memo=FIRST, url=f"https://example.com/{FIRST}")
    world.changes.edit(ann, SINGLE, bob, seq=seq, content=SECOND + "x" * size)
    world.changes.edit(ann, SINGLE, bob, seq=seq, content=THIRD + "x" * size)
    for text in (FIRST, SECOND, THIRD):
        assert holding(tmp_path, text), "the test would see it"
    world.changes.recall(ann, SINGLE, bob, seq)
    world.store.checkpoint()
    for text in (FIRST, SECOND, THIRD):
        assert holding(tmp_path, text) == set()
    assert holding(tmp_path, KEPT) == {"im.db"}
    assert kept == 1


def test_the_first_text_is_gone_with_an_edit_unless_somebody_left_who_may_see_it(world: World, tmp_path: Path) -> None:
    ann, bob = world.users(2)
    rooms = [world.community(ann, bob) for _ in range(2)]
    seqs = [world.say(ann, room, text) for room, text in zip(rooms, (FIRST, SECOND), strict=True)]
    world.memberships.leave(bob, rooms[1])
    for room, seq in zip(rooms, seqs, strict=True):
        world.changes.edit(ann, Kind.COMMUNITY, room, seq=seq, content="else")
    world.store.checkpoint()
    assert holding(tmp_path, FIRST) == set()
    assert holding(tmp_path, SECOND) == {"im.db"}
    world.changes.recall(ann, Kind.COMMUNITY, rooms[1], seqs[1])
    world.store.checkpoint()
    assert holding(tmp_path, SECOND) == set()


def test_a_file_that_is_written_anew_holds_none_of_many(world: World, tmp_path: Path) -> None:
    """Texts of all sizes in many conversations at once, as docs/operations.md says: after VACUUM no copy is left."""
    chance = random.Random(7)
    ann, *others = world.users(9)
    world.befriend(ann, *others)
    sent = []
    for number in range(300):
        other, text = chance.choice(others), f"Marked{number:04d}." + "x" * chance.choice((0, 40, 800, 3000))
        sent.append((other, world.send(ann, SINGLE, other, text), number))
    recalled = chance.sample(sent, 150)
    for other, seq, _ in recalled:
        world.changes.recall(ann, SINGLE, other, seq)
    world.store.close()
    with sqlite3.connect(tmp_path / "im.db") as connection:
        connection.execute("VACUUM")
    connection.close()
    data = (tmp_path / "im.db").read_bytes()
    gone = {number for _, _, number in recalled}
    assert [number for _, _, number in sent if (f"Marked{number:04d}.".encode() in data) == (number in gone)] == []


def test_the_journal_is_emptied_while_somebody_reads(world: World, tmp_path: Path) -> None:
    """A long read, a backup say, holds old pages: no writer waits for it, and the next time brings it."""
    ann = world.user()
    seq = world.send(ann, SINGLE, ann, FIRST)
    reader = sqlite3.connect(tmp_path / "im.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM message").fetchone()
    world.changes.recall(ann, SINGLE, ann, seq)
    world.store.checkpoint()
    assert "im.db-wal" in holding(tmp_path, FIRST)
    world.send(ann, SINGLE, ann, "on we go")
    reader.execute("COMMIT")
    reader.close()
    world.store.checkpoint()
    assert holding(tmp_path, FIRST) == set()
