"""Who is there: told only to sockets that show that user, gathered for a moment, dropped first under load."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

from imtornado.frames import Cmd, frame
from imtornado.live.connection import Connection
from imtornado.live.outbox import Ephemeral
from imtornado.live.registry import Registry
from imtornado.protocol import rfc3339

GATHER_S = 1.0  # a reload of a page is no absence
REMEMBERED = 100_000  # users whose last sight is kept
NOBODY: frozenset[int] = frozenset()


class Presence:
    """{user: the sockets that show him}; whoever opens or ends his last socket is told of to those."""

    def __init__(self, registry: Registry, now_ms: Callable[[], int]) -> None:
        self._registry = registry
        self._now_ms = now_ms
        self._watchers: dict[int, set[Connection]] = {}  # {user_id: {connection, …}}
        self._last_seen_ms: OrderedDict[int, int] = OrderedDict()
        self._told: dict[int, bool | None] = {}  # what the watchers of a user were told last, None: not the same
        self._moved: set[int] = set()

    def state(self, user_ids: Iterable[int]) -> dict[int, tuple[bool, int]]:
        """{user_id: (online, last_seen_ms)}; 0 where he was not seen since this server started."""
        seen = self._last_seen_ms
        return {user_id: (self._registry.online(user_id), seen.get(user_id, 0)) for user_id in user_ids}

    def moved(self, user_id: int) -> None:
        """A socket of his opened, or his last one ended."""
        if not self._registry.online(user_id):
            self._last_seen_ms[user_id] = self._now_ms()
            self._last_seen_ms.move_to_end(user_id)
            if len(self._last_seen_ms) > REMEMBERED:
                self._last_seen_ms.popitem(last=False)
        if user_id in self._watchers:
            if not self._moved:
                asyncio.get_running_loop().call_later(GATHER_S, self._tell)
            self._moved.add(user_id)

    def show(self, connection: Connection, user_ids: frozenset[int], *, afresh: bool) -> None:
        """From now on this socket shows exactly these; it hears how the new ones are, `afresh`: all of them."""
        before = connection.shown
        for user_id in before - user_ids:
            self._drop(connection, user_id)
        connection.shown = NOBODY if connection.gone else user_ids
        for user_id in connection.shown if afresh else connection.shown - before:
            self._watchers.setdefault(user_id, set()).add(connection)
            online, last_seen_ms = self.state((user_id,))[user_id]
            if self._told.setdefault(user_id, online) != online:
                self._told[user_id] = None  # the others are about to hear of it
            connection.send(_frame(user_id, online, last_seen_ms))

    def forget(self, connection: Connection) -> None:
        self.show(connection, NOBODY, afresh=False)

    def _drop(self, connection: Connection, user_id: int) -> None:
        watchers = self._watchers[user_id]
        watchers.discard(connection)
        if not watchers:
            del self._watchers[user_id]
            self._told.pop(user_id, None)

    def watchers(self, user_id: int) -> tuple[Connection, ...]:
        return tuple(self._watchers.get(user_id, ()))

    def _tell(self) -> None:
        moved, self._moved = self._moved, set()
        for user_id, (online, last_seen_ms) in self.state(moved).items():
            if user_id in self._watchers and self._told.get(user_id) != online:
                self._told[user_id] = online
                for connection in self.watchers(user_id):
                    connection.send(_frame(user_id, online, last_seen_ms))


def _frame(user_id: int, online: bool, last_seen_ms: int) -> Ephemeral:
    return Ephemeral(frame(Cmd.PRESENCE, userid=user_id, online=online, last_seen=rfc3339(last_seen_ms)))
