"""Time as the messenger counts it: epoch milliseconds that never run backwards inside a process."""

import threading
import time


class Clock:
    """Wall-clock milliseconds, held back when the system clock is set back.

    Conversation order and `stamp` stand on times that do not decrease; `at_least` seeds the clock with the
    latest time found in the database, so that a restart after a clock change keeps the promise.
    """

    def __init__(self) -> None:
        self._last_ms = 0
        self._lock = threading.Lock()

    def now_ms(self) -> int:
        """Epoch milliseconds, never less than any value given before. Any thread."""
        with self._lock:
            self._last_ms = max(self._last_ms, time.time_ns() // 1_000_000)
            return self._last_ms

    def at_least(self, floor_ms: int) -> None:
        """Makes every later reading at least `floor_ms`."""
        with self._lock:
            self._last_ms = max(self._last_ms, floor_ms)
