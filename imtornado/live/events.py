"""Changes of relations, sessions and communities, applied to what is connected.

They come from three sides: with the outcomes of the writer, from services after their commits, and from a
read of the event table every two seconds, which brings what other processes did (the command line, other
nodes). An event is applied once, however often it comes.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import msgspec

from imtornado.frames import Cmd, websocket_frame
from imtornado.live.connection import Connection
from imtornado.live.outbox import Close
from imtornado.live.registry import Registry
from imtornado.protocol import encode
from imtornado.records import Event
from imtornado.workers import Pool
from storage.store import Store

log = logging.getLogger(__name__)

POLL_S = 2.0
PAGE = 1000
OVERLAP = 500  # ids read again: on MySQL a lower id may become visible after a higher one
REMEMBERED = 50_000
KEPT_MS = 24 * 3600 * 1000
PRUNE_S = 3600.0
PRUNED_AT_ONCE = 1000  # a day's may be a million: in one transaction they would be in everybody's way
PRUNE_REST_S = 0.05
INTERNAL = frozenset({"session.ended", "account.disabled"})  # never told as a NOTICE

Listener = Callable[
    [Event, dict[str, int], Collection[Connection]], None
]  # (event, its data, the sockets it is told to)


class Events:
    """Loop only, but for `from_thread`."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        registry: Registry,
        watchers: Callable[[int], Collection[Connection]],
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._store = store
        self._pool = pool
        self._registry = registry
        self._watchers = watchers
        self._listeners = listeners
        self._loop = asyncio.get_running_loop()
        self._applied: OrderedDict[int, None] = OrderedDict()  # event ids
        self._position = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._position = await self._pool.call(self._store.events.position)
        self._store.on_events(self.from_thread)
        self._tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._prune())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def from_thread(self, events: Sequence[Event]) -> None:
        """A service's commit has written these. Any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is connected
            self._loop.call_soon_threadsafe(self._apply_all, tuple(events))

    def _apply_all(self, events: Sequence[Event]) -> None:
        for event in events:
            self.apply(event)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._catch_up()
            except Exception as error:
                log.warning("events could not be read: %s", error)

    async def _catch_up(self) -> None:
        after = max(0, self._position - OVERLAP)
        while events := await self._pool.call(self._store.events.after, after, PAGE):
            self._apply_all(events)
            after = events[-1].event_id
            self._position = max(self._position, after)

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_S)
            try:
                await self._remove_old()
            except Exception as error:
                log.warning("old events could not be removed: %s", error)

    async def _remove_old(self) -> None:
        before_ms = self._store.clock.now_ms() - KEPT_MS
        while True:
            removed = await self._pool.call(self._store.events.prune, before_ms, PRUNED_AT_ONCE)
            if removed < PRUNED_AT_ONCE:
                return
            await asyncio.sleep(PRUNE_REST_S)

    def apply(self, event: Event) -> None:
        """Moves sockets between communities, ends sessions, and tells the sockets concerned."""
        if event.event_id in self._applied:
            return
        self._applied[event.event_id] = None
        if len(self._applied) > REMEMBERED:
            self._applied.popitem(last=False)
        self._registry.remember(event)
        data = msgspec.json.decode(event.data)
        receivers = tuple(self._receivers(event))
        community_id = data.get("dstid", 0)
        if event.kind == "community.joined":
            self._registry.join(event.user_id, community_id)
        elif event.kind in ("community.left", "community.kicked"):
            self._registry.part(event.user_id, community_id)
        elif event.kind == "community.dissolved":
            self._registry.drop_community(event.community_id)
        for listener in self._listeners:
            listener(event, data, receivers)
        for connection in receivers:
            end_if_revoked(connection, event, data)
        if event.kind not in INTERNAL and receivers:
            notice = websocket_frame(encode({"cmd": int(Cmd.NOTICE), "event": event.kind} | data))
            for connection in receivers:
                if connection.v1:
                    connection.send(notice)

    def _receivers(self, event: Event) -> Collection[Connection]:
        if event.community_id:
            return self._registry.sockets_in_community(event.community_id)
        own = self._registry.sockets_of_user(event.user_id)
        return {*own, *self._watchers(event.user_id)} if event.kind == "profile.updated" else own


def end_if_revoked(connection: Connection, event: Event, data: dict[str, int]) -> None:
    """Closes the socket of a session that has ended, or of an account that was disabled."""
    if event.kind == "session.ended" and data.get("id") == connection.session_id:
        connection.close(Close.SESSION_ENDED, "session ended")
    elif event.kind == "account.disabled":
        connection.close(Close.ACCOUNT_DISABLED, "account disabled")
