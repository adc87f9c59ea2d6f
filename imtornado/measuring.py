"""What /metrics shows: which figure is read from which object."""

from imtornado.live.hub import Live
from imtornado.metrics import Metrics
from imtornado.services.indexing import Indexing
from imtornado.services.retention import Retention
from imtornado.workers import Workers
from storage.store import Cached, Store

BATCH_SIZES = (1, 2, 5, 10, 25, 50, 100, 250, 500)
BATCH_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def measure(metrics: Metrics, live: Live, workers: Workers, store: Store, retention: Retention) -> None:
    """Lets the metrics read from the objects at each scrape. On the loop, once."""
    _sockets(metrics, live)
    _writer(metrics, live)
    _pools(metrics, workers)
    _caches(metrics, live, store)
    metrics.counter("expired_messages", "Messages removed because they were too old", lambda: retention.removed)
    metrics.sums("transaction_seconds", "Transactions, by the method that opens them", "name", store.timings.sums)


def measure_index(metrics: Metrics, indexing: Indexing) -> None:
    """As `measure`, where messages are indexed."""
    metrics.counter("search_indexed_messages", "Messages indexed by this process", lambda: indexing.messages)
    metrics.gauge("search_lag_seconds", "How long the oldest message waited", lambda: indexing.lag_ms / 1000)


def _sockets(metrics: Metrics, live: Live) -> None:
    gauge, counter, registry = metrics.gauge, metrics.counter, live.registry
    gauge("sockets", "Open chat sockets", lambda: len(registry))
    gauge("users_online", "Users with an open chat socket", lambda: registry.user_count)
    counter("sockets_opened", "Chat sockets opened", lambda: registry.opened)
    counter("sockets_closed", "Chat sockets closed", lambda: registry.closed)
    counter("slow_readers_closed", "Chat sockets closed with 4000", lambda: live.flusher.slow_readers)
    counter("messages", "Messages fanned out", lambda: live.delivery.messages)
    counter("frames", "Message frames queued for sockets", lambda: live.delivery.frames)


def _writer(metrics: Metrics, live: Live) -> None:
    writer = live.writer
    metrics.gauge("writer_queue", "Drafts that wait for their commit", lambda: writer.queued)
    metrics.counter("batches", "Transactions of the writer", lambda: writer.batches)
    metrics.counter("drafts", "Drafts committed", lambda: writer.drafts)
    size = metrics.histogram("batch_size", "Drafts in a transaction of the writer", BATCH_SIZES)
    seconds = metrics.histogram("batch_seconds", "Time of a transaction of the writer", BATCH_SECONDS)

    def committed(drafts: int, took_s: float) -> None:
        size(drafts)
        seconds(took_s)

    writer.on_batch = committed


def _caches(metrics: Metrics, live: Live, store: Store) -> None:
    caches: dict[str, Cached] = {"sessions": live.sessions.cache, "rights": live.rights.granted, **store.caches}
    gauges, counters = metrics.gauges, metrics.counters
    gauges("cache_entries", "Entries kept", "cache", lambda: {name: len(cache) for name, cache in caches.items()})
    counters("cache_hits", "Answers from it", "cache", lambda: {name: cache.hits for name, cache in caches.items()})
    counters("cache_misses", "Answers not in it", "cache", lambda: {name: one.misses for name, one in caches.items()})


def _pools(metrics: Metrics, workers: Workers) -> None:
    pools = {"database": workers.database, "passwords": workers.passwords, "files": workers.files}
    gauges, counters = metrics.gauges, metrics.counters
    metrics.gauge("database_calls", "Calls handed to the database threads", lambda: workers.database.waiting)
    metrics.gauge("password_calls", "Calls handed to the password threads", lambda: workers.passwords.waiting)
    gauges("pool_busy", "Threads that work", "pool", lambda: {name: pool.busy for name, pool in pools.items()})
    gauges("pool_queue", "Calls that wait", "pool", lambda: {name: pool.queued for name, pool in pools.items()})
    counters("pool_refused", "Calls refused", "pool", lambda: {name: pool.refused for name, pool in pools.items()})
    metrics.sums("pool_wait_seconds", "Calls, and their wait for a thread", "pool", workers.waits.sums)
    metrics.sums("pool_work_seconds", "Calls, and the work of their threads", "pool", workers.work.sums)
