"""Who has been silent for too long: one timing wheel on the monotonic clock for all sockets.

Tornado's own pings are off: they run on the wall clock, and stop for an hour when it is set back an hour.
Any byte is a sign of life; hidden browser tabs run timers once a minute, the original's clients send nothing.
"""

import asyncio

from imtornado.frames import websocket_frame
from imtornado.live.outbox import Close, Flusher
from imtornado.live.wire import Wire

PING = websocket_frame(b"", 9)
TURN_S = 2  # most seconds of a turn: the timer is never early, and a little late each time


class Liveness:
    """A ping after `heartbeat_s` of silence, gone after twice that."""

    def __init__(self, flusher: Flusher, heartbeat_s: int) -> None:
        self._flusher = flusher
        self._heartbeat_s = heartbeat_s
        self._slots: list[list[Wire]] = [[] for _ in range(2 * heartbeat_s + 1)]
        self._started = flusher.loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = self._flusher.loop.call_later(1, self._turn)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, wire: Wire) -> None:
        self._look_at(wire, wire.heard + self._heartbeat_s)

    def _look_at(self, wire: Wire, tick: int) -> None:
        tick = max(tick, self._flusher.tick + 1)
        self._slots[tick % len(self._slots)].append(wire)

    def _turn(self) -> None:
        """Moves the wheel by the seconds that have passed, each slot looked at once."""
        now = int(self._flusher.loop.time() - self._started)
        # Time in which this process stood still (stopped, swapped out) is nobody's silence: what arrived in it has
        # not been read yet.
        stood_still_s = max(0, now - self._flusher.tick - TURN_S)
        self._started += stood_still_s
        now -= stood_still_s
        while self._flusher.tick < now:
            self._flusher.tick += 1
            slot = self._flusher.tick % len(self._slots)
            due, self._slots[slot] = self._slots[slot], []
            for wire in due:
                self._check(wire)
        self._timer = self._flusher.loop.call_later(1, self._turn)

    def _check(self, wire: Wire) -> None:
        if wire.gone:
            return
        silent_s = self._flusher.tick - wire.heard
        if silent_s >= 2 * self._heartbeat_s:
            wire.close(Close.NO_SIGN_OF_LIFE, "no sign of life")
        elif silent_s >= self._heartbeat_s:
            wire.send(PING)
            self._look_at(wire, wire.heard + 2 * self._heartbeat_s)
        else:
            self._look_at(wire, wire.heard + self._heartbeat_s)
