"""What is done to a server from outside, and seen of it: its database locked, its metrics read."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.faults.database import SQLITE, opened
from tests.faults.sockets import get

PATIENCE_S = 60.0
OUTAGE = "database out of order|no connection to"  # what a server logs whose database is in trouble
PAUSE_S = 0.01


@contextmanager
def write_lock(url: str) -> Iterator[None]:
    """While another process writes: readers go on, whoever writes to a conversation that exists waits."""
    with opened(url) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE" if url.startswith(SQLITE) else "BEGIN")
        if not url.startswith(SQLITE):
            cursor.execute("SELECT id FROM conversation ORDER BY id FOR UPDATE")
        yield
        cursor.execute("ROLLBACK")


async def figure(port: int, name: str) -> int:
    """A metric, "writer_queue" for imtornado_writer_queue."""
    _, text = await get(port, "/metrics")
    found = re.search(rf"^imtornado_{name} ([0-9.e+]+)$", text.decode(), re.MULTILINE)
    assert found, f"{name} is not among the metrics"
    return int(float(found[1]))


async def until(port: int, name: str, least: int) -> None:
    """Returns when the metric is at least so much; there is no event for it. Raises: TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while await figure(port, name) < least:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_S)
