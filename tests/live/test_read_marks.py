"""Read marks are gathered, on a loop whose clock the test sets."""

import asyncio
from collections.abc import Iterator

import pytest

from imtornado.drafts import ReadDraft
from imtornado.live.read_marks import GAP_S, ReadMarks
from imtornado.records import Kind


class SetLoop(asyncio.SelectorEventLoop):
    now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def later(self, seconds: float) -> None:
        """Does what is due then."""
        self.now_s += seconds
        self.call_soon(self.stop)
        self.run_forever()


@pytest.fixture
def loop() -> Iterator[SetLoop]:
    opened = SetLoop()
    yield opened
    opened.close()


def mark(seq: int, user_id: int = 1, dstid: int = 2) -> ReadDraft:
    return ReadDraft(user_id, Kind.SINGLE, dstid, seq)


def test_one_write_a_second_with_the_highest_mark(loop: SetLoop) -> None:
    marks, written = ReadMarks(loop), list[ReadDraft]()
    for seq in (1, 2, 5, 3):
        marks.take(mark(seq), written.append)
    assert written == [mark(1)]
    loop.later(GAP_S)
    assert written == [mark(1), mark(5)]
    marks.take(mark(6), written.append)  # the second of the one that had waited has just begun
    assert written == [mark(1), mark(5)]
    loop.later(GAP_S)
    assert written == [mark(1), mark(5), mark(6)]
    loop.later(GAP_S)
    marks.take(mark(7), written.append)
    assert written[-1] == mark(7)


def test_marks_of_others_and_elsewhere_do_not_wait(loop: SetLoop) -> None:
    marks, written = ReadMarks(loop), list[ReadDraft]()
    drafts = [mark(1), mark(1, user_id=3), mark(1, dstid=4)]
    for draft in drafts:
        marks.take(draft, written.append)
    assert written == drafts
