"""The bad networks are as bad as they say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from imtornado.frames import websocket_frame
from tests.faults.proxy import Link, Proxy

PATIENCE_S = 50.0
SHORT_S = 0.3  # in which a thing that passes would long have passed


class Echo:
    """A server that sends back what it gets; counts the connections that ended, and how."""

    def __init__(self) -> None:
        self.opened = 0
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        listener = await asyncio.start_server(self._serve_one, "127.0.0.1", 0)
        async with listener:
            yield listener.sockets[0].getsockname()[1]

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        how = "finished"
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            how = "reset"
        self.ended.put_nowait(how)
        writer.transport.abort()


def play(
    story: Callable[[Echo, list[Link], asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> None:
    """Tells the story with one client behind the proxy, before an echo."""

    async def run() -> None:
        echo = Echo()
        async with asyncio.timeout(PATIENCE_S), echo.serve() as port, Proxy(port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            await story(echo, proxy.links, reader, writer)
            writer.transport.abort()

    asyncio.run(run())


def test_fair_weather_ends_when_the_client_does() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = links[0].ended
        writer.write_eof()
        assert await reader.read() == b""
        assert await echo.ended.get() == "finished"
        await ended.wait()
        assert links == []

    play(story)


def test_delay() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links[0].delay_s = SHORT_S
        before = asyncio.get_running_loop().time()
        writer.write(b"slow")
        assert await reader.readexactly(4) == b"slow"
        assert asyncio.get_running_loop().time() - before >= 2 * SHORT_S * 0.99

    play(story)


def test_throttle() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links[0].bytes_per_s = 2000
        before = asyncio.get_running_loop().time()
        writer.write(bytes(1000))
        assert await reader.readexactly(1000) == bytes(1000)
        assert asyncio.get_running_loop().time() - before >= 0.5

    play(story)


def test_stall_keeps_everything_for_later() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links[0].stall()
        writer.write(b"held")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await reader.read(1)
        links[0].resume()
        assert await reader.readexactly(4) == b"held"

    play(story)


def test_cut_ends_both() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links[0].cut()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert await echo.ended.get()

    play(story)


def test_half_open_ends_the_client_and_not_the_server() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = links[0]
        link.half_open()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT_S):
                await echo.ended.get()
        link.cut()
        assert await echo.ended.get()

    play(story)


def test_cut_after_a_question_lets_it_through_and_keeps_the_answer() -> None:
    async def story(echo: Echo, links: list[Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = links[0]
        link.cut_after(lambda data: data.endswith(b"wanted"))
        writer.write(b"other")
        assert await reader.readexactly(5) == b"other"
        writer.write(b"wanted")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert await echo.ended.get()
        await link.ended.wait()
        assert link.withheld == [b"wanted"]

    play(story)


def test_cut_before_a_frame_passes_on_what_came_before_it() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    frames = [websocket_frame(text) for text in (b"first", b"the wanted one", b"last")]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"".join(frames))
        with contextlib.suppress(OSError):
            await reader.read()
        writer.transport.abort()

    async def run() -> None:
        links: list[Link] = []

        def on_link(link: Link) -> None:
            links.append(link)
            link.cut_before(lambda payload: b"wanted" in payload)

        listener = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with asyncio.timeout(PATIENCE_S), listener, Proxy(port, on_link) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await reader.read() == head + frames[0]
            assert links[0].withheld == [b"the wanted one", b"last"]
            writer.transport.abort()

    asyncio.run(run())


def test_a_server_that_is_down_resets_the_client() -> None:
    async def run() -> None:
        listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        listener.close()
        await listener.wait_closed()
        async with asyncio.timeout(PATIENCE_S), Proxy(port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.transport.abort()

    asyncio.run(run())
