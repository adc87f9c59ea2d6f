"""Recalls, edits, reactions and kicks of many at the same time: what everybody hears is one story without a gap."""

import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fixtures.server import Server
from tests.people import Failure, Person
from tests.raw_client import RawClient

MEMBERS = 6
MESSAGES = 10
TRIES = 25  # of each member
EXPECTED = {40401, 40301, 40306, 40903}  # gone or outside, not one's own, too late, too many emojis

Answers = dict[int, tuple[int, str, int]]  # {ver: (user id, change, seq)}, as told to those who called


class Storm:
    """A community whose members all change its messages at once."""

    def __init__(self, server: Server, seed: int) -> None:
        self.seed = seed
        self.owner, *self.members = (Person(server.port, f"P{number}") for number in range(MEMBERS + 1))
        self.room: int = self.owner.data("/contact/createcommunity", name=f"Storm {self.owner.user_id}")["id"]
        for member in self.members:
            member.call("/contact/joincommunity", dstid=self.room)
        speakers = [self.owner, *self.members]
        self.seqs = [
            speakers[number % len(speakers)].say(self.room, f"text {number}", cmd=11)["seq"]
            for number in range(MESSAGES)
        ]
        self.sockets = {person: person.connect() for person in speakers}

    def act(self, person: Person) -> Answers:
        """Tries of one person; those that changed something."""
        chance = random.Random(self.seed * 1000 + person.user_id)
        done: Answers = {}
        for number in range(TRIES):
            seq = chance.choice(self.seqs)
            change = chance.choices(("recall", "edit", "react"), (1, 4, 10))[0]
            more: dict[str, object] = {}
            if change == "edit":
                more = {"content": f"{person.nickname} edits {number}"}
            elif change == "react":
                more = {"emoji": chance.choice("👍👎🎉"), "on": chance.random() < 0.6}
            try:
                answer = person.data(f"/message/{change}", kind=11, dstid=self.room, seq=seq, **more)
            except Failure as failure:
                if failure.code not in EXPECTED:
                    raise
                continue
            if not answer["dup"]:
                done[answer["ver"]] = (person.user_id, change, seq)
        return done

    def kick(self, member: Person) -> Answers:
        self.owner.call("/community/kick", dstid=self.room, memberid=member.user_id)
        return {}

    def rows(self, person: Person) -> tuple[list[dict[str, Any]], int]:
        """All changes that he may see, in pages, and the ver that they lead to."""
        rows, since = [], 0
        while True:
            page = person.call("/message/changes", kind=11, dstid=self.room, since=since, limit=7)
            rows += page["rows"]
            since = page["ver"]
            if page["next"] is None:
                return rows, since


def heard(client: RawClient, last_ver: int) -> list[dict[str, Any]]:
    """CHANGE frames up to `last_ver`, or up to his kick."""
    frames: list[dict[str, Any]] = []
    while not frames or frames[-1]["ver"] < last_ver:
        frame = client.json()
        if frame["cmd"] == 16 and frame["event"] == "community.kicked":
            break
        if frame["cmd"] == 13:
            frames.append(frame)
    return frames


def without_data(changes: list[dict[str, Any]]) -> list[tuple[int, int, str, int]]:
    return [(one["ver"], one["userid"], one["change"], one["seq"]) for one in changes]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_story_for_all(chat_server: Server, seed: int) -> None:
    storm = Storm(chat_server, seed)
    kicked, staying = storm.members[:2], [storm.owner, *storm.members[2:]]
    with ThreadPoolExecutor(MEMBERS + 1) as threads:
        running = [threads.submit(storm.act, person) for person in (storm.owner, *storm.members)]
        running += [threads.submit(storm.kick, member) for member in kicked]
        answers: Answers = {}
        for one in running:
            for ver, told in one.result().items():
                assert ver not in answers, "one ver was given twice"
                answers[ver] = told
    last = len(answers)
    assert sorted(answers) == list(range(1, last + 1)), "ver has a gap"
    story = [(ver, *answers[ver]) for ver in range(1, last + 1)]

    frames = {person: heard(storm.sockets[person], last) for person in staying}
    for person in staying:
        assert without_data(frames[person]) == story
        assert without_data(storm.rows(person)[0]) == story
    for member in kicked:
        seen = heard(storm.sockets[member], last)
        assert without_data(seen) == story[: len(seen)]
        rows, ver = storm.rows(member)
        assert without_data(rows) == story[: len(seen)]
        assert ver == len(seen)
        assert member.user_id not in {one[1] for one in story[len(seen) :]}, "he changed something after his kick"
    recalled_at = {seq: ver for ver, _, change, seq in story if change == "recall"}
    assert all(ver <= recalled_at.get(seq, ver) for ver, _, _, seq in story), "something recalled was changed"
    assert_history_follows(storm, frames[storm.owner], recalled_at)


def assert_history_follows(storm: Storm, frames: list[dict[str, Any]], recalled_at: dict[int, int]) -> None:
    """Who replays the frames has what the history says."""
    texts: dict[int, str] = {}
    emojis: dict[int, Counter[str]] = defaultdict(Counter)
    for frame in frames:
        if frame["change"] == "edit":
            texts[frame["seq"]] = frame["content"]
        elif frame["change"] == "react":
            emojis[frame["seq"]][frame["emoji"]] += 1 if frame["on"] else -1
            assert emojis[frame["seq"]][frame["emoji"]] == frame["count"]
    envelope = storm.owner.call("/message/history", kind=11, dstid=storm.room, limit=200)
    assert envelope["ver"] == len(frames)
    for row in envelope["rows"]:
        seq = row["seq"]
        if seq in recalled_at:
            assert row == {"seq": seq, "gone": "recalled"}
        elif seq in storm.seqs:
            assert row["content"] == texts.get(seq, f"text {storm.seqs.index(seq)}")
            assert {one["emoji"]: one["count"] for one in row.get("reactions", ())} == dict(+emojis[seq])
