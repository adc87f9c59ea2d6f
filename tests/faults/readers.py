"""A reading device that follows docs/protocol.md: live first, then read, then pass on what is newer."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tests.faults.database import Row, read_database
from tests.faults.ledger import conversation_key
from tests.faults.sockets import ChatSocket, call
from tests.faults.traffic import HELLO, LOST, RETRY_S, Traffic
from tests.people import Failure, Person

CHANGE = 13
CONVERSATIONS_PAGE = 3  # small, so that pages are turned while everything moves
HISTORY_PAGE = 200
BUSY_STATUS = 503
LAST_WORDS_S = 60.0  # for the readers to be complete, on a loaded machine


class Reader:
    """Keeps its log complete over every loss of the connection."""

    def __init__(self, traffic: Traffic, person: Person, name: str) -> None:
        self.traffic = traffic
        self.person = person
        self.log = traffic.ledger.reader(name, person.user_id)
        self.close_codes: list[int] = []
        self._have: dict[str, int] = {}  # {key: the last seq that was passed on}
        self._vers: dict[str, int] = {}
        self._early: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(
            list
        )  # changes that came before their message
        self._places: dict[str, tuple[int, int]] = {}  # {key: (kind, dstid) as this user calls it}
        self._since = ""
        self._leaving = False
        self._socket: ChatSocket | None = None
        self._moved = asyncio.Event()
        self.synced = asyncio.Event()  # set once this connection is complete

    async def run(self) -> None:
        traffic = self.traffic
        while not self._leaving:
            await traffic.up.wait()
            arrived: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
            try:
                self._socket = socket = await ChatSocket.open(traffic.port, self.person.token, arrived.put_nowait)
            except LOST:
                await asyncio.sleep(RETRY_S)
                continue
            self.log.connections += 1
            self.synced.clear()
            number = self.log.connections
            ended = asyncio.create_task(_put_at_end(socket, arrived))
            try:
                await self._follow(number, arrived)
            except LOST:
                pass  # the socket lives perhaps, but we are behind: from the beginning
            except Failure as failure:
                if failure.status != BUSY_STATUS:
                    raise
            finally:
                ended.cancel()
                socket.abort()
            self.close_codes.append(socket.close_code)

    async def complete(self, last_seqs: Mapping[str, int], vers: Mapping[str, int]) -> None:
        """Returns when all of these conversations have been passed on to their ends, without a further message."""
        while any(self._have.get(key, 0) < seq for key, seq in last_seqs.items() if seq) or any(
            self._vers.get(key, 0) < ver for key, ver in vers.items()
        ):
            self._moved.clear()
            await self._moved.wait()

    def leave(self) -> None:
        self._leaving = True
        if self._socket is not None:
            self._socket.abort()

    async def _follow(self, number: int, arrived: "asyncio.Queue[dict[str, Any] | None]") -> None:
        """One connection. What arrives while we read waits in its queue."""
        hello = await arrived.get()
        if hello is None:
            return
        assert hello["cmd"] == HELLO, hello
        await self._sync()
        while (message := await arrived.get()) is not None:
            cmd = message["cmd"]
            if cmd in (10, 11):
                await self._message(number, message)
            elif cmd == CHANGE:
                await self._change(message)
            self._moved.set()

    async def _message(self, number: int, message: dict[str, Any]) -> None:
        key, seq = conversation_key(message["cmd"], message["userid"], message["dstid"]), message["seq"]
        self.log.frames.append((number, key, seq))
        if key not in self._places:
            await self._meet(key, message["cmd"], message)
        if seq > self._have[key] + 1:
            await self._read_on(key, seq - 1)
        if seq == self._have[key] + 1:
            early = self._early.get((key, seq), [])
            self._pass_on(key, message)
            for change in early:
                self._alter(key, change)

    async def _meet(self, key: str, kind: int, frame: dict[str, Any]) -> None:
        """A conversation that is new, or moved from a later page to an earlier one while we turned them."""
        dstid = frame["dstid"] if kind == 11 or frame["userid"] == self.person.user_id else frame["userid"]
        page = await self._call("/message/history", kind=kind, dstid=dstid, after=0, limit=1)
        self._places[key] = (kind, dstid)
        self._have[key] = page["first"] - 1
        self._vers[key] = page["ver"]
        await self._read_on(key, page["last"])

    async def _sync(self) -> None:
        if not self._since:
            await self._turn_pages()
        await self._turn_pages()  # what moved while the list was paged
        self.synced.set()
        self._moved.set()

    async def _turn_pages(self) -> None:
        cursor, first = "", True
        stamp = self._since
        while first or cursor:
            asked: dict[str, object] = {"limit": CONVERSATIONS_PAGE}
            asked |= {"since": self._since} if self._since else {}
            asked |= {"after": cursor} if cursor else {}
            page = await self._call("/message/conversations", **asked)
            if first:
                stamp, first = page["stamp"], False  # read before all the rows: nothing falls between
            for row in page["rows"]:
                if not row.get("left"):
                    await self._catch_up(row)
            cursor = page["next"] or ""
        self._since = stamp

    async def _catch_up(self, row: dict[str, Any]) -> None:
        key = conversation_key(row["kind"], self.person.user_id, row["dstid"])
        if key not in self._places:
            self._places[key] = (row["kind"], row["dstid"])
            self._have[key] = row["first"] - 1
            self._vers[key] = row["ver"]  # the history, read later, has these changes in it
        await self._read_on(key, row["last_seq"])
        if row["ver"] > self._vers[key]:
            await self._read_changes(key)

    async def _read_on(self, key: str, last_seq: int) -> None:
        kind, dstid = self._places[key]
        while self._have[key] < last_seq:
            page = await self._call(
                "/message/history", kind=kind, dstid=dstid, after=self._have[key], limit=HISTORY_PAGE
            )
            if not page["rows"]:
                raise AssertionError(f"{self.log.name}: {key} has {last_seq}, its history ends at {self._have[key]}")
            for row in page["rows"]:
                self._pass_on(key, row)

    def _pass_on(self, key: str, message: dict[str, Any]) -> None:
        """The next message, from whichever source; the oracle looks at the order."""
        seq = message["seq"]
        self._have[key] = seq
        self._early.pop((key, seq), None)  # the history, read later, has them in it
        if "gone" in message:
            row = Row(seq, 0, 0, "", "", gone=True)
        else:
            content, cid = message.get("content", ""), message.get("cid", "")
            row = Row(seq, message["id"], message["userid"], cid, content, media=message["media"])
        self.log.place(key, row)

    async def _change(self, message: dict[str, Any]) -> None:
        key = conversation_key(message["kind"], message["userid"], message["dstid"])
        if key not in self._places:
            await self._meet(key, message["kind"], message)
        if message["ver"] == self._vers[key] + 1:
            self._apply(key, message)
        elif message["ver"] > self._vers[key]:
            await self._read_changes(key)

    async def _read_changes(self, key: str) -> None:
        kind, dstid = self._places[key]
        while True:
            page = await self._call("/message/changes", kind=kind, dstid=dstid, since=self._vers[key])
            for row in page["rows"]:
                self._apply(key, row)
            self._vers[key] = max(self._vers[key], page["ver"])
            if page["next"] is None:
                return

    def _apply(self, key: str, change: dict[str, Any]) -> None:
        self._vers[key] = change["ver"]
        if "seq" not in change:
            return
        if change["seq"] in self.log.rows[key]:
            self._alter(key, change)
        else:
            self._early[key, change["seq"]].append(change)

    def _alter(self, key: str, change: dict[str, Any]) -> None:
        row = self.log.rows[key][change["seq"]]
        if row.gone:
            return
        if change["change"] == "recall":
            self.log.rows[key][row.seq] = Row(row.seq, 0, 0, "", "", gone=True)
        elif change["change"] == "edit" and "content" in change:  # else its text is recalled by a later one
            edited = Row(row.seq, row.message_id, row.sender_id, row.cid, change["content"], media=row.media)
            self.log.rows[key][row.seq] = edited

    async def _call(self, path: str, **fields: object) -> dict[str, Any]:
        return await call(self.traffic.port, path, self.person.token, **fields)


async def complete(readers: list[Reader], url: str) -> None:
    """Returns when every reader has all that is stored, or when his time is up: the oracle says what he misses."""
    now = read_database(url)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_WORDS_S):
            for reader in readers:
                keys = [key for user_id, key in now.windows if user_id == reader.person.user_id]
                last_seqs, vers = ({key: of[key] for key in keys} for of in (now.last_seqs, now.last_vers))
                await reader.complete(last_seqs, vers)


async def _put_at_end(socket: ChatSocket, arrived: "asyncio.Queue[dict[str, Any] | None]") -> None:
    await socket.ended.wait()
    arrived.put_nowait(None)
