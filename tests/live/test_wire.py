"""RFC 6455 over a raw socket, in the sections of the Autobahn test-suite."""

import json

import pytest

from imtornado.frames import FRAME_BYTES
from tests.people import Person
from tests.raw_client import ACCEPT, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawClient, Refused, frame


@pytest.fixture
def client(alice: Person) -> RawClient:
    return alice.connect()


def note(person: Person, content: str) -> bytes:
    """A message to one's own notebook, as JSON."""
    return json.dumps(person.message(person.user_id, content)).encode()


# The handshake


def test_the_example_of_section_1_3(alice: Person) -> None:
    client = RawClient(alice.port, alice.token)
    assert f"Sec-WebSocket-Accept: {ACCEPT}".lower() in client.response.decode().lower()
    assert b"HTTP/1.1 101" in client.response
    assert "sec-websocket-protocol: im.v1" in client.response.decode().lower()


def test_a_handshake_without_a_key_is_refused(alice: Person) -> None:
    client = RawClient(alice.port, alice.token, handshake=False)
    client.send_raw(client.request.replace(b"Sec-WebSocket-Key", b"X-Other"))
    with pytest.raises(Refused) as refused:
        client.read_response()
    assert refused.value.status == 400


def test_another_version_is_refused_with_the_right_one(alice: Person) -> None:
    client = RawClient(alice.port, alice.token, handshake=False)
    client.send_raw(client.request.replace(b"Version: 13", b"Version: 8"))
    with pytest.raises(Refused) as refused:
        client.read_response()
    assert refused.value.status == 426
    assert b"sec-websocket-version: 13" in client.response.lower()


# 1 Framing


@pytest.mark.parametrize("length", [1, 60, 125, 126, 127, 128, 15_000, 59_000])
def test_messages_of_every_spelling_of_a_length(alice: Person, client: RawClient, length: int) -> None:
    content = "x" * length
    client.send(note(alice, content))
    seq = client.until(cmd=1)["seq"]
    rows = alice.rows("/message/history", kind=10, dstid=alice.user_id, after=seq - 1)
    assert rows[0]["content"] == content


def test_an_empty_frame_is_no_json(client: RawClient) -> None:
    client.send(b"")
    assert client.json()["code"] == 40001


# 2 Pings


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"p" * 125])
def test_a_ping_is_answered_with_its_payload(client: RawClient, payload: bytes) -> None:
    client.send_raw(frame(payload, PING))
    assert client.read() == (PONG, payload)


def test_a_ping_of_126_bytes_breaks_the_protocol(client: RawClient) -> None:
    client.send_raw(frame(b"p" * 126, PING))
    assert client.closed_with() == 1002


def test_unsolicited_pongs_are_passed_over(client: RawClient) -> None:
    client.send_raw(frame(b"nobody asked", PONG) + frame(b"and?", PING))
    assert client.read() == (PONG, b"and?")


def test_ten_pings_in_one_segment_are_answered_in_order(client: RawClient) -> None:
    client.send_raw(b"".join(frame(b"%d" % number, PING) for number in range(10)))
    assert [client.read() for _ in range(10)] == [(PONG, b"%d" % number) for number in range(10)]


# 3 Reserved bits, 4 opcodes, masking


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
def test_reserved_bits_break_the_protocol(client: RawClient, rsv: int, opcode: int) -> None:
    client.send_raw(frame(b"", opcode, rsv=rsv))
    assert client.closed_with() == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_unknown_opcodes_break_the_protocol(client: RawClient, opcode: int) -> None:
    client.send_raw(frame(b"", opcode))
    assert client.closed_with() == 1002


@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
def test_unmasked_frames_break_the_protocol(client: RawClient, opcode: int) -> None:
    client.send_raw(frame(b"", opcode, mask=None))
    assert client.closed_with() == 1002


def test_binary_messages_are_not_spoken_here(client: RawClient) -> None:
    client.send_raw(frame(b"{}", BINARY))
    assert client.closed_with() == 1003


# 5 Fragmentation


def test_a_message_in_three_fragments_with_a_ping_between(alice: Person, client: RawClient) -> None:
    text = note(alice, "in three parts")
    client.send_raw(frame(text[:10], TEXT, fin=False) + frame(b"!", PING) + frame(text[10:20], CONTINUATION, fin=False))
    assert client.read() == (PONG, b"!")
    client.send_raw(frame(text[20:], CONTINUATION))
    assert client.json()["cmd"] == 1


@pytest.mark.parametrize(
    "frames",
    [
        frame(b"{}", CONTINUATION),
        frame(b"{", TEXT, fin=False) + frame(b"{}", TEXT),
        frame(b"{", TEXT, fin=False) + frame(b"{", TEXT, fin=False),
        frame(b"", PING, fin=False),
        frame(b"", CLOSE, fin=False),
        frame(b"{", TEXT, fin=False) + frame(b"", CONTINUATION, fin=False) * 1100,
    ],
    ids=["lone", "text inside", "start inside", "ping", "close", "endless"],
)
def test_wrong_fragments_break_the_protocol(client: RawClient, frames: bytes) -> None:
    client.send_raw(frames)
    assert client.closed_with() == 1002


# 6 UTF-8


def test_a_letter_may_be_cut_by_a_fragment(alice: Person, client: RawClient) -> None:
    text = json.dumps(alice.message(alice.user_id, "κόσμε 你好"), ensure_ascii=False).encode()
    at = text.index("你".encode()) + 1
    client.send_raw(frame(text[:at], TEXT, fin=False) + frame(text[at:], CONTINUATION))
    assert client.json()["cmd"] == 1


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xbd"], ids=lambda bad: bad.hex()
)
def test_text_that_is_not_utf8(client: RawClient, bad: bytes) -> None:
    client.send_raw(frame(b'{"cmd":0,"rid":"' + bad + b'"}'))
    assert client.closed_with() == 1007


# 7 Close handling


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_in_kind(client: RawClient, code: int) -> None:
    client.send_raw(frame(code.to_bytes(2, "big") + "bye ☺".encode(), CLOSE))
    assert client.closed_with() == code
    assert client.ended()


def test_an_empty_close_is_answered(client: RawClient) -> None:
    client.send_raw(frame(b"", CLOSE))
    assert client.read() == (CLOSE, b"")
    assert client.ended()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_codes_that_nobody_may_send(client: RawClient, code: int) -> None:
    client.send_raw(frame(code.to_bytes(2, "big"), CLOSE))
    assert client.closed_with() == 1002


def test_half_a_close_code(client: RawClient) -> None:
    client.send_raw(frame(b"\x03", CLOSE))
    assert client.closed_with() == 1002


def test_a_close_reason_that_is_not_utf8(client: RawClient) -> None:
    client.send_raw(frame(b"\x03\xe8\xff\xfe", CLOSE))
    assert client.closed_with() == 1007


def test_what_follows_a_close_is_not_read(alice: Person, client: RawClient) -> None:
    client.send_raw(frame(b"\x03\xe8", CLOSE) + frame(note(alice, "too late")))
    assert client.closed_with() == 1000
    history = alice.call("/message/history", kind=10, dstid=alice.user_id)
    assert all(row.get("content") != "too late" for row in history["rows"])


# 9 Limits, 10 chopped bytes


def test_a_frame_over_the_limit(client: RawClient) -> None:
    client.send_raw(frame(b"x" * (FRAME_BYTES + 1))[:2000])
    assert client.closed_with() == 1009


def test_a_claim_of_two_to_the_62_bytes(client: RawClient) -> None:
    client.send_raw(b"\x81\xff" + (1 << 62).to_bytes(8, "big") + b"mask")
    assert client.closed_with() == 1009


def test_fragments_that_add_up_over_the_limit(client: RawClient) -> None:
    part = b"x" * (FRAME_BYTES // 2)
    client.send_raw(frame(part, TEXT, fin=False) + frame(part, CONTINUATION, fin=False) + frame(b"xx", CONTINUATION))
    assert client.closed_with() == 1009


def test_a_message_byte_by_byte(alice: Person, client: RawClient) -> None:
    for byte in frame(note(alice, "drop by drop")):
        client.send_raw(bytes((byte,)))
    assert client.json()["cmd"] == 1


def test_a_thousand_frames_in_one_segment_keep_their_order(alice: Person, client: RawClient) -> None:
    client.send_raw(b"".join(frame(json.dumps({"cmd": 0, "rid": str(number)}).encode()) for number in range(1000)))
    assert [client.json()["rid"] for _ in range(1000)] == [str(number) for number in range(1000)]
