"""A sender with many messages on their way, who keeps every answer to each."""

import asyncio
from typing import Any

from tests.faults.ledger import Ledger, conversation_key
from tests.faults.sockets import ChatSocket
from tests.faults.town import SINGLE
from tests.faults.traffic import ACK, ERROR
from tests.fixtures.server import Server
from tests.people import Person
from tests.raw_client import new_cid


class Patient:
    """A sender that notes every answer to every cid, with its time; `insists` sends again after a 50301."""

    def __init__(self, ledger: Ledger, person: Person, dstid: int, kind: int = SINGLE) -> None:
        self.ledger = ledger
        self.person = person
        self.dstid = dstid
        self.kind = kind
        self.sent_at: dict[str, float] = {}
        self.frames: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.first_answer_s: dict[str, float] = {}
        self.insists = False
        self._moved = asyncio.Event()
        self.socket: ChatSocket

    async def open(self, server: Server) -> "Patient":
        self.socket = await ChatSocket.open(server.port, self.person.token, self._heard)
        return self

    def _heard(self, message: dict[str, Any]) -> None:
        if message["cmd"] not in (ACK, ERROR):
            return
        cid = message["cid"]
        self.answers[cid].append(message)
        self.first_answer_s.setdefault(cid, asyncio.get_running_loop().time() - self.sent_at[cid])
        attempt = self.ledger.attempts[self.person.user_id, cid]
        if message["cmd"] == ACK:
            attempt.acked(message["seq"], message["id"], dup=message.get("dup", False))
        else:
            attempt.refused(message["code"])
            if self.insists:
                self.send(cid)
        self._moved.set()

    def send(self, cid: str = "", text: str = "text") -> str:
        """Sends a new message, or the one of this cid again."""
        if not cid:
            cid = new_cid()
            self.answers[cid] = []
            self.sent_at[cid] = asyncio.get_running_loop().time()
            self.frames[cid] = {"cmd": self.kind, "dstid": self.dstid, "media": 1, "content": text, "cid": cid}
        key = conversation_key(self.kind, self.person.user_id, self.dstid)
        self.ledger.attempt(self.person.user_id, key, cid, self.frames[cid]["content"])
        self.socket.send(self.frames[cid])
        return cid

    def acks(self) -> list[dict[str, Any]]:
        return [answer for answers in self.answers.values() for answer in answers if answer["cmd"] == ACK]

    def acked(self, cid: str) -> bool:
        return any(answer["cmd"] == ACK for answer in self.answers[cid])

    async def answer(self, cid: str) -> dict[str, Any]:
        """The first answer to a message that was sent."""
        while not self.answers[cid]:
            self._moved.clear()
            await self._moved.wait()
        return self.answers[cid][0]

    async def all_answered(self) -> None:
        while not all(self.answers.values()):
            self._moved.clear()
            await self._moved.wait()

    async def answered_again(self, cid: str) -> None:
        while len(self.answers[cid]) < 2:
            self._moved.clear()
            await self._moved.wait()

    async def insist(self) -> None:
        """Sends again what has no ACK; returns when all have one."""
        self.insists = True
        for cid in self.answers:
            if not self.acked(cid):
                self.send(cid)
        while not all(map(self.acked, self.answers)):
            self._moved.clear()
            await self._moved.wait()
        self.insists = False
