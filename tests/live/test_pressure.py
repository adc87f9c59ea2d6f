"""Floods of frames that cost the server a look-up or a write each: they harm their sender only."""

import json
import threading

import pytest

from tests.fixtures.server import StartServer
from tests.people import Person
from tests.raw_client import frame


@pytest.mark.parametrize("cmd", ["READ", "PRESENCE"])
def test_a_flood_of_small_frames_keeps_nobody_else_from_the_server(start_server: StartServer, cmd: str) -> None:
    server = start_server("messages.queue=60", "storage.queue=8", "messages.unacked=32")
    alice, bob = Person(server.port, "Alice"), Person(server.port, "Bob")
    if cmd == "READ":
        flood: list[dict[str, object]] = [
            {"cmd": 12, "kind": 10, "dstid": 10**6 + number, "seq": 1} for number in range(20_000)
        ]
    else:
        flood = [{"cmd": 15, "userids": list(range(1, 100))}] * 20_000
    here, phone = alice.connect(), bob.connect()
    flooding = threading.Thread(
        target=here.send_raw, args=(b"".join(frame(json.dumps(one).encode()) for one in flood),), daemon=True
    )
    flooding.start()
    for number in range(100):
        phone.send(bob.message(bob.user_id, f"{number}"))
        got = phone.json()
        assert (got["cmd"], got.get("seq")) == (1, number + 1)
        assert bob.data("/user/me")["id"] == bob.user_id
    here.close()
    flooding.join(60)
