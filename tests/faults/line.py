"""A chat socket that sends one message at a time and waits for its answer."""

import asyncio
from collections import defaultdict
from typing import Any

from tests.faults.sockets import ChatSocket
from tests.faults.traffic import ACK, ERROR
from tests.people import Person
from tests.raw_client import new_cid

BUSY = 50301


class Line:
    """A socket whose answers are found by their cid."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self.busy = 0  # answers with 50301
        self.socket: ChatSocket

    async def open(self, port: int, person: Person) -> "Line":
        self.socket = await ChatSocket.open(port, person.token, self._heard)
        return self

    def _heard(self, message: dict[str, Any]) -> None:
        if message["cmd"] in (ACK, ERROR):
            self.answers[message["cid"]].put_nowait(message)

    async def send(self, message: dict[str, Any]) -> dict[str, Any]:
        """Its ACK or its final ERROR; after a 50301 it is sent again, as the contract asks."""
        while True:
            self.socket.send(message)
            answer = await self.answers[message["cid"]].get()
            if answer.get("code") != BUSY:
                return answer
            self.busy += 1


def message(dstid: int, content: str, kind: int = 10) -> dict[str, Any]:
    return {"cmd": kind, "dstid": dstid, "media": 1, "content": content, "cid": new_cid()}
