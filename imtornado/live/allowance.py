"""How much a socket may do in a minute."""

import time


class Allowance:
    """So many a minute, with a burst of the same size."""

    __slots__ = ("_filled_at", "_left")

    def __init__(self) -> None:
        self._left = -1.0  # -1: not yet filled
        self._filled_at = 0.0

    def take(self, per_minute: int) -> float:
        """Takes one; 0.0, or the seconds until there is one again."""
        now = time.monotonic()
        if self._left < 0:
            self._left = float(per_minute)
        else:
            self._left = min(per_minute, self._left + (now - self._filled_at) * per_minute / 60)
        self._filled_at = now
        if self._left < 1:
            return (1 - self._left) * 60 / per_minute
        self._left -= 1
        return 0.0
