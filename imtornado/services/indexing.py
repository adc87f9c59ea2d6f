"""Filling the index of searches, a step at a time behind the messages.

Whoever runs the steps pauses between them. A process may end in the middle of one: another goes on where it stood.
"""

import uuid

from storage.store import Store

MESSAGES = 3_000  # a step: it holds SQLite's only place for a writer for some ten milliseconds
MESSAGES_WHEN_BUSY = 1_000


class Indexing:
    """Worker threads only, one at a time. Raises: Busy: the step is made again."""

    def __init__(self, store: Store) -> None:
        self._index = store.search_index
        self._holder = uuid.uuid4().hex
        self.messages = 0  # indexed by this process since its start
        self.lag_ms = 0  # how long the work of the last step had been waiting to be done

    def step(self, *, busy: bool = False, tails: bool = False) -> bool | None:
        """One piece of work, a smaller one while others are `busy`; `tails`: of the last messages of chats too.

        False when nothing is left, None while another process does it.
        """
        step = self._index.step(self._holder, MESSAGES_WHEN_BUSY if busy else MESSAGES, tails=tails)
        if step is None:
            self.lag_ms = 0
            return None
        self.messages += step.messages
        self.lag_ms = step.lag_ms
        return step.more
