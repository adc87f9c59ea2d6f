"""Removing messages that are older than `messages.keep_days`, a little at a time.

A step looks at some conversations or removes some messages of one, as a change of that conversation among its others.
Whoever runs the steps pauses between them. A process may end between two steps or in one: the next pass goes on.
"""

import secrets
from collections import deque

from imtornado.clock import Clock
from imtornado.drafts import Change, Changed, ConversationTx
from imtornado.services.community_changes import Commit
from storage.store import Store

DAY_MS = 86_400_000
LOOKED_AT = 500  # conversations a step
JOB = "retention"
HELD_MS = 60_000
REMOVED = 100  # messages a step: a batch that has to carry it stays short


class Retention:
    """Worker threads only, one at a time. Raises: Busy: the step is made again."""

    def __init__(self, store: Store, clock: Clock, commit: Commit, keep_days: int, holder: str = "") -> None:
        self._store = store
        self._conversations = store.conversations
        self._holder = holder or secrets.token_hex(8)
        self._held_until_ms = 0
        self._clock = clock
        self._commit = commit
        self._keep_ms = keep_days * DAY_MS
        self._due: deque[str] = deque()  # keys of conversations that hold something too old
        self._looked_at = 0  # the id of the last conversation of this pass
        self.is_elsewhere = False  # another process does it, or did until it ended a moment ago
        self.removed = 0  # messages, since the start

    def step(self) -> bool:
        """One piece of work; False at the end of a pass over all conversations, and while another process does it."""
        if not self._keep_ms or not self._holds():
            return False
        before_ms = self._clock.now_ms() - self._keep_ms
        if self._due:
            if self._remove(self._due[0], before_ms) < REMOVED:
                self._due.popleft()
            return bool(self._due) or self._looked_at > 0
        keys, self._looked_at = self._conversations.older(before_ms, self._looked_at, LOOKED_AT)
        self._due.extend(keys)
        return bool(self._due) or self._looked_at > 0

    def let_go(self) -> None:
        """Another process, or the next start of this one, need not wait until this one has fallen silent."""
        if self._held_until_ms:
            self._held_until_ms = 0
            self._store.let_go(JOB, self._holder)

    def _holds(self) -> bool:
        """This process is the one that does it; asked for in the database before the time is half over."""
        now_ms = self._clock.now_ms()
        if self._held_until_ms - now_ms > HELD_MS / 2:
            return True
        self.is_elsewhere = not self._store.hold(JOB, self._holder, HELD_MS)
        if self.is_elsewhere:
            self._held_until_ms = self._looked_at = 0
            self._due.clear()
            return False
        self._held_until_ms = now_ms + HELD_MS
        return True

    def _remove(self, key: str, before_ms: int) -> int:
        def expire(tx: ConversationTx) -> int:
            return tx.messages.expire(before_ms, REMOVED)

        outcome = self._commit(Change(key, expire))
        assert isinstance(outcome, Changed)
        removed = outcome.result
        assert isinstance(removed, int)
        self.removed += removed
        return removed
