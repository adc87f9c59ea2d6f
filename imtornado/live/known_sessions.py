"""Who is behind a token, without asking the database again and again: for calls over HTTP.

Only a live session of an enabled user is remembered, under the hash of its token. An event that ends it, disables the
account or changes the profile drops it: before the call that caused the event is answered on this process, at the
next read of the table of events (two seconds) where another process caused it. A socket's upgrade asks the database.
"""

import hashlib
import math
from collections.abc import Callable, Collection

from imtornado.errors import Busy
from imtornado.live.cache import Cache
from imtornado.live.connection import Connection
from imtornado.live.registry import Registry
from imtornado.records import Event, Session, User
from imtornado.workers import Pool

Found = tuple[Session, User]

CHANGING = frozenset({"session.ended", "account.disabled", "profile.updated"})


class KnownSessions:
    """Loop only. `find` looks a token up, on a thread of the pool."""

    def __init__(
        self,
        find: Callable[[str], Found | None],
        pool: Pool,
        registry: Registry,
        now_ms: Callable[[], int],
        size: int,
    ) -> None:
        self._find = find
        self._pool = pool
        self._registry = registry
        self._now_ms = now_ms
        self.cache: Cache[bytes, tuple[bytes, Found]] = Cache(size)
        self._of_user: dict[int, set[bytes]] = {}  # {user_id: keys in the cache}

    async def identify(self, token: str, due_at: float = math.inf) -> Found | None:
        """The live session of the token and its enabled user. Raises: Busy, at the latest at `due_at` (monotonic)."""
        key = hashlib.sha256(token.encode()).digest()
        known = self.cache.get(key)
        if known is not None and known[1][0].expires_at_ms > self._now_ms():
            return known[1]
        ticket = self._registry.ticket()
        found = await self._pool.call_until(due_at, self._find, token)
        if found is not None and not self._changed_since(ticket, found[1].user_id):
            self._keep(key, found)
        return found

    def changed(self, event: Event, data: dict[str, int], receivers: Collection[Connection]) -> None:
        """Forgets all sessions of a user of whom an event tells."""
        if event.kind in CHANGING:
            for key in tuple(self._of_user.get(event.user_id, ())):
                self._forget(self.cache.drop(key))

    def _changed_since(self, ticket: int, user_id: int) -> bool:
        """An event came while he was looked up: perhaps what was found is the state before it."""
        try:
            missed = self._registry.missed(ticket)
        except Busy:
            return True
        return any(event.user_id == user_id and event.kind in CHANGING for event in missed)

    def _keep(self, key: bytes, found: Found) -> None:
        self._forget(self.cache.put(key, (key, found)))
        if len(self.cache):
            self._of_user.setdefault(found[1].user_id, set()).add(key)

    def _forget(self, gone: list[tuple[bytes, Found]]) -> None:
        for key, (_, user) in gone:
            keys = self._of_user.get(user.user_id)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._of_user[user.user_id]
