"""Group commit: drafts are queued on the loop, and one thread commits whatever is queued in one transaction.

While a batch commits the next one gathers, so there is no timer, and an idle server commits at once. A draft
without outcome `busy_after_ms` after it arrived is answered with Busy (outcome unknown); if a thread had taken it, its
true outcome is still delivered when it comes.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from operator import attrgetter
from queue import SimpleQueue
from typing import Protocol
from zlib import crc32

from imtornado.config import Messages
from imtornado.drafts import Changed, Draft, MessageDraft, Outcome, Read, Stored
from imtornado.errors import Busy, ImError, Internal
from imtornado.live import settling
from storage.store import Store

log = logging.getLogger(__name__)

BATCH = 500
BATCH_BYTES = 1 << 20
IDS = 10_000
DRAFT_BYTES = 300  # what a draft weighs beside its texts
SWEEP_S = 0.1
RETRY_AFTER_MS = 1000

_size_of: Callable[["Pending"], int] = attrgetter("size_bytes")


class Source(Protocol):
    """Where a draft came from and where its outcome goes."""

    def answered(self, pending: "Pending", outcome: Outcome) -> None:
        """On the loop. A Busy may be followed by the true outcome."""


class Pending:
    """A draft on its way. `rid` belongs to the source; `answered` is set when Busy has been said.

    `arrived_at` is when the server got it, on the monotonic clock; 0.0: just now.
    """

    __slots__ = ("answered", "arrived_at", "draft", "rid", "size_bytes", "source")

    def __init__(self, draft: Draft, source: Source, rid: str = "", arrived_at: float = 0.0) -> None:
        self.draft = draft
        self.source = source
        self.rid = rid
        self.answered = False
        self.arrived_at = arrived_at or time.monotonic()
        self.size_bytes = DRAFT_BYTES + (len(draft.content) if type(draft) is MessageDraft else 0)


class _Lane:
    """One thread with the drafts of some conversations: a conversation is always on the same lane."""

    def __init__(self, number: int, writer: "Writer") -> None:
        self.waiting: list[Pending] = []
        self.committing: list[Pending] = []
        self._writer = writer
        self._batches: SimpleQueue[list[Pending] | None] = SimpleQueue()
        self._next_id = self._last_id = 0
        self.thread = threading.Thread(target=self._run, name=f"writer-{number}", daemon=True)
        self.thread.start()

    def start(self) -> None:
        """Hands the next batch to the thread if it is free."""
        if self.committing or not self.waiting:
            return
        batch, self.waiting = self.waiting[:BATCH], self.waiting[BATCH:]
        if sum(map(_size_of, batch)) > BATCH_BYTES:
            count, size = 0, 0
            while size < BATCH_BYTES and count < len(batch):
                size += batch[count].size_bytes
                count += 1
            batch, self.waiting = batch[:count], batch[count:] + self.waiting
        self.committing = batch
        self._batches.put(batch)

    def stop(self) -> None:
        self._batches.put(None)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            began = time.perf_counter()
            outcomes = self._commit([pending.draft for pending in batch])
            took_s = time.perf_counter() - began
            try:
                self._writer.loop.call_soon_threadsafe(self._writer.committed, self, batch, outcomes, took_s)
            except RuntimeError:
                return  # the loop is closed: nobody waits for this any more

    def _commit(self, drafts: list[Draft]) -> list[Outcome]:
        try:
            for draft in drafts:
                if type(draft) is MessageDraft and not draft.message_id:
                    draft.message_id = self._take_id()
            return settling.commit(self._writer.store, drafts, self._writer.stopping)
        except Busy as busy:
            return [busy.bare()] * len(drafts)
        except Exception:
            log.exception("a batch of %d drafts failed", len(drafts))
            return [Internal("Something went wrong on our side.")] * len(drafts)

    def _take_id(self) -> int:
        if self._next_id == self._last_id:
            self._next_id = self._writer.store.reserve_ids(IDS)
            self._last_id = self._next_id + IDS
        self._next_id += 1
        return self._next_id - 1


class Writer:
    """The queue before the lanes, bounded in drafts and bytes. Lives on the loop but for `commit_from_thread`."""

    def __init__(self, store: Store, settings: Messages, deliver: Callable[[Pending, Outcome], None], lanes: int = 1):
        self.loop = asyncio.get_running_loop()
        self.store = store
        self._settings = settings
        self._deliver = deliver
        self._starting = False
        self._stopped = False
        self.stopping = threading.Event()  # for the threads
        self._idle = asyncio.Event()
        self._idle.set()
        self.queued = 0
        self.queued_bytes = 0
        self.batches = 0
        self.drafts = 0
        self.on_batch: Callable[[int, float], object] = lambda _drafts, _took_s: None  # for the metrics
        self._lanes = [_Lane(number, self) for number in range(lanes)]
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)

    def submit(self, pending: Pending) -> None:
        """Queues a draft and returns at once; its source hears the outcome. A full queue answers Busy now."""
        settings = self._settings
        if self.queued >= settings.queue or self.queued_bytes >= settings.queue_bytes or self._stopped:
            self._deliver(pending, _busy())
            return
        self.queued += 1
        self.queued_bytes += pending.size_bytes
        self._idle.clear()
        self._lane(pending.draft).waiting.append(pending)
        if not self._starting:
            self._starting = True
            self.loop.call_soon(self._start)

    def _lane(self, draft: Draft) -> _Lane:
        return self._lanes[0] if len(self._lanes) == 1 else self._lanes[crc32(draft.key.encode()) % len(self._lanes)]

    def _start(self) -> None:
        self._starting = False
        for lane in self._lanes:
            lane.start()

    def committed(self, lane: _Lane, batch: list[Pending], outcomes: list[Outcome], took_s: float) -> None:
        """The thread's report. The next batch starts first, so that its fsync overlaps this one's fan-out."""
        lane.committing = []
        lane.start()
        self.batches += 1
        self.drafts += len(batch)
        self.on_batch(len(batch), took_s)
        self.queued -= len(batch)
        self.queued_bytes -= sum(map(_size_of, batch))
        for pending, outcome in zip(batch, outcomes, strict=True):
            self._tell(pending, outcome)
        if not self.queued:
            self._idle.set()

    def _tell(self, pending: Pending, outcome: Outcome) -> None:
        """What goes wrong with one must not keep the others from theirs."""
        try:
            self._deliver(pending, outcome)
        except Exception:
            log.exception("the outcome of a draft could not be delivered")

    def _sweep(self) -> None:
        """Says Busy for what has waited too long; what no thread has taken will not be written at all."""
        limit = time.monotonic() - self._settings.busy_after_ms / 1000
        for lane in self._lanes:
            late = [pending for pending in lane.waiting if pending.arrived_at <= limit]
            if late:
                lane.waiting = [pending for pending in lane.waiting if pending.arrived_at > limit]
                self.queued -= len(late)
                self.queued_bytes -= sum(map(_size_of, late))
            late += [one for one in lane.committing if one.arrived_at <= limit and not one.answered]
            for pending in late:
                self._tell(pending, _busy())
        if not self.queued:
            self._idle.set()
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)

    def commit_from_thread(self, draft: Draft) -> Changed | Read | Stored:
        """The draft's outcome, for a worker thread that waits for it. Raises: the ImError that it is."""
        waiter = Waiter()
        self.loop.call_soon_threadsafe(self.submit, Pending(draft, waiter))
        return waiter.result()

    async def stop(self) -> None:
        """Commits and delivers what is queued, then ends the threads. What is submitted meanwhile is answered Busy."""
        self.stopping.set()
        self._stopped = True  # first: a draft that came after the last look would be left without any answer
        await self._idle.wait()
        self._sweeper.cancel()
        for lane in self._lanes:
            lane.stop()
        await asyncio.get_running_loop().run_in_executor(None, self._join)

    def _join(self) -> None:
        for lane in self._lanes:
            lane.thread.join()


class Waiter:
    """A source that keeps the first outcome for whoever waits, a thread (`result`) or a coroutine (`outcome`)."""

    def __init__(self) -> None:
        self._future: Future[Outcome] = Future()

    def answered(self, pending: Pending, outcome: Outcome) -> None:
        if not self._future.done():
            self._future.set_result(outcome)

    def result(self) -> Changed | Read | Stored:
        """Raises: the ImError that the outcome is."""
        return _unless_error(self._future.result())

    async def outcome(self) -> Changed | Read | Stored:
        return _unless_error(await asyncio.wrap_future(self._future))


def _unless_error(outcome: Outcome) -> Changed | Read | Stored:
    if isinstance(outcome, ImError):
        raise outcome.anew()
    return outcome


def _busy() -> Busy:
    return Busy(
        "The server is busy: it is not known whether this was done. Send it again.", retry_after_ms=RETRY_AFTER_MS
    )
