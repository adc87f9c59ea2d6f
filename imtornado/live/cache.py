"""What was read from the database and is believed for a moment: bounded, counted, dropped by events."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Events drop what they made wrong; this is for when they do not come: the table of events cannot be read.
MAX_AGE_S = 10.0


class Cache(Generic[K, V]):
    """The `size` entries that were used last, none older than `max_age_s`; of size 0 it keeps nothing. Loop only.

    Whoever fills it must not put in what an event has made wrong while it was being read.
    """

    def __init__(self, size: int, max_age_s: float = MAX_AGE_S, now: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._max_age_s = max_age_s
        self._now = now
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()  # {key: (when it ends, value)}
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        value = self.peek(key)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
            self._entries.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """As `get`, without counting and without being a use."""
        entry = self._entries.get(key)
        return None if entry is None or entry[0] <= self._now() else entry[1]

    def put(self, key: K, value: V) -> list[V]:
        """Keeps it; what it took the place of, and what had to go for it."""
        gone = self.drop(key)
        if self._size:
            self._entries[key] = (self._now() + self._max_age_s, value)
        if len(self._entries) > self._size:
            gone.append(self._entries.popitem(last=False)[1][1])
        return gone

    def drop(self, key: K) -> list[V]:
        """What was kept under the key, if anything."""
        entry = self._entries.pop(key, None)
        return [] if entry is None else [entry[1]]
