"""Who is pinged and who is let go, by a clock that the test moves."""

import asyncio
from collections.abc import Callable
from typing import cast

from imtornado.live.liveness import PING, Liveness
from imtornado.live.outbox import Flusher
from imtornado.live.wire import Wire

HEARTBEAT_S = 5


class HandLoop:
    """As much of an event loop as the wheel needs; time passes in `go` only."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._calls: list[tuple[float, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        self._calls.append((self.now_s + delay_s, call))
        return cast(asyncio.TimerHandle, None)

    def call_soon(self, call: Callable[[], object]) -> None:
        call()

    def go(self, seconds: float, *, at_once: bool = False) -> None:
        """Calls what is due, second by second, or after all of them as a process does that stood still."""
        until = self.now_s + seconds
        while self.now_s < until:
            self.now_s = until if at_once else self.now_s + 1.0
            due = [call for at, call in self._calls if at <= self.now_s]
            self._calls = [(at, call) for at, call in self._calls if at > self.now_s]
            for call in due:
                call()


class Peer(Wire):
    """A wire whose frames are looked at in its queue."""

    def received(self, payload: bytes) -> None:
        """Nothing is said."""

    def ended(self, code: int) -> None:
        """Nobody is told."""

    @property
    def pings(self) -> int:
        return self.queue.count(PING)


def watched(loop: HandLoop) -> tuple[Peer, Liveness]:
    flusher = Flusher(cast(asyncio.AbstractEventLoop, loop), 10_000)
    peer, liveness = Peer(flusher), Liveness(flusher, HEARTBEAT_S)
    liveness.start()
    liveness.watch(peer)
    return peer, liveness


def test_silence_is_asked_about_and_then_ends() -> None:
    loop = HandLoop()
    peer, _ = watched(loop)
    loop.go(HEARTBEAT_S - 1)
    assert (peer.pings, peer.closing) == (0, False)
    loop.go(1)
    assert (peer.pings, peer.closing) == (1, False)
    loop.go(HEARTBEAT_S - 1)
    assert not peer.closing
    loop.go(1)
    assert (peer.closing, peer.close_code) == (True, 4002)


def test_any_byte_is_a_sign_of_life() -> None:
    loop = HandLoop()
    peer, _ = watched(loop)
    for _ in range(10):
        loop.go(HEARTBEAT_S + 1)
        assert peer.pings == 1
        peer.queue.clear()
        peer.feed(b"\x8a\x80\x01\x02\x03\x04")
    assert not peer.closing


def test_a_server_that_stood_still_hears_its_sockets_before_it_judges_them() -> None:
    loop = HandLoop()
    peer, _ = watched(loop)
    loop.go(HEARTBEAT_S)
    loop.go(100 * HEARTBEAT_S, at_once=True)
    assert not peer.closing
    peer.feed(b"\x8a\x80\x01\x02\x03\x04")
    loop.go(HEARTBEAT_S - 1)
    assert not peer.closing


def test_a_peer_that_is_dead_after_that_is_let_go_too() -> None:
    loop = HandLoop()
    peer, _ = watched(loop)
    loop.go(100 * HEARTBEAT_S, at_once=True)
    loop.go(2 * HEARTBEAT_S)
    assert (peer.closing, peer.close_code) == (True, 4002)
