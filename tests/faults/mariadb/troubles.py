"""What can happen to a database server, or to the way to it, while messages are on their way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pymysql

from tests.faults.database import opened
from tests.faults.outside import PATIENCE_S, PAUSE_S
from tests.faults.proxy import Link, Proxy
from tests.faults.small_disk import Mounted
from tests.faults.traffic import Traffic
from tests.fixtures.mariadb import USER, MariaDB


@dataclass
class Victim:
    """`links` are the open connections of the messenger to the database, all of which pass the proxy."""

    mariadb: MariaDB
    proxy: Proxy
    url: str  # of the database, past the proxy
    traffic: Traffic
    deadlocks: int = 0  # of servers that have ended
    lost_answers: int = 0  # to COMMIT
    back_s: list[float] = field(default_factory=list)  # from each trouble to the next ACKs, while no loop was behind

    async def count_deadlocks(self) -> None:
        """Before a server ends, because its counters end with it."""
        self.deadlocks += await asyncio.to_thread(self.mariadb.status, "Innodb_deadlocks")


NO_SUCH_THREAD, TOO_MANY_CONNECTIONS = 1094, 1040
Trouble = Callable[[Victim, float], Awaitable[None]]  # for so many seconds; all is well again when it returns


async def killed(victim: Victim, seconds: float) -> None:
    """SIGKILL, and a new start."""
    await victim.count_deadlocks()
    await asyncio.to_thread(victim.mariadb.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(victim.mariadb.start)


async def restarted(victim: Victim, seconds: float) -> None:
    """Shut down in order, which ends every connection with an error of its own."""
    await victim.count_deadlocks()
    await asyncio.to_thread(victim.mariadb.restart)


async def stopped(victim: Victim, seconds: float) -> None:
    """SIGSTOP: connections are open, and even accepted, and nothing answers."""
    await asyncio.to_thread(victim.mariadb.stop)
    await asyncio.sleep(seconds)
    victim.mariadb.cont()


async def connections_killed(victim: Victim, seconds: float) -> None:
    """KILL, again and again, of every connection of the messenger's."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await asyncio.to_thread(_kill_connections, victim.mariadb)
        await asyncio.sleep(PAUSE_S)


def _kill_connections(mariadb: MariaDB) -> None:
    for (number,) in mariadb.admin.execute("SELECT id FROM information_schema.processlist WHERE user = %s", USER):
        try:
            mariadb.admin.execute("KILL %s", number)
        except pymysql.OperationalError as error:
            if error.args[0] != NO_SUCH_THREAD:  # it has ended meanwhile
                raise


async def links_cut(victim: Victim, seconds: float) -> None:
    """Every connection is reset, again and again."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        for link in tuple(victim.proxy.links):
            link.cut()
        await asyncio.sleep(5 * PAUSE_S)


async def links_stalled(victim: Victim, seconds: float) -> None:
    """Nothing passes any more, and nobody is told; new connections get no answer either."""
    with victim.proxy.weather(Link.stall):
        await asyncio.sleep(seconds)
    for link in tuple(victim.proxy.links):
        link.resume()


async def links_lost_for_ever(victim: Victim, seconds: float) -> None:
    """Nobody is told, and the server keeps what their transactions have locked; new ones are fair."""
    for link in tuple(victim.proxy.links):
        link.stall()


async def commits_unanswered(victim: Victim, seconds: float) -> None:
    """COMMIT arrives and is done; its answer never comes."""
    links: list[Link] = []

    def set_trap(link: Link) -> None:
        links.append(link)
        link.cut_after(lambda asked: asked.endswith(b"\x03COMMIT"))

    with victim.proxy.weather(set_trap):
        await asyncio.sleep(seconds)
        async with asyncio.timeout(PATIENCE_S):
            while not any(link.withheld for link in links):  # noqa: ASYNC110
                await asyncio.sleep(PAUSE_S)
    for link in links:
        link.cut()
    victim.lost_answers += sum(bool(link.withheld) for link in links)


async def read_only(victim: Victim, seconds: float) -> None:
    """As a replica is, or a server whose disk is in danger."""
    await asyncio.to_thread(victim.mariadb.admin.execute, "SET GLOBAL read_only = 1")
    await asyncio.sleep(seconds)
    await asyncio.to_thread(victim.mariadb.admin.execute, "SET GLOBAL read_only = 0")


async def rows_locked(victim: Victim, seconds: float) -> None:
    """Somebody's transaction holds every conversation."""
    locked, done = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        with opened(victim.url) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 60")
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM conversation ORDER BY id FOR UPDATE")
            loop.call_soon_threadsafe(locked.set)
            asyncio.run_coroutine_threadsafe(_wait(done), loop).result()

    holding = asyncio.create_task(asyncio.to_thread(hold))
    await locked.wait()
    await asyncio.sleep(seconds)
    done.set()
    await holding


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def no_connections_left(victim: Victim, seconds: float) -> None:
    """Ours are lost, and others have taken all that the server gives."""
    admin, others = victim.mariadb.admin, list[Any]()
    await asyncio.to_thread(admin.execute, "SET GLOBAL max_connections = 10")  # it takes no fewer
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        try:
            others.append(await asyncio.to_thread(admin.connect))
        except pymysql.OperationalError as error:
            if error.args[0] != TOO_MANY_CONNECTIONS:
                raise
            await asyncio.sleep(PAUSE_S)
        for link in tuple(victim.proxy.links):
            link.cut()
    with others[0].cursor() as cursor:
        cursor.execute("SET GLOBAL max_connections = 200")
    for other in others:
        other.close()


def disk_full(disk: Mounted) -> Trouble:
    """No table may grow."""

    async def full(victim: Victim, seconds: float) -> None:
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(seconds)
        disk.empty()

    return full


TROUBLES: dict[str, Trouble] = {
    trouble.__name__.replace("_", " "): trouble
    for trouble in (
        killed,
        restarted,
        stopped,
        connections_killed,
        links_cut,
        links_stalled,
        links_lost_for_ever,
        commits_unanswered,
        read_only,
        rows_locked,
        no_connections_left,
    )
}
