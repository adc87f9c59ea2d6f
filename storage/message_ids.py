"""Message ids for lines of ours, taken from their counter before the transactions that use them.

Inside the transaction the counter's row would stay locked until its commit, and every other writer wait for it.
"""

import threading

BLOCK = 1000
LEAST = 100  # more than one transaction will need


class MessageIds:
    """A block of ids. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = self._end = 0

    @property
    def are_few(self) -> bool:
        return self._end - self._next < LEAST

    def take(self) -> int:
        """0 when none is left."""
        with self._lock:
            if self._next == self._end:
                return 0
            self._next += 1
            return self._next - 1

    def refill(self, first: int) -> None:
        """With the BLOCK ids from `first` on; those that were left are never used."""
        with self._lock:
            self._next, self._end = first, first + BLOCK
