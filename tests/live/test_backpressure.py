"""Slow readers and fast senders: nobody else is harmed, memory is bounded, and who reads again has lost nothing."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from tests.fixtures.server import Server, StartServer
from tests.live.figures import figure, figures
from tests.people import Person
from tests.raw_client import RawClient, frame

DEADLINE_S = 30.0
CHUNK = "x" * 20_000
SMALL_BYTES = 4096
SOME_BYTES = 65_536


def wait_until(condition: Callable[[], bool]) -> None:
    """Asks a running server again and again; its answers are the events that it waits for."""
    end = monotonic() + DEADLINE_S
    while not condition():
        assert monotonic() < end, "it did not come about"


def memory_kb(server: Server, name: str = "VmRSS") -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{server.pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def never_reads(person: Person) -> RawClient:
    client = person.open(handshake=False, receive_bytes=SMALL_BYTES)
    client.send_raw(client.request)
    client.read_response()
    return client


def gather(client: RawClient, count: int, **fields: object) -> list[dict[str, Any]]:
    return [client.until(**fields) for _ in range(count)]


def test_readers_that_never_read_are_sent_away_and_harm_nobody(chat_server: Server, alice: Person, bob: Person) -> None:
    """A megabyte each at most, 4000 or a reset in the end, and all the others have got everything in order."""
    community = alice.data("/contact/createcommunity", name=f"Slow {alice.user_id}")["id"]
    bob.call("/contact/joincommunity", dstid=community)
    sleepers = [Person(chat_server.port, "Sleeper") for _ in range(2)]
    for sleeper in sleepers:
        sleeper.call("/contact/joincommunity", dstid=community)
    here, reader = alice.connect(), bob.connect()
    for number in range(150):  # what the batches themselves need is in the figure before
        here.send(alice.message(community, f"{number} {CHUNK}", cmd=11))
        assert reader.until(cmd=11, media=1)["content"].startswith(f"{number} ")
    before_kb, before_open = memory_kb(chat_server), figure(chat_server.port, "sockets")
    slow = [never_reads(sleeper) for sleeper in sleepers for _ in range(10)]
    most_kb = 0
    for number in range(150):
        here.send(alice.message(community, f"{number} {CHUNK}", cmd=11))
        assert reader.until(cmd=11, media=1)["content"].startswith(f"{number} ")
        most_kb = max(most_kb, memory_kb(chat_server))
    assert (most_kb - before_kb) / len(slow) < 1000
    assert here.until(cmd=1, seq=2 + 300 + len(sleepers))
    wait_until(lambda: figure(chat_server.port, "sockets") <= before_open)
    assert {client.closed_with() for client in slow} <= {4000, 1006}


def test_a_slow_reader_that_wakes_up_in_time_hears_why_it_is_closed(alice: Person, bob: Person) -> None:
    """In time is within two seconds: a machine that is busy with other things gets more than one try."""
    alice.call("/contact/addfriend", dstid=bob.user_id)
    assert any(_oversleep(alice, bob) == 4000 for _ in range(5))


def _oversleep(alice: Person, bob: Person) -> int:
    """The code with which a socket ends that reads only after its outbox has overflowed."""
    before = figure(alice.port, "slow_readers_closed_total")
    here, slow = alice.connect(), bob.open(receive_bytes=SOME_BYTES)
    while figure(alice.port, "slow_readers_closed_total") == before:
        here.send(alice.message(bob.user_id, CHUNK))
        here.until(cmd=1)
    return slow.closed_with()


def test_a_reader_that_pauses_gets_everything_in_order(alice: Person, bob: Person) -> None:
    alice.call("/contact/addfriend", dstid=bob.user_id)
    here, slow = alice.connect(), bob.open(receive_bytes=SOME_BYTES)
    for number in range(40):  # more than the kernel takes, less than the bound
        here.send(alice.message(bob.user_id, f"{number} {CHUNK}"))
        here.until(cmd=1)
    assert [got["seq"] for got in gather(slow, 40, cmd=10)] == list(range(1, 41))
    here.send(alice.message(bob.user_id, "awake?"))
    assert slow.until(cmd=10)["content"] == "awake?"


def test_a_batch_of_hundreds_of_frames_is_healthy(alice: Person, bob: Person) -> None:
    """Five senders whose messages come at once: more than the bound in very few turns, to somebody who reads."""
    alice.call("/contact/addfriend", dstid=bob.user_id)
    reader = bob.connect()
    senders = [alice.connect() for _ in range(5)]
    text = "y" * 1500
    frames = [
        b"".join(frame(json.dumps(alice.message(bob.user_id, text)).encode()) for _ in range(60)) for _ in senders
    ]
    for sender, data in zip(senders, frames, strict=True):
        sender.send_raw(data)
    assert [got["seq"] for got in gather(reader, 300, cmd=10)] == list(range(1, 301))
    for sender in senders:
        assert len(gather(sender, 60, cmd=1)) == 60


def test_a_sender_that_never_stops_is_slowed_down_and_harms_nobody(alice: Person, bob: Person) -> None:
    """Thousands of messages at once: at most `unacked` are open at any time, none is lost, others are served."""
    carol = Person(bob.port, "Carol")
    bob.call("/contact/addfriend", dstid=carol.user_id)
    fast, here, there = alice.connect(), bob.connect(), carol.connect()
    count = 10_000
    data = b"".join(frame(json.dumps(alice.message(alice.user_id, f"{number}")).encode()) for number in range(count))
    sending = threading.Thread(target=fast.send_raw, args=(data,))
    acks: list[int] = []
    reading = threading.Thread(target=lambda: acks.extend(fast.until(cmd=1)["seq"] for _ in range(count)))
    fast.socket.settimeout(DEADLINE_S)
    sending.start()
    reading.start()
    most_open = 0.0
    talked = 0
    while reading.is_alive():
        here.send(bob.message(carol.user_id, f"{talked}"))
        assert there.until(cmd=10)["content"] == f"{talked}"
        talked += 1
        most_open = max(most_open, figure(bob.port, "writer_queue"))
    sending.join()
    reading.join()
    assert acks == list(range(1, count + 1))
    assert 0 < most_open <= 64 + 1
    assert talked > 1


def test_a_socket_that_neither_reads_nor_speaks_is_let_go(start_server: StartServer) -> None:
    """Half open, with a full buffer: no close frame can leave, and the wheel ends it all the same."""
    server = start_server("contacts.confirm=no", "security.throttle=no", "server.heartbeat_s=1")
    alice, bob = Person(server.port, "Alice"), Person(server.port, "Bob")
    alice.call("/contact/addfriend", dstid=bob.user_id)
    silent = never_reads(bob)
    for number in range(40):
        alice.say(bob.user_id, f"{number} {CHUNK}")
    wait_until(lambda: figure(server.port, "sockets") == 0)
    assert figures(server.port, "sockets_opened_total", "sockets_closed_total") == [1, 1]
    assert silent.closed_with() in (4002, 1006)
