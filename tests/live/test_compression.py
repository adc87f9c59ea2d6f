"""permessage-deflate (RFC 7692): negotiated, shared by all receivers, inflated within bounds; over both pumps."""

import asyncio
import json
import ssl
import zlib
from collections.abc import Iterator

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from imtornado.frames import FRAME_BYTES, websocket_frame
from imtornado.live.connection import Connection
from imtornado.live.deflate import ACCEPTED, CompressedConnection, deflated
from imtornado.live.outbox import Ephemeral, Flusher
from imtornado.live.pumps import TransportPump
from imtornado.records import Opening, Session, User
from tests.fixtures.server import Server
from tests.people import Person
from tests.raw_client import BINARY, CLOSE, CONTINUATION, PING, TEXT, RawClient, frame

DEADLINE_S = 30.0
OFFER = "permessage-deflate; client_max_window_bits"
LONG = "All of this is said again and again. " * 100


@pytest.fixture(scope="module", params=["yes", "no"], ids=["transport", "stream"])
def chat_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As that of the other modules, with compression."""
    settings = ("contacts.confirm=no", "security.throttle=no", "server.compression=yes")
    server = Server(tmp_path_factory.mktemp("server"), (*settings, f"server.fast_transport={request.param}"))
    try:
        yield server
        status = server.stop()
    finally:
        server.close()
    assert not server.failures(), "\n".join(server.failures())
    assert status == 0


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext | None:
    return None


class Nobody:
    """A listener of connections that hear nothing."""

    def received(self, connection: Connection, payload: bytes) -> None: ...

    def ended(self, connection: Connection, code: int) -> None: ...

    def answered(self, connection: Connection, pending: object, outcome: object) -> None: ...


def packed(text: bytes) -> bytes:
    """A message as a client compresses it."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def unpacked(data: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")


def offering(person: Person, offer: str = OFFER) -> RawClient:
    return person.open(headers=(f"Sec-WebSocket-Extensions: {offer}",))


@pytest.fixture
def client(alice: Person) -> RawClient:
    """A socket with compression after its HELLO."""
    client = offering(alice)
    assert f"Sec-WebSocket-Extensions: {ACCEPTED}".encode() in client.response
    _, payload = client.read()
    assert json.loads(unpacked(payload) if client.reserved else payload)["cmd"] == 3
    return client


def heart(size: int) -> bytes:
    return b'{"cmd":0,"rid":"r","pad":"' + b"x" * (size - 28) + b'"}'


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("permessage-deflate", True),
        (OFFER, True),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
        ("permessage-deflate; server_max_window_bits=15", True),
        ('permessage-deflate; client_max_window_bits="10"', True),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("x-webkit-deflate-frame, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; client_max_window_bits=99", False),
        ("permessage-deflate; server_no_context_takeover=1", False),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", False),
        ("permessage-deflate; unknown", False),
        ("permessage-bzip2", False),
        (";;;,,,===", False),
    ],
)
def test_which_offers_are_accepted(alice: Person, offer: str, accepted: bool) -> None:
    client = offering(alice, offer)
    assert (b"sec-websocket-extensions" in client.response.lower()) is accepted
    opcode, payload = client.read()
    assert opcode == TEXT
    assert (client.reserved == 4) is accepted
    assert json.loads(unpacked(payload) if accepted else payload)["cmd"] == 3


def test_who_offers_nothing_gets_plain_frames(friends: tuple[Person, Person]) -> None:
    alice, bob = friends
    plain, packed_one = alice.connect(), offering(alice)
    packed_one.read()
    bob.connect().send(bob.message(alice.user_id, LONG))
    assert plain.until(cmd=10)["content"] == LONG
    assert plain.reserved == 0
    _, payload = packed_one.read()
    assert packed_one.reserved == 4
    assert len(payload) < len(LONG) / 5
    assert json.loads(unpacked(payload))["content"] == LONG


def test_short_frames_are_not_worth_it(client: RawClient) -> None:
    client.send(b'{"cmd":0,"rid":"short"}')
    assert client.json() == {"cmd": 0, "rid": "short"}
    assert client.reserved == 0


# 12, 13 of the Autobahn test-suite


@pytest.mark.parametrize("size", [30, 64, 256, 1024, 4096, 16_384, 65_536, 131_072, FRAME_BYTES])
def test_compressed_messages_of_every_size(client: RawClient, size: int) -> None:
    client.send_raw(frame(packed(heart(size)), TEXT, rsv=4) + frame(heart(30)))
    assert [client.json() for _ in range(2)] == [{"cmd": 0, "rid": "r"}] * 2


def test_compressed_fragments_with_a_ping_between(client: RawClient) -> None:
    data = packed(heart(500))
    client.send_raw(frame(data[:5], TEXT, fin=False, rsv=4) + frame(b"!", PING) + frame(data[5:], CONTINUATION))
    assert client.read()[1] == b"!"
    assert client.json()["rid"] == "r"
    text = heart(40)
    client.send_raw(frame(text[:5], TEXT, fin=False) + frame(text[5:], CONTINUATION))
    assert client.json()["rid"] == "r"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(b"", PING, rsv=4), 1002),
        (frame(b"\x03\xe8", CLOSE, rsv=4), 1002),
        (frame(packed(b"{}"), TEXT, rsv=6), 1002),
        (frame(packed(b"{}"), TEXT, rsv=2), 1002),
        (frame(b"{", TEXT, fin=False) + frame(packed(b"}"), CONTINUATION, rsv=4), 1002),
        (frame(packed(b"{"), TEXT, fin=False, rsv=4) + frame(packed(b"}"), TEXT, rsv=4), 1002),
        (frame(packed(b"{}"), BINARY, rsv=4), 1003),
        (frame(b"\xff\xff\xff\xff", TEXT, rsv=4), 1007),
        (frame(packed(b'"\xff"'), TEXT, rsv=4), 1007),
        (frame(packed(b"x" * (FRAME_BYTES + 1)), TEXT, rsv=4), 1009),
        (frame(packed(b"x" * 200_000_000), TEXT, rsv=4), 1009),
    ],
    ids=["ping", "close", "RSV2", "only RSV2", "continuation", "inside", "binary", "rubbish", "UTF-8", "long", "bomb"],
)
def test_compressed_frames_that_are_wrong(client: RawClient, frames: bytes, code: int) -> None:
    client.send_raw(frames)
    assert client.closed_with() == code


def test_websockets_compresses_and_is_understood(friends: tuple[Person, Person]) -> None:
    alice, bob = friends
    reader = bob.connect()
    headers = {"Authorization": f"Bearer {alice.token}"}
    address = f"ws://127.0.0.1:{alice.port}/chat"
    deflate = [ClientPerMessageDeflateFactory()]
    with connect(
        address,
        additional_headers=headers,
        subprotocols=[Subprotocol("im.v1")],
        extensions=deflate,
        compression=None,
        open_timeout=DEADLINE_S,
    ) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        text = "你好 " * 8000
        for _ in range(3):
            client.send(json.dumps(alice.message(bob.user_id, text)))
            assert reader.until(cmd=10)["content"] == text
        bob.say(alice.user_id, text)
        heard = [json.loads(client.recv(DEADLINE_S))]
        while heard[-1]["cmd"] != 10:
            heard.append(json.loads(client.recv(DEADLINE_S)))
        assert heard[-1]["content"] == text


def test_a_frame_that_gains_nothing_is_left_as_it_is() -> None:
    short, noise = websocket_frame(b"x" * 100), websocket_frame(bytes(range(256)))
    assert deflated(short) is short
    assert deflated(noise) is noise
    assert deflated(websocket_frame(b"", CLOSE)) == websocket_frame(b"", CLOSE)


@pytest.mark.parametrize("size", [300, 70_000])
def test_what_may_be_dropped_may_still_be_dropped(size: int) -> None:
    payload = b"t" * size
    plain, ephemeral = deflated(websocket_frame(payload)), deflated(Ephemeral(websocket_frame(payload)))
    assert not isinstance(plain, Ephemeral)
    assert isinstance(ephemeral, Ephemeral)
    assert plain == ephemeral
    assert unpacked(plain[2:] if plain[1] < 126 else plain[4:]) == payload


@pytest.mark.usefixtures("io_loop")
def test_all_receivers_share_one_compressed_frame() -> None:
    flusher = Flusher(asyncio.get_event_loop(), 524_288)
    opening = Opening(Session(1, 2, "phone", "127.0.0.1", 0, 0, 0), User(2, "13800000000", "Alice"), ())
    receivers = [CompressedConnection(flusher, Nobody(), opening, v1=True, language="en") for _ in range(3)]
    for receiver in receivers:
        receiver.attach(TransportPump(receiver, b""))
        receiver.full = True  # so that what would be written can be looked at
    message = websocket_frame(LONG.encode())
    for receiver in receivers:
        receiver.send(message)
    flusher.flush()
    waiting = [receiver._backlog for receiver in receivers]
    assert len(waiting[0]) == 1
    assert waiting[0][0] == deflated(message)
    assert all(frames[0] is waiting[0][0] for frames in waiting)
    assert not flusher.deflated, "the forms of this turn are kept"
