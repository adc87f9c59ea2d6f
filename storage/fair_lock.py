"""A lock that is given in the order in which it was asked for."""

import threading
from collections import deque


class FairLock:
    """First come, first served; a `threading.Lock` may go back to the thread that just released it, past others."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._gates: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """Threads in the queue."""
        return len(self._gates)

    def acquire(self, timeout_s: float) -> bool:
        """True when it is ours; False after `timeout_s` in the queue."""
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        if gate.acquire(timeout=timeout_s):
            return True
        with self._mutex:
            if gate in self._gates:
                self._gates.remove(gate)
                return False
            return True  # handed over between the time-out and the mutex

    def release(self) -> None:
        """Hands the lock to whoever has waited longest."""
        with self._mutex:
            if self._gates:
                self._gates.popleft().release()
            else:
                self._held = False
