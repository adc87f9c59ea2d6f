"""The two pumps under one wire, in this process: the hand-over, the share of a turn, the end that comes once."""

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import Callable

import pytest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, WebSocketProtocol

from imtornado.errors import Busy
from imtornado.frames import websocket_frame
from imtornado.live import wire as wires
from imtornado.live.liveness import Liveness
from imtornado.live.outbox import Flusher
from imtornado.live.pumps import Pumps
from imtornado.live.self_check import REQUEST, hand_over_works
from imtornado.live.upgrade import Upgrade
from imtornado.live.wire import Wire
from tests.fixtures.logs import ExpectLog
from tests.raw_client import CLOSE, frame

pytestmark = pytest.mark.usefixtures("io_loop")
BOTH = pytest.mark.parametrize("fast", [True, False], ids=["transport", "stream"])
DEADLINE_S = 30.0


class Heard(Wire):
    """Keeps what it hears, by turns of the loop, and how it ended."""

    def __init__(self, flusher: Flusher) -> None:
        super().__init__(flusher)
        self.messages: list[bytes] = []
        self.turns: list[int] = []  # for each message
        self.ends: list[int] = []
        self.turn = 0
        self.changed = asyncio.Event()

    def received(self, payload: bytes) -> None:
        self.messages.append(payload)
        self.turns.append(self.turn)
        self.changed.set()

    def ended(self, code: int) -> None:
        self.ends.append(code)
        self.changed.set()

    async def wait_for(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not what():
                self.changed.clear()
                await self.changed.wait()


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """(our end, the peer's) of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    peer.setblocking(False)
    return ours, peer


def run(io_loop_test: Callable[[], object]) -> None:
    asyncio.get_event_loop().run_until_complete(io_loop_test())  # type: ignore[arg-type]


def enter_all(_: Wire) -> None:
    """Everybody may come in."""


def new_wire() -> Heard:
    return Heard(Flusher(asyncio.get_running_loop(), 524_288))


@BOTH
@pytest.mark.parametrize(
    ("payload", "count"), [(b"x", 2000), (b"y" * 30_000, 40)], ids=["many short frames", "long frames"]
)
def test_a_socket_takes_its_share_of_a_turn_and_no_more(fast: bool, payload: bytes, count: int) -> None:
    async def flood() -> None:
        pumps, wire = Pumps(), new_wire()
        pumps.fast = fast
        ours, peer = connected_pair()
        with peer:
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(peer, frame(payload) * count))
            await pumps.drive(IOStream(ours), wire, enter_all)

            def tick() -> None:
                wire.turn += 1
                wire.flusher.loop.call_soon(tick)

            tick()
            await wire.wait_for(lambda: len(wire.messages) == count)
            await sending
        share = [wire.turns.count(turn) for turn in set(wire.turns)]
        assert max(share) <= wires.FRAMES_PER_TURN
        assert max(share) * len(payload) <= wires.BYTES_PER_TURN + len(payload)
        await wire.wait_for(lambda: bool(wire.ends))
        assert wire.ends == [1006]

    run(flood)


@BOTH
def test_what_the_stream_has_read_too_far_is_heard_first(fast: bool) -> None:
    async def hand_over() -> None:
        pumps, wire = Pumps(), new_wire()
        pumps.fast = fast
        ours, peer = connected_pair()
        with peer:
            peer.sendall(b"head\r\n\r\n" + frame(b"one") + frame(b"two")[:4])
            stream = IOStream(ours)
            await stream.read_until(b"\r\n\r\n")
            await pumps.drive(stream, wire, enter_all)
            peer.sendall(frame(b"two")[4:] + frame(b"three"))
            await wire.wait_for(lambda: len(wire.messages) == 3)
        assert wire.messages == [b"one", b"two", b"three"]
        await wire.wait_for(lambda: bool(wire.ends))

    run(hand_over)


@BOTH
def test_a_stream_that_has_ended_is_never_known(fast: bool) -> None:
    async def hand_over() -> None:
        pumps, wire, known = Pumps(), new_wire(), list[Wire]()
        pumps.fast = fast
        ours, peer = connected_pair()
        peer.close()
        stream = IOStream(ours)
        stream.close()
        await pumps.drive(stream, wire, known.append)
        assert (known, wire.ends) == ([], [])

    run(hand_over)


def test_a_stream_that_ends_while_its_answer_is_being_written_is_never_known() -> None:
    async def hand_over() -> None:
        pumps, wire, known = Pumps(), new_wire(), list[Wire]()
        pumps.fast = True
        ours, peer = connected_pair()
        stream = IOStream(ours)
        writing = stream.write(b"x" * 8_000_000)  # more than the kernel takes
        driving = asyncio.create_task(pumps.drive(stream, wire, known.append))
        await asyncio.sleep(0)
        assert not driving.done()
        peer.close()
        await driving
        assert (known, wire.ends) == ([], [])
        assert writing.done()

    run(hand_over)


@BOTH
def test_who_is_not_let_in_gets_a_closed_socket(fast: bool) -> None:
    async def hand_over() -> None:
        def refuse(_: Wire) -> None:
            raise Busy("Come back later.")

        pumps, wire = Pumps(), new_wire()
        pumps.fast = fast
        ours, peer = connected_pair()
        with peer:
            with pytest.raises(Busy):
                await pumps.drive(IOStream(ours), wire, refuse)
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.get_running_loop().sock_recv(peer, 10) == b""
        assert wire.ends == []

    run(hand_over)


def test_a_hand_over_that_fails_ends_a_known_wire_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hand_over() -> None:
        async def fail(*_: object, **__: object) -> None:
            raise OSError("no transport today")

        pumps, wire = Pumps(), new_wire()
        pumps.fast = True
        ours, peer = connected_pair()
        monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", fail)
        with peer:
            with pytest.raises(OSError, match="no transport today"):
                await pumps.drive(IOStream(ours), wire, enter_all)
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.get_running_loop().sock_recv(peer, 10) == b""
        assert wire.ends == [1006]

    run(hand_over)


def test_the_check_at_the_start_passes_here() -> None:
    async def check() -> None:
        assert await hand_over_works(Flusher(asyncio.get_running_loop(), 524_288))

    run(check)


@pytest.mark.parametrize("breakage", ["no transport", "no buffer"])
def test_the_check_at_the_start_finds_what_is_broken(
    monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog, breakage: str
) -> None:
    expect_log("imtornado.live.self_check", "sockets stay with Tornado's streams")
    expect_log("tornado.application", "Uncaught exception", optional=True)

    async def check() -> None:
        flusher = Flusher(asyncio.get_running_loop(), 524_288)
        if breakage == "no transport":
            monkeypatch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", None)
        else:  # as in a Tornado that keeps what it has read elsewhere
            monkeypatch.setattr("imtornado.live.pumps.bytes", lambda _: b"", raising=False)
        assert not await hand_over_works(flusher)

    run(check)


@BOTH
def test_handler_and_request_are_let_go(fast: bool) -> None:
    async def upgrade() -> None:
        held: list[weakref.ref[object]] = []
        pumps, wire = Pumps(), new_wire()
        pumps.fast = fast

        class Handler(WebSocketHandler):
            def get_websocket_protocol(self) -> WebSocketProtocol:
                held.extend((weakref.ref(self), weakref.ref(self.request), weakref.ref(self.request.connection)))
                return Upgrade(self, lambda _, __: wire, enter_all, pumps)

        listener, port = bind_unused_port()
        server = HTTPServer(Application([("/", Handler)], log_function=lambda _: None))
        server.add_socket(listener)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST + frame(b"here"))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        await wire.wait_for(lambda: bool(wire.messages))
        async with asyncio.timeout(DEADLINE_S):
            while any(ref() for ref in held):  # the last turns of the upgrade
                await asyncio.sleep(0)
                gc.collect()
        assert len(held) == 3
        writer.close()
        await wire.wait_for(lambda: bool(wire.ends))
        server.stop()

    run(upgrade)


def test_a_wall_clock_set_back_stops_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    async def live() -> None:
        pumps, wire = Pumps(), new_wire()
        pumps.fast = True
        liveness = Liveness(wire.flusher, heartbeat_s=1)
        liveness.start()
        ours, peer = connected_pair()
        with peer:
            await pumps.drive(IOStream(ours), wire, lambda wire: liveness.watch(wire))
            hour_ago = time.time() - 3600
            monkeypatch.setattr("time.time", lambda: hour_ago)
            heard = b""
            async with asyncio.timeout(DEADLINE_S):
                while not heard.endswith(b"no sign of life"):
                    heard += await asyncio.get_running_loop().sock_recv(peer, 1000)
        assert heard == websocket_frame(b"", 9) + websocket_frame((4002).to_bytes(2, "big") + b"no sign of life", CLOSE)
        await wire.wait_for(lambda: bool(wire.ends))
        assert wire.ends == [4002]
        liveness.stop()

    run(live)
