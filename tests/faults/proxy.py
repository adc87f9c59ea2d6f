"""Bad networks: a TCP proxy before the server that delays, throttles, stalls, cuts and leaves connections half open."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType

from tests.faults.sockets import take_frames

READ_BYTES = 65536
SLICES = 20  # of a second, in which a throttled link passes its share


class Link:
    """One proxied connection. Its weather can change at any time; it starts fair."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._before: Callable[[bytes], bool] | None = None
        self._after: Callable[[bytes], bool] | None = None
        self._buffer = bytearray()
        self._upgraded = False
        self.is_half_open = False
        self.delay_s = 0.0  # for every read, both ways
        self.bytes_per_s = 0  # 0: as fast as it goes
        self.withheld: list[bytes] = []  # what a cut kept from the client: payloads of frames, or an answer
        self.ended = asyncio.Event()

    def stall(self) -> None:
        """Nothing passes any more, either way; both ends believe that all is well."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """Both ends see a reset."""
        self._client.transport.abort()
        self._server.transport.abort()
        self._flowing.set()

    def half_open(self) -> None:
        """The client is gone, and the server is never told: no FIN, no RST; what it sends disappears."""
        self.is_half_open = True
        self._client.transport.abort()

    def cut_before(self, wanted: Callable[[bytes], bool]) -> None:
        """Cuts when the server sends a frame with such a payload: it has left the server, and never arrives."""
        self._before = wanted

    def cut_after(self, wanted: Callable[[bytes], bool]) -> None:
        """Cuts when the client has asked such a thing: it is done, and the answer never arrives."""
        self._after = wanted

    async def carry(self, up: asyncio.StreamReader, down: asyncio.StreamReader) -> None:
        """Until both directions have ended."""
        try:
            await asyncio.gather(self._carry_up(up), self._carry_down(down))
        finally:
            self._client.transport.abort()
            self._server.transport.abort()
            self.ended.set()

    async def _carry_up(self, client: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await client.read(self._share()):
                await self._weather(len(data))
                if self._after is not None and self._after(data):
                    self.half_open()  # first, that the answer cannot be quicker
                self._server.write(data)
                await self._server.drain()
        if not self.is_half_open:
            _finish(self._server)

    async def _carry_down(self, server: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await server.read(self._share()):
                await self._weather(len(data))
                if self.is_half_open and self._after is not None:
                    self.withheld.append(data)
                    return
                if self.is_half_open:
                    continue
                for part in self._parts(data):
                    self._client.write(part)
                if self.withheld:
                    # The frames before it arrive: a reset would take them back.
                    await self._client.drain()
                    _finish(self._client)
                    self._server.transport.abort()
                    return
                await self._client.drain()
        _finish(self._client)

    def _parts(self, data: bytes) -> list[bytes]:
        """What may pass of it; whole frames while a cut is wanted, so that it falls between two of them."""
        if self._before is None:
            return [data]
        self._buffer += data
        if not self._upgraded:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return []
            self._upgraded = True
            self._buffer = bytearray(rest)
            return [head + end, *self._frames(self._before)]
        return self._frames(self._before)

    def _frames(self, wanted: Callable[[bytes], bool]) -> list[bytes]:
        passed = []
        for _, payload, raw in take_frames(self._buffer):
            if self.withheld or wanted(payload):
                self.withheld.append(payload)
            else:
                passed.append(raw)
        return passed

    def _share(self) -> int:
        return max(1, self.bytes_per_s // SLICES) if self.bytes_per_s else READ_BYTES

    async def _weather(self, size: int) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.bytes_per_s:
            await asyncio.sleep(size / self.bytes_per_s)
        await self._flowing.wait()


def _finish(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        if not writer.transport.is_closing() and writer.can_write_eof():
            writer.write_eof()


class Proxy:
    """`async with Proxy(server.port) as proxy`: clients connect to `proxy.port`. `on_link` sees each new link."""

    def __init__(self, upstream_port: int, on_link: Callable[[Link], None] = lambda _: None) -> None:
        self._upstream_port = upstream_port
        self._on_link = on_link
        self._listener: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.links: list[Link] = []  # those that are open
        self.port = 0

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    @contextlib.contextmanager
    def weather(self, change: Callable[[Link], None]) -> Iterator[None]:
        """`change` is made to every link that is open or opens meanwhile."""
        before, self._on_link = self._on_link, change
        for link in tuple(self.links):
            change(link)
        try:
            yield
        finally:
            self._on_link = before

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for link in tuple(self.links):
            link.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._listener.wait_closed()

    async def _accept(self, up: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            down, server = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            client.transport.abort()  # as a server that is down
            return
        link = Link(client, server)
        self.links.append(link)
        try:
            self._on_link(link)
            await link.carry(up, down)
        finally:
            self.links.remove(link)
