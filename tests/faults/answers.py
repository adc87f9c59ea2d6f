"""How long clients waited for their answers, who waited longest and for what, and how late the loops were meanwhile.

The server promises an answer within 2 s; it cannot promise that a busy machine gives it, or us, the processor. So a
socket of its own sends HEART, which is answered without the database, again and again: as long as it waits, somebody's
loop is behind, and that time is taken off.
"""

import asyncio
import time
from typing import Any, NamedTuple

from tests.faults.sockets import ChatSocket
from tests.people import Person

HEART = 0
GAP_S = 0.02  # between an answer to HEART and the next one
PROMISE_S = 2.0
SLOW_S = 1.0  # what took longer is remembered
SHOWN = 5


class Answer(NamedTuple):
    """To one try, whatever it said. The times are of the monotonic clock."""

    who: str
    what: str  # was asked for
    asked_at: float
    answered_at: float

    @property
    def took_s(self) -> float:
        return self.answered_at - self.asked_at


class Answers:
    """Of one run."""

    def __init__(self) -> None:
        self._slow: list[Answer] = []
        self._late: list[tuple[float, float]] = []  # (from, to): a HEART waited for its answer
        self.slowest_s = 0.0

    def add(self, who: str, what: str, asked_at: float) -> None:
        """An answer has come just now."""
        answer = Answer(who, what, asked_at, time.monotonic())
        self.slowest_s = max(self.slowest_s, answer.took_s)
        if answer.took_s > SLOW_S:
            self._slow.append(answer)

    async def watch_loops(self, port: int, person: Person) -> None:
        """Sends HEART until it is cancelled."""
        heard = asyncio.Event()

        def hear(message: dict[str, Any]) -> None:
            if message["cmd"] == HEART:
                heard.set()

        socket = await ChatSocket.open(port, person.token, hear)
        try:
            while True:
                heard.clear()
                asked_at = time.monotonic()
                socket.send({"cmd": HEART, "rid": "pulse"})
                await heard.wait()
                self._late.append((asked_at, time.monotonic()))
                await asyncio.sleep(GAP_S)
        finally:
            socket.abort()

    def behind_s(self, since: float, until: float) -> float:
        """For how long, between two times of the monotonic clock, a loop was behind."""
        return sum(max(0.0, min(end, until) - max(start, since)) for start, end in self._late)

    def told(self) -> str:
        """The slowest, for whoever reads the output."""
        slowest = sorted(self._slow, key=lambda answer: answer.took_s, reverse=True)[:SHOWN]
        return "\n".join(map(self._described, slowest))

    def too_late(self) -> list[str]:
        """Those that took longer than was promised, and would have whatever the loops did."""
        return [
            self._described(answer)
            for answer in self._slow
            if answer.took_s - self.behind_s(answer.asked_at, answer.answered_at) > PROMISE_S
        ]

    def _described(self, answer: Answer) -> str:
        behind_s = self.behind_s(answer.asked_at, answer.answered_at)
        return (
            f"{answer.who} waited {answer.took_s:.2f} s for {answer.what}; loops were behind for {behind_s:.2f} s of it"
        )
