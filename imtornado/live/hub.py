"""The live side as a whole: built once in `app.py`, on the loop that it will live on."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

from imtornado.config import Config
from imtornado.live.chat import Chat
from imtornado.live.connection import Connection
from imtornado.live.deflate import CompressedConnection
from imtornado.live.delivery import Delivery
from imtornado.live.events import Events
from imtornado.live.known_sessions import KnownSessions
from imtornado.live.liveness import Liveness
from imtornado.live.outbox import Flusher
from imtornado.live.presence import Presence
from imtornado.live.pumps import Pumps
from imtornado.live.registry import Registry
from imtornado.live.rights import Rights
from imtornado.live.self_check import hand_over_works
from imtornado.live.signals import Signals
from imtornado.live.watching import Watching
from imtornado.live.writer import Writer
from imtornado.records import Opening, Session, User
from imtornado.workers import Workers
from storage.store import Store

log = logging.getLogger(__name__)

DRAIN_S = 15.0  # over which the sockets are told to reconnect
DRAIN_STEP_S = 0.1
GONE_S = 5.0  # for the last of them to end


class Live:
    """Loop only."""

    def __init__(
        self, store: Store, config: Config, workers: Workers, identify: Callable[[str], tuple[Session, User] | None]
    ) -> None:
        """`identify` finds the session of a token, on a database thread."""
        self.flusher = Flusher(asyncio.get_running_loop(), config.server.outbox_bytes)
        self.registry = Registry()
        self.presence = Presence(self.registry, store.clock.now_ms)
        self.rights = rights = Rights(store, workers.database, config.caches.rights)
        self.sessions = KnownSessions(
            identify, workers.database, self.registry, store.clock.now_ms, config.caches.sessions
        )
        watching = Watching(store, workers.database, self.registry, self.presence)
        self.events = Events(
            store,
            workers.database,
            self.registry,
            self.presence.watchers,
            (rights.changed, watching.changed, self.sessions.changed),
        )
        self.delivery = Delivery(self.registry, self.events.apply)
        writers = config.storage.writers if store.commits_at_once else 1
        self.writer = Writer(store, config.messages, self.delivery.deliver, writers)
        self.liveness = Liveness(self.flusher, config.server.heartbeat_s)
        self.chat = Chat(
            store,
            config,
            writer=self.writer,
            registry=self.registry,
            presence=self.presence,
            liveness=self.liveness,
            signals=Signals(self.registry, rights, throttle=config.security.throttle),
            watching=watching,
        )
        self.draining = False
        self.pumps = Pumps()
        self._fast_transport = config.server.fast_transport and not config.server.tls_cert
        self._empty = asyncio.Event()
        self.registry.on_empty = self._empty.set

    async def start(self) -> None:
        await self.events.start()
        self.liveness.start()
        self.pumps.fast = self._fast_transport and await hand_over_works(self.flusher)
        log.info("sockets are read by %s", "the loop's transport" if self.pumps.fast else "Tornado's stream")

    def connection(self, opening: Opening, *, v1: bool, language: str, compressed: bool) -> Connection:
        """A connection that nobody knows yet; `chat.enter` makes it known."""
        kind = CompressedConnection if compressed else Connection
        return kind(self.flusher, self.chat, opening, v1=v1, language=language)

    async def drain(self, over_s: float = DRAIN_S) -> None:
        """Sends every socket away with 4001, spread over at most `over_s`, each after its last answer.

        Done when all are gone.
        """
        self.draining = True
        while waiting := [connection for connection in self.registry if not connection.leaving]:
            parts = max(1, math.ceil(min(over_s, len(waiting) * 0.01) / DRAIN_STEP_S))
            size = math.ceil(len(waiting) / parts)
            for first in range(0, len(waiting), size):
                for connection in waiting[first : first + size]:
                    connection.leave()
                await asyncio.sleep(DRAIN_STEP_S if first + size < len(waiting) else 0)
        await self._all_gone()

    async def stop(self) -> None:
        """The writer stops last: what was accepted is committed, and answered as far as sockets remain."""
        await self.events.stop()
        self.liveness.stop()
        await self.writer.stop()
        for connection in self.registry:
            connection.abort()
        await self._all_gone()
        await self.pumps.ended()

    async def _all_gone(self) -> None:
        """Waits until no socket is left, a few seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GONE_S):
                while len(self.registry):
                    self._empty.clear()
                    await self._empty.wait()
