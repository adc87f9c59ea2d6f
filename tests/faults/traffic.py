"""What the clients of a run share, and those that send over the socket, with a window."""

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from tests.faults.answers import Answers
from tests.faults.ledger import Alteration, Attempt, Ledger, conversation_key
from tests.faults.sockets import ChatSocket, call
from tests.faults.town import Target
from tests.people import Failure, Person
from tests.raw_client import Refused, new_cid

ACK, ERROR, HELLO = 1, 2, 3
ALTER_RETRY_S = 0.5
RETRY_S = 0.05  # before another try at a server that refused; one that is down is not tried at all
ALPHABET = 'abcdefghijklmnopqrstuvwxyz     éß漢字、😀\n"\\<&'
LOST = (OSError, TimeoutError, Refused)


class Source(Protocol):
    """A client that sends."""

    async def run(self) -> None:
        """Until nothing is left to send."""

    def go_on(self) -> None:
        """More may be sent, or nothing more will be."""


class Traffic:
    """One run: where the server is, whether it is up, the ledger, and who is on the way."""

    def __init__(self, port: int, group: asyncio.TaskGroup, seed: int = 1) -> None:
        self.port = port
        self._group = group  # ends the whole run when a client fails
        self.ledger = Ledger()
        self.answers = Answers()
        self.random = random.Random(seed)
        self.up = asyncio.Event()  # clients wait for it, else they would take the port of a server that is down
        self.up.set()
        self.running = True  # senders go on making new messages
        self.acked = 0
        self._left = 0  # messages that may still be made
        self._progress = asyncio.Condition()
        self._senders: list[Source] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._calls: set[asyncio.Task[None]] = set()

    def add(self, sender: "Source") -> None:
        """Lets a client live."""
        self._senders.append(sender)
        self._tasks.append(self._group.create_task(sender.run()))

    def allow(self, count: int) -> None:
        """Lets the senders make so many more new messages, all together."""
        self._left = count
        for sender in self._senders:
            sender.go_on()

    def take(self) -> bool:
        """True where one more message may be made."""
        if not self.running or self._left <= 0:
            return False
        self._left -= 1
        return True

    async def call(self, person: Person, path: str, **fields: object) -> dict[str, Any]:
        """The envelope of a call whose answer is waited for as for that to a frame. Raises: Failure, OSError."""
        asked_at = time.monotonic()
        answered = "ACK"
        try:
            return await call(self.port, path, person.token, **fields)
        except Failure as failure:
            answered = f"ERROR {failure.code}"
            raise
        finally:
            self.answers.add(f"{person.nickname}, by {path},", answered, asked_at)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """A call that its client does not wait for."""
        task = self._group.create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def count_ack(self) -> None:
        self.acked += 1
        if self.acked % 16 == 0:
            self.aside(self._tell())

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def acks(self, count: int) -> None:
        """Returns when so many messages have been acknowledged since the beginning."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.acked >= count)

    async def finish(self) -> None:
        """No new messages; returns when each one has its outcome."""
        self.running = False
        for sender in self._senders:
            sender.go_on()
        await asyncio.gather(*self._tasks)
        while self._calls:
            await asyncio.gather(*self._calls)

    def text(self) -> str:
        size = self.random.choice((1, 20, 60, 60, 200, 3000))
        return "".join(self.random.choices(ALPHABET, k=size)).strip() or "x"


class Sender:
    """A client with an outbox: it sends the same cid again until it knows the outcome."""

    def __init__(self, traffic: Traffic, person: Person, targets: list[Target], *, window: int = 8) -> None:
        self.traffic = traffic
        self.person = person
        self.targets = targets
        self.window = window
        self.outbox: dict[str, dict[str, Any]] = {}  # {cid: its frame}, in the order of sending
        self.alter_every = 0  # every so many acks one message is recalled or edited
        self.close_codes: list[int] = []
        self._asked_at: dict[str, float] = {}  # {cid: when its try was sent that has no answer yet}
        self._acked = 0
        self.socket: ChatSocket | None = None
        self.connected = asyncio.Event()  # set as long as it may send
        self._greeted = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self) -> None:
        traffic = self.traffic
        while traffic.running or self.outbox:
            await traffic.up.wait()
            self._greeted.clear()
            try:
                socket = await ChatSocket.open(traffic.port, self.person.token, self._heard)
            except LOST:
                await asyncio.sleep(RETRY_S)
                continue
            try:
                await self._use(socket)
            finally:
                socket.abort()
                self.socket = None
                self.connected.clear()
                self._asked_at.clear()
                for lost in self.outbox:
                    self._attempt_of(lost).unknown += 1
            self.close_codes.append(socket.close_code)

    async def _use(self, socket: ChatSocket) -> None:
        """Until the socket ends, or nothing is left to send."""
        if not await _either(self._greeted.wait(), socket.ended.wait()):
            return
        self.socket = socket
        self.connected.set()
        for cid in list(self.outbox):
            self._transmit(cid)
        self._top_up()
        await _either(self._done(), socket.ended.wait())

    async def _done(self) -> bool:
        while self.traffic.running or self.outbox:
            self._moved.clear()
            await self._moved.wait()
        return True

    def go_on(self) -> None:
        """More may be sent, or nothing more will be."""
        self._top_up()
        self._moved.set()

    def _heard(self, message: dict[str, Any]) -> None:
        cmd = message["cmd"]
        if cmd in (ACK, ERROR) and (asked_at := self._asked_at.pop(message["cid"], None)) is not None:
            kind = "ACK" if cmd == ACK else f"ERROR {message['code']}"
            self.traffic.answers.add(f"{self.person.nickname}'s socket", kind, asked_at)
        if cmd == ACK:
            self._acknowledged(message)
        elif cmd == ERROR:
            self._refused(message)
        elif cmd == HELLO:
            self._greeted.set()

    def _acknowledged(self, message: dict[str, Any]) -> None:
        cid = message["cid"]
        attempt = self.traffic.ledger.attempts[self.person.user_id, cid]
        if not attempt.acks:
            self.traffic.count_ack()
            self._acked += 1
        attempt.acked(message["seq"], message["id"], dup=message.get("dup", False))
        frame = self.outbox.pop(cid, None)
        if frame and self.alter_every and self._acked % self.alter_every == 0:
            self.traffic.aside(self._alter(frame, message["seq"]))
        self._top_up()

    def _refused(self, message: dict[str, Any]) -> None:
        cid = message["cid"]
        self._attempt_of(cid).refused(message["code"])
        if message["code"] // 100 != 503:
            self.outbox.pop(cid, None)
            self._top_up()
        elif cid in self.outbox and self.socket is not None:
            wait_s: float = message.get("retry_after_ms", 1000) / 1000
            asyncio.get_running_loop().call_later(wait_s, self._again, self.socket, cid)

    def _again(self, socket: ChatSocket, cid: str) -> None:
        if cid in self.outbox and socket is self.socket and not socket.ended.is_set():
            self._transmit(cid)

    def _top_up(self) -> None:
        traffic = self.traffic
        while self.socket and len(self.outbox) < self.window and traffic.take():
            kind, dstid = traffic.random.choice(self.targets)
            message: dict[str, Any] = {
                "cmd": kind,
                "dstid": dstid,
                "media": 1,
                "content": traffic.text(),
                "cid": new_cid(),
            }
            self.outbox[message["cid"]] = message
            self._transmit(message["cid"])
        if not self.outbox:
            self._moved.set()

    def _transmit(self, cid: str) -> None:
        frame = self.outbox[cid]
        key = conversation_key(frame["cmd"], self.person.user_id, frame["dstid"])
        self.traffic.ledger.attempt(self.person.user_id, key, cid, frame["content"])
        if self.socket is not None:
            self._asked_at[cid] = time.monotonic()
            self.socket.send(frame)

    def _attempt_of(self, cid: str) -> Attempt:
        return self.traffic.ledger.attempts[self.person.user_id, cid]

    async def _alter(self, frame: dict[str, Any], seq: int) -> None:
        """Recalls or edits the message until the outcome is known, which is in the ledger."""
        key = conversation_key(frame["cmd"], self.person.user_id, frame["dstid"])
        content = None if self.traffic.random.random() < 0.5 else self.traffic.text()
        alteration = Alteration(key, seq, content)
        self.traffic.ledger.alterations.append(alteration)
        place: dict[str, object] = {"kind": frame["cmd"], "dstid": frame["dstid"], "seq": seq}
        path = "/message/recall" if content is None else "/message/edit"
        fields = place if content is None else place | {"content": content}
        while True:  # what was left unknown might still be done when nobody looks any more
            await self.traffic.up.wait()
            try:
                await self.traffic.call(self.person, path, **fields)
            except Failure as failure:
                if failure.code // 100 != 503:
                    return
            except LOST:
                pass
            else:
                alteration.acked = True
                return
            await asyncio.sleep(ALTER_RETRY_S)


async def _either(hoped: Coroutine[Any, Any, bool], feared: Coroutine[Any, Any, bool]) -> bool:
    """Waits for the first of the two; whether it is the hoped one."""
    tasks = asyncio.create_task(hoped), asyncio.create_task(feared)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return tasks[0].done()
