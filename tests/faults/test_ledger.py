"""The oracle objects to every kind of wrong ledger, and to nothing else."""

from collections.abc import Callable

import pytest

from tests.faults.database import Database, Row
from tests.faults.ledger import SYSTEM_MEDIA, Alteration, Finding, Ledger, judge

ANN, BEN, KEY = 1, 2, "10:1:2"


class Run:
    """A run in which everything is right: Ann's three messages after a system line, all read by Ben."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        line = Row(1, 100, ANN, "", "Ann was here", media=SYSTEM_MEDIA)
        rows = [line, *(Row(seq, 100 + seq, ANN, f"cid-{seq}", f"text {seq}") for seq in (2, 3, 4))]
        for row in rows[1:]:
            self.ledger.attempt(ANN, KEY, row.cid, row.content).acked(row.seq, row.message_id)
        self.reader = self.ledger.reader("Ben's phone", BEN)
        self.reader.connections = 1
        for row in rows:
            self.reader.frames.append((1, KEY, row.seq))
            self.reader.place(KEY, row)
        self.database = Database({KEY: rows}, {KEY: 4}, {KEY: []}, {KEY: 0}, {(ANN, KEY): (1, 9), (BEN, KEY): (1, 9)})

    @property
    def rows(self) -> list[Row]:
        return self.database.logs[KEY]

    def move_to(self, *rows: Row) -> None:
        """Database and reader agree on these rows: only the ledger of the attempts is left to object."""
        self.database.logs[KEY] = list(rows)
        self.database.last_seqs[KEY] = len(rows)
        self.reader.rows[KEY] = {row.seq: row for row in rows}
        self.reader.passed_on[KEY] = [row.seq for row in rows]
        self.reader.frames = [(1, KEY, row.seq) for row in rows]


def test_a_right_run_passes() -> None:
    verdict = judge(Run().ledger, Run().database)
    assert verdict.finding is Finding.PASS, verdict
    assert verdict.figures["acked"] == 3
    assert verdict.figures["stored"] == 4


def lost(run: Run) -> None:
    run.move_to(*run.rows[:3])


def doubled(run: Run) -> None:
    run.move_to(*run.rows, Row(5, 105, ANN, "cid-4", "text 4"))


def same_id_twice(run: Run) -> None:
    run.ledger.attempt(ANN, KEY, "cid-5", "text 5").acked(5, 104)
    run.move_to(*run.rows, Row(5, 104, ANN, "cid-5", "text 5"))


def phantom(run: Run) -> None:
    run.move_to(*run.rows, Row(5, 105, ANN, "cid-5", "text 5"))


def phantom_without_cid(run: Run) -> None:
    run.move_to(*run.rows, Row(5, 105, ANN, "", "text 5"))


def altered_body(run: Run) -> None:
    run.move_to(*run.rows[:3], Row(4, 104, ANN, "cid-4", "text 4, nearly"))


def other_conversation(run: Run) -> None:
    run.ledger.attempts[ANN, "cid-3"].key = "10:1:3"


def acked_at_another_place(run: Run) -> None:
    run.ledger.attempts[ANN, "cid-3"].acks = [(4, 103)]


def acked_with_another_id(run: Run) -> None:
    run.ledger.attempts[ANN, "cid-3"].acks = [(3, 999)]


def acked_twice_differently(run: Run) -> None:
    run.ledger.attempts[ANN, "cid-3"].acked(4, 104, dup=True)


def refused_and_stored(run: Run) -> None:
    run.ledger.attempts[ANN, "cid-3"].acks = []
    run.ledger.attempts[ANN, "cid-3"].refused(40302)


def gap(run: Run) -> None:
    run.move_to(*run.rows[:3], Row(5, 104, ANN, "cid-4", "text 4"))
    run.ledger.attempts[ANN, "cid-4"].acks = [(5, 104)]
    run.reader.frames = [(1, KEY, 2)]


def last_seq_runs_ahead(run: Run) -> None:
    run.database.last_seqs[KEY] = 5


def gap_in_ver(run: Run) -> None:
    run.database.vers[KEY] = [1, 3]
    run.database.last_vers[KEY] = 3


def ver_without_change(run: Run) -> None:
    run.database.last_vers[KEY] = 1


def damaged(run: Run) -> None:
    run.database.damage = "row 3 missing from index"


def reader_misses_the_last(run: Run) -> None:
    del run.reader.rows[KEY][4]
    run.reader.passed_on[KEY].pop()
    run.reader.frames.pop()


def reader_saw_another_body(run: Run) -> None:
    run.reader.rows[KEY][3] = Row(3, 103, ANN, "cid-3", "text")


def reader_saw_too_much(run: Run) -> None:
    run.database.windows[BEN, KEY] = (1, 3)


def reader_saw_a_foreign_conversation(run: Run) -> None:
    run.database.logs["11:9"] = [Row(1, 99, ANN, "", "Ann was here", media=SYSTEM_MEDIA)]
    run.database.last_seqs["11:9"] = 1
    run.database.last_vers["11:9"] = 0
    run.reader.place("11:9", run.database.logs["11:9"][0])


def reader_was_told_out_of_order(run: Run) -> None:
    run.reader.passed_on[KEY] = [1, 3, 2, 4]


def reader_was_told_twice(run: Run) -> None:
    run.reader.passed_on[KEY] = [1, 2, 3, 3, 4]


def frames_out_of_order(run: Run) -> None:
    run.reader.frames = [(1, KEY, 2), (1, KEY, 4), (1, KEY, 3)]


def frame_twice(run: Run) -> None:
    run.reader.frames.append((1, KEY, 4))


def frame_left_out(run: Run) -> None:
    run.reader.frames = [(1, KEY, 2), (1, KEY, 4)]


def gone_and_not_recalled(run: Run) -> None:
    run.move_to(*run.rows[:3], Row(4, 104, ANN, "cid-4", "", gone=True))


def recalled_and_there(run: Run) -> None:
    run.ledger.alterations.append(Alteration(KEY, 3, None, acked=True))


def recalled_and_kept(run: Run) -> None:
    run.ledger.alterations.append(Alteration(KEY, 4, None, acked=True))
    run.move_to(*run.rows[:3], Row(4, 104, ANN, "cid-4", "text 4", gone=True))


def reader_keeps_what_is_recalled(run: Run) -> None:
    run.ledger.alterations.append(Alteration(KEY, 4, None, acked=True))
    run.database.logs[KEY][3] = Row(4, 104, ANN, "cid-4", "", gone=True)


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lost, "lost"),
        (doubled, "doubled"),
        (same_id_twice, "message id 104 was given 2 times"),
        (phantom, "phantom"),
        (phantom_without_cid, "phantom"),
        (altered_body, "another body"),
        (other_conversation, "stored in 10:1:2, sent to 10:1:3"),
        (acked_at_another_place, "acknowledged as (4, 103), stored as (3, 103)"),
        (acked_with_another_id, "acknowledged as (3, 999), stored as (3, 103)"),
        (acked_twice_differently, "two places were acknowledged"),
        (refused_and_stored, "refused with [40302] and stored"),
        (gap, "gap: 4 rows, the first wrong place is 4"),
        (last_seq_runs_ahead, "last_seq is 5, rows end at 4"),
        (gap_in_ver, "ver is 3, changes are [1, 3]"),
        (ver_without_change, "ver is 1, changes are []"),
        (damaged, "damaged"),
        (reader_misses_the_last, "1 places differ, the first is 4: saw None"),
        (reader_saw_another_body, "1 places differ, the first is 3"),
        (reader_saw_too_much, "the first is 4"),
        (reader_saw_a_foreign_conversation, "11:9: 1 places differ"),
        (reader_was_told_out_of_order, "passed on out of order"),
        (reader_was_told_twice, "passed on out of order, twice"),
        (frames_out_of_order, "one connection brought 4 after 2"),
        (frame_twice, "one connection brought 4 after 4"),
        (frame_left_out, "one connection brought 4 after 2"),
        (gone_and_not_recalled, "nobody recalled it"),
        (recalled_and_there, "a recall was acknowledged, and the message is there"),
        (recalled_and_kept, "its text is kept"),
        (reader_keeps_what_is_recalled, "1 places differ, the first is 4"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_oracle_objects(break_it: Callable[[Run], None], complaint: str) -> None:
    run = Run()
    break_it(run)
    verdict = judge(run.ledger, run.database)
    assert verdict.finding is Finding.FAILURE
    assert complaint in str(verdict)


def nothing_attempted(run: Run) -> None:
    run.ledger.attempts.clear()


def nothing_acked(run: Run) -> None:
    for attempt in run.ledger.attempts.values():
        attempt.acks.clear()
        attempt.refused(50301)


def an_attempt_without_outcome(run: Run) -> None:
    run.ledger.attempt(ANN, KEY, "cid-5", "text 5")


def nobody_read(run: Run) -> None:
    run.ledger.readers.clear()


def never_connected(run: Run) -> None:
    run.reader.connections = 0


def no_frame(run: Run) -> None:
    run.reader.frames.clear()


@pytest.mark.parametrize(
    "spoil",
    [nothing_attempted, nothing_acked, an_attempt_without_outcome, nobody_read, never_connected, no_frame],
    ids=lambda value: value.__name__,
)
def test_a_run_that_proves_nothing_is_no_pass(spoil: Callable[[Run], None]) -> None:
    run = Run()
    spoil(run)
    assert judge(run.ledger, run.database).finding is Finding.INVALID


def test_an_unknown_outcome_may_be_stored_or_not() -> None:
    run = Run()
    run.ledger.attempts[ANN, "cid-3"].acks = []
    run.ledger.attempts[ANN, "cid-3"].refused(50301)
    run.ledger.attempt(ANN, KEY, "cid-5", "text 5").unknown += 1
    assert judge(run.ledger, run.database).finding is Finding.PASS


def test_a_recall_whose_outcome_is_unknown_may_have_happened_or_not() -> None:
    run = Run()
    run.ledger.alterations += [Alteration(KEY, 3, None), Alteration(KEY, 4, None)]
    run.move_to(*run.rows[:3], Row(4, 104, ANN, "cid-4", "", gone=True))
    assert judge(run.ledger, run.database).finding is Finding.PASS


def test_an_edit_is_no_altered_body() -> None:
    run = Run()
    run.ledger.alterations.append(Alteration(KEY, 4, "text 4, better", acked=True))
    run.move_to(*run.rows[:3], Row(4, 104, ANN, "cid-4", "text 4, better"))
    assert judge(run.ledger, run.database).finding is Finding.PASS


def test_a_window_ends_what_a_reader_must_have() -> None:
    run = Run()
    run.database.windows[BEN, KEY] = (2, 3)
    run.reader.rows[KEY] = {row.seq: row for row in run.rows[1:3]}
    run.reader.passed_on[KEY] = [2, 3]
    assert judge(run.ledger, run.database).finding is Finding.PASS
