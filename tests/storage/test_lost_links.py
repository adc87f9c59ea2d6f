"""The way to the database is lost without a word to either end: the server keeps the connection, and what it locked."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from imtornado.clock import Clock
from imtornado.drafts import ConversationTx, Stored
from imtornado.errors import Busy
from imtornado.records import Kind
from storage.backends import open_store
from tests.faults.proxy import Proxy
from tests.fixtures.logs import ExpectLog
from tests.fixtures.mariadb import MariaDB
from tests.storage.scene import Scene, change
from tests.storage.test_at_once import patiently
from tests.storage.test_mysql import OUT_OF_ORDER


class Way:
    """A proxy before a server, on a loop of its own thread."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy = proxy
        self._loop = loop
        self.port = proxy.port

    def lose(self) -> None:
        """All connections that are open go silent; new ones are fair."""
        asyncio.run_coroutine_threadsafe(self._lose(), self._loop).result()

    async def _lose(self) -> None:
        for link in tuple(self._proxy.links):
            link.stall()


@contextmanager
def way_to(server: MariaDB) -> Iterator[Way]:
    ready: Future[Way] = Future()

    async def keep() -> None:
        async with Proxy(server.port) as proxy:
            ready.set_result(Way(proxy, asyncio.get_running_loop()))
            await asyncio.wrap_future(leaving)

    leaving: Future[None] = Future()
    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(asyncio.run, keep())
        try:
            yield ready.result()
        finally:
            leaving.set_result(None)
            kept.result()


@pytest.mark.parametrize("just_started", [False, True])
def test_what_a_lost_connection_had_locked_is_free_again(
    own_server: MariaDB, expect_log: ExpectLog, just_started: bool
) -> None:
    expect_log("storage.mysql_errors", OUT_OF_ORDER)
    url = own_server.url()
    with (
        way_to(own_server) as way,
        closing(open_store(url.replace(f":{own_server.port}/", f":{way.port}/"), Clock())) as store,
    ):
        scene = Scene(store)
        ada, bea = scene.users(2)
        room = scene.community(ada, bea)

        def lose_the_way(tx: ConversationTx) -> None:
            tx.set_community(memo="never")
            way.lose()

        draft = scene.draft(ada, Kind.COMMUNITY, room)
        if just_started:
            own_server.restart()
        with pytest.raises(Busy):
            store.commit([change(room, lose_the_way)])
        (outcome,) = store.commit([draft])
        assert isinstance(outcome, Stored)
        community = patiently(lambda: store.communities.get(room, ada))  # whose connection was lost too
        assert community is not None
        assert community.memo == ""
