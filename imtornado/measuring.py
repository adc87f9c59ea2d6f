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
    metrics.counter(
        "expired_messages",
        "Messages that this process removed because they were older than messages.keep_days",
        lambda: retention.removed,
    )
    metrics.sums(
        "transaction_seconds",
        "Transactions of the database and their time in all, by the method that opens them",
        "name",
        store.timings.sums,
    )


def measure_index(metrics: Metrics, indexing: Indexing) -> None:
    """As `measure`, where messages are indexed."""
    metrics.counter(
        "search_indexed_messages", "Messages that this process indexed for the search", lambda: indexing.messages
    )
    metrics.gauge(
        "search_lag_seconds",
        "How long the last work on the search index was overdue",
        lambda: indexing.lag_ms / 1000,
    )


def _sockets(metrics: Metrics, live: Live) -> None:
    gauge, counter, registry = metrics.gauge, metrics.counter, live.registry
    gauge("sockets", "Chat sockets that are open", lambda: len(registry))
    gauge("users_online", "Users with an open chat socket", lambda: registry.user_count)
    counter("sockets_opened", "Chat sockets opened", lambda: registry.opened)
    counter("sockets_closed", "Chat sockets closed", lambda: registry.closed)
    counter(
        "slow_readers_closed",
        "Chat sockets closed because they did not read what waited for them (4000)",
        lambda: live.flusher.slow_readers,
    )
    counter("messages", "Messages handed to the sockets of their readers", lambda: live.delivery.messages)
    counter("frames", "Messages handed to sockets, once for each socket", lambda: live.delivery.frames)


def _writer(metrics: Metrics, live: Live) -> None:
    writer = live.writer
    metrics.gauge("writer_queue", "Messages and changes that wait for their commit", lambda: writer.queued)
    metrics.counter("batches", "Transactions of the message writers", lambda: writer.batches)
    metrics.counter("drafts", "Messages and changes that the message writers committed", lambda: writer.drafts)
    size = metrics.histogram("batch_size", "Messages and changes in a transaction of the message writers", BATCH_SIZES)
    seconds = metrics.histogram(
        "batch_seconds", "Time of a transaction of the message writers, the sync included", BATCH_SECONDS
    )

    def committed(drafts: int, took_s: float) -> None:
        size(drafts)
        seconds(took_s)

    writer.on_batch = committed


def _caches(metrics: Metrics, live: Live, store: Store) -> None:
    caches: dict[str, Cached] = {"sessions": live.sessions.cache, "rights": live.rights.granted, **store.caches}
    gauges, counters = metrics.gauges, metrics.counters
    gauges(
        "cache_entries",
        "What is remembered at the moment",
        "cache",
        lambda: {name: len(cache) for name, cache in caches.items()},
    )
    counters(
        "cache_hits",
        "Questions that were answered from memory",
        "cache",
        lambda: {name: cache.hits for name, cache in caches.items()},
    )
    counters(
        "cache_misses",
        "Questions that the database had to answer",
        "cache",
        lambda: {name: one.misses for name, one in caches.items()},
    )


def _pools(metrics: Metrics, workers: Workers) -> None:
    pools = {"database": workers.database, "passwords": workers.passwords, "files": workers.files}
    gauges, counters = metrics.gauges, metrics.counters
    metrics.gauge(
        "database_calls",
        "Calls that the database threads work on or that wait for them",
        lambda: workers.database.waiting,
    )
    metrics.gauge(
        "password_calls",
        "Calls that the password threads work on or that wait for them",
        lambda: workers.passwords.waiting,
    )
    gauges("pool_busy", "Threads that are at work", "pool", lambda: {name: pool.busy for name, pool in pools.items()})
    gauges(
        "pool_queue",
        "Calls that wait for a thread",
        "pool",
        lambda: {name: pool.queued for name, pool in pools.items()},
    )
    counters(
        "pool_refused",
        "Calls that were told to come back, because too many waited or for too long",
        "pool",
        lambda: {name: pool.refused for name, pool in pools.items()},
    )
    metrics.sums("pool_wait_seconds", "Calls and their wait for a thread in all", "pool", workers.waits.sums)
    metrics.sums("pool_work_seconds", "Calls and the work of their threads in all", "pool", workers.work.sums)
