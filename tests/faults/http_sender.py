"""A client that sends over HTTP."""

import asyncio
from typing import Any

from tests.faults.ledger import conversation_key
from tests.faults.town import Target
from tests.faults.traffic import LOST, RETRY_S, Traffic
from tests.people import Failure, Person
from tests.raw_client import new_cid


class HttpSender:
    """A bot: one message after the other by /message/send, each until its outcome is known."""

    def __init__(self, traffic: Traffic, person: Person, targets: list[Target]) -> None:
        self.traffic = traffic
        self.person = person
        self.targets = targets
        self._more = asyncio.Event()

    def go_on(self) -> None:
        self._more.set()

    async def run(self) -> None:
        traffic = self.traffic
        while traffic.running:
            if not traffic.take():
                self._more.clear()
                await self._more.wait()
                continue
            kind, dstid = traffic.random.choice(self.targets)
            await self._send({"cmd": kind, "dstid": dstid, "media": 1, "content": traffic.text(), "cid": new_cid()})

    async def _send(self, message: dict[str, Any]) -> None:
        traffic = self.traffic
        key = conversation_key(message["cmd"], self.person.user_id, message["dstid"])
        while True:
            await traffic.up.wait()
            attempt = traffic.ledger.attempt(self.person.user_id, key, message["cid"], message["content"])
            try:
                envelope = await traffic.call(self.person, "/message/send", **message)
            except Failure as failure:
                attempt.refused(failure.code)
                if failure.code // 100 != 503:
                    return
            except LOST:
                attempt.unknown += 1
            else:
                data = envelope["data"]
                traffic.count_ack()
                attempt.acked(data["seq"], data["id"], dup=data.get("dup", False))
                return
            await asyncio.sleep(RETRY_S)
