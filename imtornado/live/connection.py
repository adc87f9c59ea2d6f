"""A wire with a user: what the registry knows and what the fan-out writes to."""

from typing import TYPE_CHECKING, Protocol

from imtornado.chinese import translated
from imtornado.drafts import Outcome
from imtornado.errors import ImError
from imtornado.frames import error
from imtornado.live.allowance import Allowance
from imtornado.live.outbox import Close, Flusher
from imtornado.live.wire import Wire
from imtornado.records import Opening

if TYPE_CHECKING:
    from imtornado.live.writer import Pending

ENGLISH, CHINESE = "en", "zh"
LEAVE_S = 3.0  # for the last answers of a socket that is sent away; the writer says 50301 before


class Listener(Protocol):
    """Who is told what a connection hears (`live.chat`)."""

    def received(self, connection: "Connection", payload: bytes) -> None: ...

    def ended(self, connection: "Connection", code: int) -> None: ...

    def answered(self, connection: "Connection", pending: "Pending", outcome: Outcome) -> None: ...


class Connection(Wire):
    """One chat socket of one session. `v1`: speaks im.v1; else it may only ever get messages."""

    __slots__ = (
        "_allowance",
        "_listener",
        "community_ids",
        "language",
        "leaving",
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
        self.leaving = False  # closed as soon as its drafts have their answers
        self.unacked = 0  # messages handed to the writer and not yet answered
        self.strikes = 0  # frames that broke the contract
        self.shown: frozenset[int] = frozenset()  # whose presence this socket shows
        self._allowance: Allowance | None = None  # of messages; most sockets never send one

    def __repr__(self) -> str:
        return f"<socket of user {self.user_id}, session {self.session_id}>"

    def received(self, payload: bytes) -> None:
        if not self.leaving:
            self._listener.received(self, payload)

    def leave(self) -> None:
        """Takes no more messages, and closes with 4001 when those on their way have their answers, a moment at most."""
        self.leaving = True
        if self.unacked:
            self.flusher.loop.call_later(LEAVE_S, self.close, Close.DRAINING, "server draining")
        else:
            self.close(Close.DRAINING, "server draining")

    def ended(self, code: int) -> None:
        self._listener.ended(self, code)

    def answered(self, pending: "Pending", outcome: Outcome) -> None:
        self._listener.answered(self, pending, outcome)

    def refuse(self, failure: ImError, *, cid: str = "", rid: str = "") -> None:
        """Tells the client of an error in its language; the original's clients know no such frame."""
        if self.v1:
            self.send(error(failure, translated(failure, self.language), cid=cid, rid=rid))

    def take(self, per_minute: int) -> float:
        """Takes one message out of the socket's allowance; 0.0, or the seconds until there is one again."""
        if self._allowance is None:
            self._allowance = Allowance()
        return self._allowance.take(per_minute)
