"""`imtornado bench run`: chat sockets that write to each other, and what became of every message.

A closed loop (`--window`: so many messages of a sender are open, an ACK makes room for the next) says how much the
server takes; an open loop (`--rate`: so many a second, whatever comes back) says how long a message takes at that
load. The client is Python too and takes a core of its own: give it another one than the server.
"""

import argparse
import asyncio
import contextlib
import time
from collections import defaultdict
from pathlib import Path

import msgspec

from imtornado.client import ChatSocket, Refused, open_chat
from imtornado.commands.command import Refusal, add_command
from imtornado.commands.figures import Figures, percentiles
from imtornado.config import Config
from imtornado.protocol import encode
from imtornado.records import Kind

TEXT = "hello there, this is a chat line of usual size"
OPENING = 50  # sockets that open at once
WARM_S = 1.0
DRAIN_S = 5.0
TICK_S = 0.005  # of an open loop


class _Heard(msgspec.Struct):
    """What counts in a frame of the server."""

    cmd: int = -1
    cid: str = ""
    seq: int = 0
    userid: int = 0
    dstid: int = 0
    code: int = 0


_decode = msgspec.json.Decoder(_Heard).decode


class Line(msgspec.Struct, frozen=True):
    """A line of a path file: the address of a socket, its user, and to whom it writes."""

    path: str
    user_id: int
    peer_id: int


def add_command_to(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = add_command(kinds, "run", _run, "let sockets write to each other, and say how fast and whether all arrived")
    add = run.add_argument
    add("--paths", type=Path, required=True, metavar="FILE", help="a path file of bench prepare")
    add("--community", action="store_true", help="PEER of the path file is a community (room…, rooms…), not a user")
    add("--sockets", type=_count, metavar="N", help="open the first N lines only")
    add("--senders", type=_count, metavar="N", help="sockets that write, the first N (default: all)")
    kind = run.add_mutually_exclusive_group()
    kind.add_argument("--window", type=_count, default=16, metavar="N", help="open messages of a sender (default: 16)")
    kind.add_argument("--rate", type=_count, metavar="N", help="messages a second of all senders together")
    add("--seconds", type=_count, default=5, metavar="N", help="how long is measured, after a second of warming up")
    add("--json", action="store_true", help="print the figures as a JSON object")


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000_000:
        return int(text)
    raise argparse.ArgumentTypeError("write a whole number from 1 to 10000000")


def _run(config: Config, options: argparse.Namespace) -> None:
    if config.server.tls_cert:
        raise Refusal("bench run speaks plain HTTP only: leave out server.tls_cert, here and at the server")
    lines = _lines(options.paths, options.sockets)
    load = Load(config, options, lines)
    try:
        import uvloop
    except ImportError:
        run = asyncio.run
    else:
        run = uvloop.run
    figures = run(load.run())
    print(encode(figures).decode() if options.json else figures.text())
    if bad := figures.losses():
        raise Refusal(f"not everything arrived: {bad}")


def _lines(file: Path, limit: int | None) -> list[Line]:
    try:
        rows = [row.split(" ") for row in file.read_text(encoding="ascii").splitlines()[:limit]]
        lines = [Line(path, int(user), int(peer)) for path, user, peer in rows]
    except (OSError, ValueError) as error:
        raise Refusal(f"{file} is no path file of bench prepare: {error}") from error
    if not lines:
        raise Refusal(f"{file} has no lines")
    return lines


class Load:
    """One run. Loop only."""

    def __init__(self, config: Config, options: argparse.Namespace, lines: list[Line]) -> None:
        self._address = config.server.host, config.server.port
        self._options = options
        self._lines = lines
        self._kind = Kind.COMMUNITY if options.community else Kind.SINGLE
        self._run = f"{time.time_ns():x}"  # begins the cids, so that an earlier run's late messages do not count
        self._sockets: dict[ChatSocket, Line] = {}
        self._receivers: dict[int, int] = defaultdict(int)  # {PEER that is written to: sockets that hear it}
        self._open: dict[str, tuple[float, ChatSocket]] = {}  # {cid: (when it was sent, by whom)}
        self._sent_at: dict[str, float] = {}  # {cid: when}, for those who receive it
        self._last_seqs: dict[tuple[ChatSocket, int], int] = {}  # {(socket, conversation): seq heard last}
        self._writing = False
        self._measured = False
        self._number = 0
        self._acked = self._delivered = self._expected = self._disordered = self._closed = 0
        self._refused: dict[int, int] = defaultdict(int)  # {code: messages}
        self._ack_s: list[float] = []
        self._delivery_s: list[float] = []

    async def run(self) -> Figures:
        """The figures. Raises: Refusal where the sockets cannot be opened."""
        try:
            await self._connect()
            senders = list(self._sockets)[: self._options.senders]
            self._writing = True
            pacing = asyncio.create_task(self._pace(senders))
            if not self._options.rate:
                for socket in senders * self._options.window:
                    self._send(socket)
            await asyncio.sleep(WARM_S)
            acked, delivered, start = self._acked, self._delivered, time.perf_counter()
            self._measured = True
            await asyncio.sleep(self._options.seconds)
            self._measured, took_s = False, time.perf_counter() - start
            rates = (self._acked - acked) / took_s, (self._delivered - delivered) / took_s
            self._writing = False
            pacing.cancel()
            await self._drain()
        finally:
            for socket in self._sockets:
                socket.abort()
        return self._figures(len(senders), rates)

    async def _connect(self) -> None:
        gate = asyncio.Semaphore(OPENING)

        async def connect(line: Line) -> None:
            async with gate:
                socket = await open_chat(*self._address, line.path, self._heard)
            self._sockets[socket] = line
            self._receivers[line.peer_id if self._options.community else line.user_id] += 1
            socket.ended.add_done_callback(self._ended)

        try:
            async with asyncio.TaskGroup() as group:
                for line in self._lines:
                    group.create_task(connect(line))
        except* Refused as failed:
            status = failed.exceptions[0].args[0]
            hint = "is this the server whose database was prepared?" if status == 401 else "is it ready?"
            raise Refusal(f"the server refused a socket with status {status}: {hint}") from None
        except* OSError as failed:
            where = ":".join(map(str, self._address))
            raise Refusal(f"no socket to {where}: {failed.exceptions[0]}. Another one: --set server.port=…") from None

    def _ended(self, _: object) -> None:
        self._closed += self._writing

    async def _pace(self, senders: list[ChatSocket]) -> None:
        """An open loop: as many messages as the clock says are due, from each sender in turn."""
        rate, start, sent = self._options.rate or 0, time.perf_counter(), 0
        while rate:
            for _ in range(int((time.perf_counter() - start) * rate) - sent):
                self._send(senders[sent % len(senders)])
                sent += 1
            await asyncio.sleep(TICK_S)

    def _send(self, socket: ChatSocket) -> None:
        if socket.ended.done():
            return
        self._number += 1
        cid = f"{self._run}-{self._number}"
        message = {
            "cmd": int(self._kind),
            "dstid": self._sockets[socket].peer_id,
            "media": 1,
            "content": TEXT,
            "cid": cid,
        }
        self._sent_at[cid] = now = time.perf_counter()
        self._open[cid] = now, socket
        socket.send(encode(message))

    def _heard(self, socket: ChatSocket, payload: bytes) -> None:
        heard = _decode(payload)
        if heard.cmd == self._kind and heard.cid.startswith(self._run):
            self._received(socket, heard)
        elif heard.cmd in (1, 2) and (found := self._open.pop(heard.cid, None)):
            sent_at, _ = found
            if heard.cmd == 1:
                self._acked += 1
                self._expected += self._receivers_of(self._sockets[socket])
                if self._measured:
                    self._ack_s.append(time.perf_counter() - sent_at)
            else:
                self._refused[heard.code] += 1
            if self._writing and not self._options.rate:
                self._send(socket)

    def _receivers_of(self, line: Line) -> int:
        """Sockets that hear what this line's socket writes: all of the peer's but itself."""
        itself = self._options.community or line.peer_id == line.user_id
        return self._receivers[line.peer_id] - itself

    def _received(self, socket: ChatSocket, heard: _Heard) -> None:
        self._delivered += 1
        if self._measured:
            self._delivery_s.append(time.perf_counter() - self._sent_at[heard.cid])
        place = socket, heard.dstid if self._options.community else heard.userid
        self._disordered += heard.seq <= self._last_seqs.get(place, 0)
        self._last_seqs[place] = heard.seq

    async def _drain(self) -> None:
        """Waits for what is still under way, as long as something comes."""
        before = (-1, -1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S * 6):
                while (self._open or self._delivered < self._expected) and before != (self._acked, self._delivered):
                    before = self._acked, self._delivered
                    await asyncio.sleep(DRAIN_S / 5)

    def _figures(self, senders: int, rates: tuple[float, float]) -> Figures:
        return Figures(
            sockets=len(self._sockets),
            senders=senders,
            acked_per_s=round(rates[0]),
            delivered_per_s=round(rates[1]),
            ack_ms=percentiles(self._ack_s),
            delivery_ms=percentiles(self._delivery_s),
            unanswered=len(self._open),
            missing=max(0, self._expected - self._delivered),
            disordered=self._disordered,
            closed=self._closed,
            refused=dict(self._refused),
        )
