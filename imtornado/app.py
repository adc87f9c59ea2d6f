"""The only place that builds objects and joins them: from settings to a server that listens, and back down."""

import asyncio
import gc
import logging
import signal
import socket
import ssl

import tornado.httpserver
import tornado.netutil

from handlers.body import BODY_LIMIT_BYTES
from handlers.context import Context
from handlers.routes import Application
from imtornado import log as logs
from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.live.hub import Live
from imtornado.measuring import measure, measure_index
from imtornado.metrics import Metrics
from imtornado.passwords import Passwords
from imtornado.services.accounts import Accounts
from imtornado.services.arrivals import Arrivals
from imtornado.services.blob_places import open_blobs
from imtornado.services.changes import Changes
from imtornado.services.clean_up import CleanUp
from imtornado.services.communities import Communities
from imtornado.services.contacts import Contacts
from imtornado.services.indexing import Indexing
from imtornado.services.messages import Messages
from imtornado.services.resumable import Resumable
from imtornado.services.retention import Retention
from imtornado.services.search import Search
from imtornado.services.signatures import Signatures
from imtornado.services.throttle import Throttle
from imtornado.services.uploads import Uploads
from imtornado.services.views import Views
from imtornado.upkeep import Upkeep
from imtornado.workers import FILE_THREADS, Workers
from storage.backends import open_store
from storage.serving import serving
from storage.store import Store

log = logging.getLogger(__name__)

HEADER_BYTES = 16_384
HEADER_WAIT_S = 60.0  # Tornado's default is an hour
BODY_WAIT_S = 120.0
BACKLOG = 1024
GC_THRESHOLDS = (20_000, 20, 50)
RUNNING_CALLS_S = 5.0  # of the 30 that an exit may take, for HTTP calls that are being worked on


class Server:
    """Everything that one process holds. Built on a running loop."""

    def __init__(self, config: Config, store: Store) -> None:
        self.config = config
        self.store = store
        store.timings.slow_ms = config.storage.slow_query_ms
        self.workers = Workers(
            database_threads=config.storage.threads,
            database_queue=config.storage.queue,
            database_wait_ms=config.storage.wait_ms,
            password_threads=config.accounts.password_threads,
            password_queue=config.accounts.password_queue,
            picture_processes=config.uploads.workers,
        )
        accounts = Accounts(store, config, store.clock)
        self.live = Live(store, config, self.workers, accounts.identify)
        self.metrics = Metrics()
        commit = self.live.writer.commit_from_thread
        blobs = open_blobs(config.uploads)
        self.arrivals = Arrivals(store, config, store.clock)
        self.resumable = Resumable(store, config, store.clock, self.arrivals)
        retention = Retention(store, store.clock, commit, config.messages.keep_days)
        clean_up = CleanUp(store, store.clock, blobs)
        indexing = Indexing(store) if config.search.enabled else None
        self.upkeep = Upkeep(store, self.workers, clean_up=clean_up, resumable=self.resumable, retention=retention)
        if indexing is not None:
            self.upkeep.index(indexing, config.search.busy_percent, lambda: self.live.writer.drafts)
        self.context = Context(
            config=config,
            workers=self.workers,
            clock=store.clock,
            throttle=Throttle(config.security),
            metrics=self.metrics,
            passwords=Passwords(config.accounts.bcrypt_rounds),
            check_storage=store.check,
            is_draining=lambda: self.live.draining,
            accounts=accounts,
            contacts=Contacts(store, config),
            communities=Communities(store, config, commit),
            messages=Messages(store),
            search=Search(store, config.search.enabled),
            changes=Changes(store, config),
            views=Views(),
            arrivals=self.arrivals,
            resumable=self.resumable,
            uploads=Uploads(store, config, store.clock, blobs),
            signatures=Signatures(store, store.clock, config.uploads.base_url),
            live=self.live,
        )
        self.http = tornado.httpserver.HTTPServer(
            Application(self.context),
            ssl_options=_tls(config),
            max_body_size=BODY_LIMIT_BYTES,  # uploads raise it for themselves
            max_header_size=HEADER_BYTES,
            idle_connection_timeout=HEADER_WAIT_S,
            body_timeout=BODY_WAIT_S,
        )
        measure(self.metrics, self.live, self.workers, store, retention)
        if indexing is not None:
            measure_index(self.metrics, indexing)

    async def start(self) -> list[socket.socket]:
        """Opens the listener; the sockets that it listens on."""
        await self.live.start()
        await self.workers.files.call(self.arrivals.open)
        await self.workers.files.call(self.resumable.sweep)
        sockets = tornado.netutil.bind_sockets(self.config.server.port, self.config.server.host, backlog=BACKLOG)
        self.http.add_sockets(sockets)
        self.upkeep.start()
        return sockets

    async def stop(self) -> None:
        """Drains: no new connection, sockets sent away with 4001, running calls answered, the accepted committed."""
        self.live.draining = True
        await asyncio.sleep(self.config.server.drain_notice_s)
        self.http.stop()
        self.upkeep.stop()
        await self.live.drain()
        await self.workers.rest(RUNNING_CALLS_S)
        await self.upkeep.let_go()
        await self.live.stop()
        await self.http.close_all_connections()
        self.arrivals.close()
        # Off the loop: a call that still runs may wait for an answer of the writer, which only the loop can give.
        await asyncio.to_thread(self.workers.close)
        self.store.close()


def serve(config: Config) -> None:
    """Runs a server until SIGTERM or SIGINT."""
    logs.set_up(config.log.level, as_json=config.log.json)
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    run(_serve(config))


async def _serve(config: Config) -> None:
    # Before anything else: a script may send SIGTERM the moment it reads that the server listens.
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = open_store(
        config.storage.url,
        Clock(),
        auto_migrate=config.storage.auto_migrate,
        unsafe_durability=config.storage.unsafe_durability,
        connections=_connections(config),
    )
    with serving(config.storage.url):
        await _run(config, store, stopped)


async def _run(config: Config, store: Store, stopped: asyncio.Event) -> None:
    server = Server(config, store)
    sockets = await server.start()
    # What was built lives as long as the process, and neither sockets nor messages leave circles behind: the collector
    # need not look at the former, and seldom at the latter. By default it takes a third of an upgrade's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    print(f"listening on {address(config, sockets[0].getsockname()[1])}", flush=True)  # noqa: T201 (scripts wait for this line)
    await stopped.wait()
    log.info("stopping")
    await server.stop()


def _connections(config: Config) -> int:
    """To the database, at most: each thread holds one, a writer's one more for its batches, and this thread one."""
    return config.storage.threads + FILE_THREADS + 2 * config.storage.writers + 1


def address(config: Config, port: int) -> str:
    """Where a browser on this machine finds the server."""
    host = config.server.host
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else host  # noqa: S104
    return f"{'https' if config.server.tls_cert else 'http'}://{shown}:{port}"


def _tls(config: Config) -> ssl.SSLContext | None:
    if not config.server.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(config.server.tls_cert, config.server.tls_key)
    return context
