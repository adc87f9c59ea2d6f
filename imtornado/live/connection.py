"""A wire with a user: what the registry knows and what the fan-out writes to."""

import time
from typing import TYPE_CHECKING, Protocol

from imtornado.drafts import Outcome
from imtornado.live.outbox import Flusher
from imtornado.live.wire import Wire
from imtornado.records import Opening

if TYPE_CHECKING:
    from imtornado.live.writer import Pending

ENGLISH, CHINESE = "en", "zh"


class Listener(Protocol):
    """Who is told what a connection hears (`live.chat`)."""

    def received(self, connection: "Connection", payload: bytes) -> None: ...

    def ended(self, connection: "Connection", code: int) -> None: ...

    def answered(self, connection: "Connection", pending: "Pending", outcome: Outcome) -> None: ...


class Connection(Wire):
    """One chat socket of one session. `v1`: speaks im.v1; else it may only ever get messages."""

    __slots__ = (
        "_allowance",
        "_filled_at",
        "_listener",
        "community_ids",
        "language",
        "session_id",
        "shown",
        "strikes",
        "unacked",
        "user_id",
        "v1",
    )

    def __init__(self, flusher: Flusher, listener: Listener, opening: Opening, *, v1: bool, language: str) -> None:
        super().__init__(flusher)
        self._listener = listener
        self.user_id = opening.user.user_id
        self.session_id = opening.session.session_id
        self.community_ids: set[int] = set()  # kept by the registry
        self.v1 = v1
        self.language = language
        self.unacked = 0  # messages handed to the writer and not yet answered
        self.strikes = 0  # frames that broke the contract
        self.shown: frozenset[int] = frozenset()  # whose presence this socket shows
        self._allowance = -1.0  # messages that may come at once; -1: not yet filled
        self._filled_at = 0.0

    def __repr__(self) -> str:
        return f"<socket of user {self.user_id}, session {self.session_id}>"

    def received(self, payload: bytes) -> None:
        self._listener.received(self, payload)

    def ended(self, code: int) -> None:
        self._listener.ended(self, code)

    def answered(self, pending: "Pending", outcome: Outcome) -> None:
        self._listener.answered(self, pending, outcome)

    def take(self, per_minute: int) -> float:
        """Takes one message out of the socket's allowance; 0.0, or the seconds until there is one again."""
        now = time.monotonic()
        if self._allowance < 0:
            self._allowance = float(per_minute)
        else:
            self._allowance = min(per_minute, self._allowance + (now - self._filled_at) * per_minute / 60)
        self._filled_at = now
        if self._allowance < 1:
            return (1 - self._allowance) * 60 / per_minute
        self._allowance -= 1
        return 0.0
