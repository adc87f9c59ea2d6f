"""What a server does for itself beside its callers: removing what nobody needs, and what is too old to be kept."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from time import perf_counter

from imtornado.errors import Busy
from imtornado.services.clean_up import CleanUp
from imtornado.services.indexing import Indexing
from imtornado.services.resumable import Resumable
from imtornado.services.retention import Retention
from imtornado.workers import Workers
from storage.store import Store

log = logging.getLogger(__name__)

EVERY_S = 3600.0
REST = 4.0  # times as long as a step took: it gets a fifth of one thread's time, and far less of the writer's
LEAST_REST_S = 0.02
BUSY_REST_S = 5.0
ELSEWHERE_S = 60.0  # another process is at it; perhaps it was killed
BROKEN_REST_S = 300.0
INDEX_EVERY_S = 1.0
INDEXED_ELSEWHERE_S = 1.0  # until it is tried again whether the other process still works
MANY_MESSAGES = 6000  # a second: fewer leave a core time enough
INDEX_REST = 3.0  # times as long as a step took


class Upkeep:
    """Tasks of the loop, from `start` to `stop`."""

    def __init__(
        self, store: Store, workers: Workers, *, clean_up: CleanUp, resumable: Resumable, retention: Retention
    ) -> None:
        self._store = store
        self._workers = workers
        self._clean_up = clean_up
        self._resumable = resumable
        self._retention = retention
        self._jobs: list[Callable[[], Coroutine[None, None, None]]] = [self._tidy, self._retain]
        self._tasks: list[asyncio.Task[None]] = []

    def index(self, indexing: Indexing, busy_percent: int, messages: Callable[[], int]) -> None:
        """Fills the index too; `messages` counts those that were sent. Before `start`."""
        self._jobs.append(lambda: self._index(indexing, busy_percent, messages))

    def start(self) -> None:
        self._tasks = [asyncio.create_task(job()) for job in self._jobs]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def let_go(self) -> None:
        """After `stop`, when nothing runs any more: whoever removes old messages next need not wait."""
        try:
            await self._workers.database.call(self._retention.let_go)
        except Busy:
            log.info("the database cannot be told that old messages are nobody's work now: it ends within a minute")
        except Exception:
            log.exception("the work on old messages could not be let go")

    async def _tidy(self) -> None:
        """Removes, every hour, unused uploads, files that no row knows, and what was recalled from the journal."""
        while True:
            try:
                await self._workers.files.call(self._clean_up.collect)
                await self._workers.files.call(self._clean_up.sweep)
                await self._workers.files.call(self._resumable.sweep)
            except Exception:
                log.exception("unused uploads could not be removed")
            try:
                await self._workers.database.call(self._store.checkpoint)
            except Exception:
                log.exception("the journal of the database could not be emptied")
            await asyncio.sleep(EVERY_S)

    async def _retain(self) -> None:
        """Removes messages that are too old, in small steps with rests between them; every hour it looks again."""
        while True:
            began, before = perf_counter(), self._retention.removed
            try:
                while await self._workers.database.call(self._retention.step):
                    took_s = perf_counter() - began
                    await asyncio.sleep(max(LEAST_REST_S, REST * took_s))
                    began = perf_counter()
            except Busy:
                await asyncio.sleep(BUSY_REST_S)  # people come first
                continue
            except Exception:
                log.exception("messages that are too old could not be removed")
            if self._retention.removed > before:
                log.info("%d messages that were too old were removed", self._retention.removed - before)
            await asyncio.sleep(ELSEWHERE_S if self._retention.is_elsewhere else EVERY_S)

    async def _index(self, indexing: Indexing, busy_percent: int, messages: Callable[[], int]) -> None:
        """Steps with rests between them, long ones while many messages come; without an end."""
        many, sent, looked = False, messages(), perf_counter()
        while True:
            began = perf_counter()
            try:
                more = await self._workers.database.call(indexing.step, busy=many)
            except Busy:
                await asyncio.sleep(BUSY_REST_S)  # people come first
                continue
            except Exception:
                log.exception("messages could not be indexed")
                await asyncio.sleep(BROKEN_REST_S)
                continue
            now = perf_counter()
            if now - looked > INDEX_EVERY_S:
                many = messages() - sent > MANY_MESSAGES * (now - looked)
                sent, looked = messages(), now
            rest = 100 / busy_percent - 1 if many else INDEX_REST
            pause_s = {None: INDEXED_ELSEWHERE_S, False: INDEX_EVERY_S}.get(more, 0.0)
            await asyncio.sleep(max(LEAST_REST_S, pause_s, rest * (now - began)))
