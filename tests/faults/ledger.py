"""The ledger of a run: every attempt with its outcome, every frame that a reader saw, and the database at the end.

`judge` is the oracle: acked ⊆ stored ⊆ attempted; seq = 1..n in each conversation, ver too; each reader's log is
the database's log within his window; nothing twice; equal bodies. It knows nothing of the server but the tables.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.database import Database, Row

SYSTEM_MEDIA = 20
BUSY = 50301
SHOWN = 20  # problems that a verdict spells out


def conversation_key(kind: int, user_id: int, dstid: int) -> str:
    """How the ledger names a conversation: "10:3:7" for two people, "11:5" for a community."""
    return f"11:{dstid}" if kind == 11 else f"10:{min(user_id, dstid)}:{max(user_id, dstid)}"


@dataclass(slots=True)
class Attempt:
    """One message that a sender tried to send, however often."""

    sender_id: int
    key: str
    cid: str
    content: str
    tries: int = 0
    acks: list[tuple[int, int]] = field(default_factory=list)  # (seq, message_id) of every ACK
    dups: int = 0
    refusals: list[int] = field(default_factory=list)  # final codes
    unknown: int = 0  # tries that ended in 50301, silence or a lost connection

    def acked(self, seq: int, message_id: int, *, dup: bool = False) -> None:
        self.acks.append((seq, message_id))
        self.dups += dup

    def refused(self, code: int) -> None:
        if code // 100 == 503:
            self.unknown += 1
        else:
            self.refusals.append(code)


@dataclass(slots=True)
class Alteration:
    """A recall (`content` None) or an edit that somebody tried."""

    key: str
    seq: int
    content: str | None
    acked: bool = False


class ReaderLog:
    """What one reading device saw (`frames`), and what its client made of it (`rows`, `passed_on`)."""

    def __init__(self, name: str, user_id: int) -> None:
        self.name = name
        self.user_id = user_id
        self.connections = 0
        self.frames: list[tuple[int, str, int]] = []  # (connection, key, seq) of every message over the socket
        self.rows: dict[str, dict[int, Row]] = defaultdict(dict)  # {key: {seq: its newest state}}
        self.passed_on: dict[str, list[int]] = defaultdict(list)  # {key: seqs in the order in which the user saw them}

    def place(self, key: str, row: Row) -> None:
        """A message that was not known yet."""
        self.rows[key][row.seq] = row
        self.passed_on[key].append(row.seq)


class Ledger:
    def __init__(self) -> None:
        self.attempts: dict[tuple[int, str], Attempt] = {}  # {(sender_id, cid): …}
        self.alterations: list[Alteration] = []
        self.readers: list[ReaderLog] = []

    def attempt(self, sender_id: int, key: str, cid: str, content: str) -> Attempt:
        """The attempt's entry, counting one more try."""
        entry = self.attempts.setdefault((sender_id, cid), Attempt(sender_id, key, cid, content))
        entry.tries += 1
        return entry

    def reader(self, name: str, user_id: int) -> ReaderLog:
        log = ReaderLog(name, user_id)
        self.readers.append(log)
        return log

    @property
    def acked_count(self) -> int:
        return sum(1 for attempt in self.attempts.values() if attempt.acks)


class Finding(StrEnum):
    PASS = "pass"
    FAILURE = "product failure"
    INVALID = "harness invalid"


@dataclass(frozen=True, slots=True)
class Verdict:
    finding: Finding
    problems: tuple[str, ...]
    figures: dict[str, int]

    def __str__(self) -> str:
        more = [f"… and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
        figures = ", ".join(f"{name} {number:,}" for name, number in self.figures.items())
        return "\n  ".join([f"{self.finding}: {figures}", *self.problems[:SHOWN], *more])


def judge(ledger: Ledger, database: Database, *, readers: bool = True) -> Verdict:
    """The verdict. `readers` False: a run in which nobody reads."""
    figures = {
        "attempted": len(ledger.attempts),
        "acked": ledger.acked_count,
        "tries with unknown outcome": sum(attempt.unknown for attempt in ledger.attempts.values()),
        "acked as repeats": sum(1 for attempt in ledger.attempts.values() if attempt.dups),
        "stored": sum(len(log) for log in database.logs.values()),
        "alterations": len(ledger.alterations),
        "frames read": sum(len(reader.frames) for reader in ledger.readers),
    }
    if invalid := tuple(_invalid(ledger, readers)):
        return Verdict(Finding.INVALID, invalid, figures)
    problems = (
        *([f"damaged: {database.damage}"] if database.damage else []),
        *_order(database),
        *_attempts(ledger, database),
        *_stored(ledger, database),
        *(problem for reader in ledger.readers for problem in _reader(reader, database)),
    )
    return Verdict(Finding.FAILURE if problems else Finding.PASS, problems, figures)


def _invalid(ledger: Ledger, readers: bool) -> Iterator[str]:
    """Why the run proves nothing."""
    if not ledger.attempts:
        yield "nothing was attempted"
    elif not ledger.acked_count:
        yield "nothing was acknowledged"
    for attempt in ledger.attempts.values():
        if not (attempt.acks or attempt.refusals or attempt.unknown):
            yield f"{attempt.cid} has no outcome"
    if readers and not ledger.readers:
        yield "nobody read"
    for reader in ledger.readers:
        if not reader.connections:
            yield f"{reader.name} never connected"
        elif not reader.frames:
            yield f"{reader.name} saw no frame"


def _order(database: Database) -> Iterator[str]:
    for key, log in database.logs.items():
        seqs = [row.seq for row in log]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"{key}: gap: {len(seqs)} rows, the first wrong place is {_first_wrong(seqs)}"
        if database.last_seqs[key] != len(seqs):
            yield f"{key}: last_seq is {database.last_seqs[key]}, rows end at {len(seqs)}"
        vers = database.vers.get(key, [])
        if vers != list(range(1, len(vers) + 1)) or database.last_vers[key] != len(vers):
            yield f"{key}: ver is {database.last_vers[key]}, changes are {vers[:10]}…"


def _first_wrong(seqs: list[int]) -> int:
    return next((place for place, seq in enumerate(seqs, 1) if place != seq), 0)


def _places(database: Database) -> dict[tuple[int, str], list[tuple[str, Row]]]:
    """{(sender_id, cid): where it stands}."""
    places: dict[tuple[int, str], list[tuple[str, Row]]] = defaultdict(list)
    for key, log in database.logs.items():
        for row in log:
            if row.cid:
                places[row.sender_id, row.cid].append((key, row))
    return places


def _attempts(ledger: Ledger, database: Database) -> Iterator[str]:
    places = _places(database)
    contents = _contents(ledger)
    for name, attempt in ledger.attempts.items():
        found = places.get(name, [])
        if len(set(attempt.acks)) > 1:
            yield f"{attempt.cid}: two places were acknowledged: {sorted(set(attempt.acks))}"
        if len(found) > 1:
            yield f"{attempt.cid}: doubled: {[(key, row.seq) for key, row in found]}"
        if not found:
            if attempt.acks:
                yield f"{attempt.cid}: lost: acknowledged as {attempt.acks[0]} and not stored"
            continue
        key, row = found[0]
        if attempt.refusals and not (attempt.acks or attempt.unknown):
            yield f"{attempt.cid}: refused with {attempt.refusals} and stored as {row.seq}"
        if key != attempt.key:
            yield f"{attempt.cid}: stored in {key}, sent to {attempt.key}"
        if attempt.acks and attempt.acks[0] != (row.seq, row.message_id):
            yield f"{attempt.cid}: acknowledged as {attempt.acks[0]}, stored as {row.seq, row.message_id}"
        if not row.gone and row.content != attempt.content and row.content not in contents.get((key, row.seq), ()):
            yield f"{attempt.cid}: another body is stored"


def _contents(ledger: Ledger) -> dict[tuple[str, int], set[str]]:
    """{(key, seq): texts that edits may have given it}."""
    contents: dict[tuple[str, int], set[str]] = defaultdict(set)
    for alteration in ledger.alterations:
        if alteration.content is not None:
            contents[alteration.key, alteration.seq].add(alteration.content)
    return contents


def _stored(ledger: Ledger, database: Database) -> Iterator[str]:
    """What is stored was attempted, what is gone was recalled, what was recalled is gone."""
    recalls: dict[tuple[str, int], bool] = {}  # {(key, seq): acknowledged}
    for alteration in ledger.alterations:
        if alteration.content is None:
            place = alteration.key, alteration.seq
            recalls[place] = recalls.get(place, False) or alteration.acked
    ids: Counter[int] = Counter()
    for key, log in database.logs.items():
        for row in log:
            ids[row.message_id] += 1
            if row.media != SYSTEM_MEDIA and (row.sender_id, row.cid) not in ledger.attempts:
                yield f"{key} {row.seq}: phantom: nobody sent {row.cid!r}"
            recall = recalls.get((key, row.seq))
            if row.gone and recall is None:
                yield f"{key} {row.seq}: gone, and nobody recalled it"
            if recall and not row.gone:
                yield f"{key} {row.seq}: a recall was acknowledged, and the message is there"
            if row.gone and row.content:
                yield f"{key} {row.seq}: recalled, and its text is kept"
    yield from (f"message id {number} was given {count} times" for number, count in ids.items() if count > 1)


def _reader(reader: ReaderLog, database: Database) -> Iterator[str]:
    last: dict[tuple[int, str], int] = {}
    for connection, key, seq in reader.frames:
        before = last.get((connection, key))
        if before is not None and seq != before + 1:
            yield f"{reader.name} {key}: one connection brought {seq} after {before}"
        last[connection, key] = seq
    for key, log in database.logs.items():
        window = database.windows.get((reader.user_id, key))
        expected = {row.seq: row.shown() for row in log if window and window[0] <= row.seq <= window[1]}
        seen = {seq: row.shown() for seq, row in reader.rows.get(key, {}).items()}
        if seen != expected:
            wrong = sorted(seq for seq in expected.keys() | seen.keys() if expected.get(seq) != seen.get(seq))
            seq = wrong[0]
            yield (
                f"{reader.name} {key}: {len(wrong)} places differ, the first is {seq}:"
                f" saw {seen.get(seq)}, stored is {expected.get(seq)}"
            )
        if reader.passed_on.get(key, []) != sorted(expected):
            yield f"{reader.name} {key}: passed on out of order, twice or with holes"
    for key in reader.rows.keys() - database.logs.keys():
        yield f"{reader.name}: saw {key}, which does not exist"
