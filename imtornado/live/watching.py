"""Which users a socket shows: friends and fellow members only, checked when it asks and again when a relation ends."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable, Set

from imtornado.errors import Busy, ImError
from imtornado.live.connection import Connection
from imtornado.live.presence import NOBODY, Presence
from imtornado.live.registry import Registry
from imtornado.records import Event
from imtornado.workers import Pool
from storage.store import Store

log = logging.getLogger(__name__)

CHECKS = 4  # database calls at a time, for all sockets together
GAP_S = 0.5  # least time between two checks of one socket

PARTINGS = frozenset({"community.left", "community.kicked"})
RELATIONS = frozenset({"contact.removed", "contact.updated"})  # the latter: perhaps a block


class Watching:
    """Loop only. One check a socket at a time: whatever is asked or happens meanwhile leads to another one."""

    def __init__(self, store: Store, pool: Pool, registry: Registry, presence: Presence) -> None:
        self._store = store
        self._pool = pool
        self._registry = registry
        self._presence = presence
        self._wishes: dict[Connection, tuple[int, ...]] = {}  # what they asked to show, until it is answered
        self._hidden: dict[Connection, set[int]] = {}  # what they showed until an event: perhaps they still may
        self._due: OrderedDict[Connection, None] = OrderedDict()
        self._checked: set[Connection] = set()  # now, or a moment ago
        self._again: set[Connection] = set()  # of those the ones whose last answer may be out of date
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, connection: Connection, user_ids: tuple[int, ...]) -> None:
        """From the check on the socket shows those of `user_ids` whom its user may see; the last wish counts."""
        self._wishes[connection] = user_ids
        self._check_soon((connection,))

    def forget(self, connection: Connection) -> None:
        """The socket is gone."""
        self._wishes.pop(connection, None)
        self._due.pop(connection, None)
        self._again.discard(connection)
        self._hidden.pop(connection, None)
        self._presence.forget(connection)

    def changed(self, event: Event, data: dict[str, int], receivers: Collection[Connection]) -> None:
        """Whom an event may have parted do not show each other until that has been looked up.

        `receivers` are the sockets that the event is told to.
        """
        if event.kind in RELATIONS:
            self._hide(self._registry.sockets_of_user(event.user_id), {data["userid"]})
            self._hide(self._registry.sockets_of_user(data["userid"]), {event.user_id})
        elif event.kind in PARTINGS:
            self._hide(self._registry.sockets_of_user(event.user_id), None)
            self._hide([*self._presence.watchers(event.user_id), *self._wishes], {event.user_id})
        elif event.kind == "community.dissolved":
            self._hide(receivers, None)

    def _hide(self, connections: Iterable[Connection], user_ids: Set[int] | None) -> None:
        """Takes these (None: all) from what the sockets show, and has them checked."""
        concerned = []
        for connection in connections:
            hidden = connection.shown if user_ids is None else connection.shown & user_ids
            if hidden:
                self._hidden.setdefault(connection, set()).update(hidden)
                self._presence.show(connection, connection.shown - hidden, afresh=False)
            if hidden or (user_ids is None or not user_ids.isdisjoint(self._wishes.get(connection, ()))):
                concerned.append(connection)
        self._check_soon(concerned)

    def _check_soon(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            if connection in self._checked:
                self._again.add(connection)
            elif connection in self._hidden or connection in self._wishes:
                self._due[connection] = None
        self._start()

    def _start(self) -> None:
        while self._due and len(self._tasks) < CHECKS:
            connection, _ = self._due.popitem(last=False)
            self._checked.add(connection)
            task = asyncio.get_running_loop().create_task(self._check(connection))
            self._tasks.add(task)
            task.add_done_callback(self._checked_once)

    def _checked_once(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _check(self, connection: Connection) -> None:
        wish = self._wishes.get(connection)
        asked = connection.shown | self._hidden.get(connection, NOBODY) if wish is None else wish
        try:
            allowed = await self._pool.call(self._store.users.shared, connection.user_id, tuple(asked))
        except Exception as failure:
            self._fail(connection, failure)
            allowed = frozenset()
        asyncio.get_running_loop().call_later(GAP_S, self._rested, connection)
        if connection in self._again:  # the answer may be of before a change, or of an older wish
            self._presence.show(connection, connection.shown & allowed, afresh=False)
        else:
            self._wishes.pop(connection, None)
            self._hidden.pop(connection, None)
            self._presence.show(connection, allowed, afresh=wish is not None)

    def _fail(self, connection: Connection, failure: Exception) -> None:
        """Nobody is shown any more, and the socket is told to ask again."""
        if not isinstance(failure, ImError):
            log.error("presence could not be checked", exc_info=failure)
        connection.refuse(Busy("The server is busy. Try again in a moment.", retry_after_ms=1000))

    def _rested(self, connection: Connection) -> None:
        self._checked.discard(connection)
        if connection in self._again:
            self._again.discard(connection)
            self._check_soon((connection,))
