"""The live side as a whole: built once in `app.py`, on the loop that it will live on."""

import asyncio
import contextlib

from imtornado.config import Config
from imtornado.live.chat import Chat
from imtornado.live.connection import Connection
from imtornado.live.delivery import Delivery
from imtornado.live.events import Events
from imtornado.live.liveness import Liveness
from imtornado.live.presence import Presence
from imtornado.live.registry import Registry
from imtornado.live.wire import Close, Flusher
from imtornado.live.writer import Writer
from imtornado.records import Opening
from imtornado.workers import Workers
from storage.store import Store

DRAIN_S = 15.0  # over which the sockets are told to reconnect


class Live:
    """Loop only."""

    def __init__(self, store: Store, config: Config, workers: Workers) -> None:
        self.flusher = Flusher(asyncio.get_running_loop(), config.server.outbox_bytes)
        self.registry = Registry()
        self.presence = Presence(self.registry, store.clock.now_ms)
        self.events = Events(store, workers.database, self.registry, self.presence.watchers)
        self.delivery = Delivery(self.registry, self.events.apply)
        self.writer = Writer(store, config.messages, self.delivery.deliver)
        self.liveness = Liveness(self.flusher, config.server.heartbeat_s)
        self.chat = Chat(
            store,
            config,
            workers.database,
            writer=self.writer,
            registry=self.registry,
            presence=self.presence,
            liveness=self.liveness,
        )
        self.draining = False
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self.events.start()
        self.liveness.start()

    def connection(self, opening: Opening, *, v1: bool, language: str) -> Connection:
        """A connection that nobody knows yet; `chat.enter` makes it known."""
        return Connection(self.flusher, self.chat, opening, v1=v1, language=language)

    def keep(self, pump: asyncio.Task[None]) -> None:
        """Holds the task of a socket for as long as it runs."""
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)

    async def drain(self, over_s: float = DRAIN_S) -> None:
        """Sends every socket away with 4001, spread over at most `over_s`; done when all are gone."""
        self.draining = True
        sockets = list(self.registry)
        pause_s = min(over_s / max(1, len(sockets)), 0.01)
        for connection in sockets:
            connection.close(Close.DRAINING, "server draining")
            await asyncio.sleep(pause_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                while self._pumps:
                    await asyncio.wait(self._pumps)

    async def stop(self) -> None:
        """The writer stops last: what was accepted is committed, and answered as far as sockets remain."""
        await self.events.stop()
        self.liveness.stop()
        await self.writer.stop()
        for connection in self.registry:
            connection.abort()
        if self._pumps:
            await asyncio.wait(self._pumps)
