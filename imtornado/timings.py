"""How often something was done and how long it took, by name; a log line for what took too long."""

import logging
import threading

log = logging.getLogger(__name__)


class Timings:
    """Any thread. The names are ours and few: each becomes a label in the metrics."""

    def __init__(self) -> None:
        self.slow_ms = 0.0  # what takes longer is logged; 0: nothing is
        self._mutex = threading.Lock()
        self._sums: dict[str, tuple[int, float]] = {}

    def add(self, name: str, seconds: float, waited_s: float = 0.0) -> None:
        """`seconds` in all, `waited_s` of them for its turn."""
        with self._mutex:
            count, total = self._sums.get(name, (0, 0.0))
            self._sums[name] = count + 1, total + seconds
        if self.slow_ms and seconds * 1000 >= self.slow_ms:
            # INFO: on a busy machine that is how it is, and nothing is wrong with the program.
            log.info("slow: %s took %.0f ms, %.0f of them waiting for its turn", name, seconds * 1000, waited_s * 1000)

    def sums(self) -> dict[str, tuple[int, float]]:
        """{name: (how often, seconds in all)}."""
        with self._mutex:
            return dict(self._sums)
