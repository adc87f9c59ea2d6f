"""RFC 6455 over a raw socket, in the sections of the Autobahn test-suite: over both pumps, and over TLS."""

import json

import pytest

from imtornado.frames import FRAME_BYTES
from tests.live.conftest import EVERY_WAY
from tests.people import Person
from tests.raw_client import ACCEPT, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawClient, Refused, frame

pytestmark = pytest.mark.parametrize("chat_server", EVERY_WAY, indirect=True)
GREETING = "κόσμε 你好 🎉"


@pytest.fixture
def client(alice: Person) -> RawClient:
    return alice.connect()


def note(person: Person, content: str) -> bytes:
    """A message to one's own notebook, as JSON."""
    return json.dumps(person.message(person.user_id, content)).encode()


def heart(size: int) -> bytes:
    """A HEART of `size` bytes, which comes back without its `pad`."""
    bare = b'{"cmd":0,"rid":"r","pad":""}'
    return bare[:-2] + b"x" * (size - len(bare)) + bare[-2:]


def chopped(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


# The handshake


def test_the_example_of_section_1_3(alice: Person) -> None:
    client = alice.open()
    assert f"Sec-WebSocket-Accept: {ACCEPT}".lower() in client.response.decode().lower()
    assert b"HTTP/1.1 101" in client.response
    assert "sec-websocket-protocol: im.v1" in client.response.decode().lower()


def test_a_handshake_without_a_key_is_refused(alice: Person) -> None:
    client = alice.open(handshake=False)
    client.send_raw(client.request.replace(b"Sec-WebSocket-Key", b"X-Other"))
    with pytest.raises(Refused) as refused:
        client.read_response()
    assert refused.value.status == 400


def test_another_version_is_refused_with_the_right_one(alice: Person) -> None:
    client = alice.open(handshake=False)
    client.send_raw(client.request.replace(b"Version: 13", b"Version: 8"))
    with pytest.raises(Refused) as refused:
        client.read_response()
    assert refused.value.status == 426
    assert b"sec-websocket-version: 13" in client.response.lower()


# 1 Framing


@pytest.mark.parametrize("length", [1, 60, 15_000, 59_000])
def test_texts_of_every_length_come_back_as_they_were_sent(alice: Person, client: RawClient, length: int) -> None:
    content = "x" * length
    client.send(note(alice, content))
    seq = client.until(cmd=1)["seq"]
    rows = alice.rows("/message/history", kind=10, dstid=alice.user_id, after=seq - 1)
    assert rows[0]["content"] == content


@pytest.mark.parametrize("size", [30, 125, 126, 127, 128, 65_535, 65_536, FRAME_BYTES])
def test_frames_of_every_spelling_of_a_size(client: RawClient, size: int) -> None:
    client.send(heart(size))
    assert client.json() == {"cmd": 0, "rid": "r"}


@pytest.mark.parametrize(
    ("size", "chop"), [(30, 1), (125, 1), (126, 1), (127, 1), (128, 1), (65_535, 997), (65_536, 997)]
)
def test_frames_that_come_in_pieces(client: RawClient, size: int, chop: int) -> None:
    for piece in chopped(frame(heart(size)) * 2, chop):
        client.send_raw(piece)
    assert [client.json() for _ in range(2)] == [{"cmd": 0, "rid": "r"}] * 2


def test_an_empty_frame_is_no_json(client: RawClient) -> None:
    client.send(b"")
    assert client.json()["code"] == 40001


# 2 Pings


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"p" * 125])
def test_a_ping_is_answered_with_its_payload(client: RawClient, payload: bytes) -> None:
    client.send_raw(frame(payload, PING))
    assert client.read() == (PONG, payload)


def test_a_ping_that_comes_octet_by_octet(client: RawClient) -> None:
    for piece in chopped(frame(b"p" * 125, PING), 1):
        client.send_raw(piece)
    assert client.read() == (PONG, b"p" * 125)


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


def test_what_was_right_before_the_break_is_answered(client: RawClient) -> None:
    client.send_raw(frame(heart(30)) + frame(b"", 5) + frame(heart(30)))
    assert client.json() == {"cmd": 0, "rid": "r"}
    assert client.read()[0] == CLOSE


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


def test_empty_fragments_are_fragments(client: RawClient) -> None:
    empty = frame(b"", CONTINUATION, fin=False)
    client.send_raw(frame(b"", TEXT, fin=False) + empty + frame(heart(30), CONTINUATION, fin=False) + empty)
    client.send_raw(frame(b"", CONTINUATION))
    assert client.json() == {"cmd": 0, "rid": "r"}


@pytest.mark.parametrize(
    "frames",
    [
        frame(b"{}", CONTINUATION),
        frame(b"{}", CONTINUATION, fin=False),
        frame(b"{", TEXT, fin=False) + frame(b"{}", TEXT),
        frame(b"{", TEXT, fin=False) + frame(b"{", TEXT, fin=False),
        frame(b"", PING, fin=False),
        frame(b"", PONG, fin=False),
        frame(b"", CLOSE, fin=False),
        frame(b"{", TEXT, fin=False) + frame(b"}", CONTINUATION) + frame(b"{}", CONTINUATION),
        frame(b"{", TEXT, fin=False) + frame(b"", CONTINUATION, fin=False) * 1100,
    ],
    ids=["lone", "lone start", "text inside", "start inside", "ping", "pong", "close", "one too many", "endless"],
)
def test_wrong_fragments_break_the_protocol(client: RawClient, frames: bytes) -> None:
    client.send_raw(frames)
    assert client.closed_with() == 1002


def test_a_close_between_fragments_is_answered(client: RawClient) -> None:
    client.send_raw(frame(b"{", TEXT, fin=False) + frame(b"\x03\xe8", CLOSE))
    assert client.closed_with() == 1000


# 6 UTF-8


def test_a_letter_may_be_cut_by_fragments_anywhere(client: RawClient) -> None:
    text = json.dumps({"cmd": 0, "rid": GREETING}, ensure_ascii=False).encode()
    for at in range(1, len(text)):
        client.send_raw(frame(text[:at], TEXT, fin=False) + frame(text[at:], CONTINUATION))
        assert client.json()["rid"] == GREETING


@pytest.mark.parametrize(
    "letter", [0x20, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]
)
def test_letters_at_the_edges_of_utf8(client: RawClient, letter: int) -> None:
    client.send(json.dumps({"cmd": 0, "rid": chr(letter)}, ensure_ascii=False).encode())
    assert client.json()["rid"] == chr(letter)


BROKEN_TEXTS = [
    *(b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xff", b"\xfe"),
    *(b"\xc0 ", b"\xe0\x80 ", b"\xf0\x80\x80 ", b"\xe4\xbd", b"\xf0\x9f\x8e"),  # cut short
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf"),  # longer than needed
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80"),  # surrogates
    *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"),  # beyond the last letter
]


@pytest.mark.parametrize("bad", BROKEN_TEXTS, ids=lambda bad: bad.hex())
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in fragments"])
def test_text_that_is_not_utf8(client: RawClient, bad: bytes, cut: bool) -> None:
    text = b'{"cmd":0,"rid":"' + bad + b'"}'
    client.send_raw(
        frame(text[:17], TEXT, fin=False) + frame(text[17:], CONTINUATION) if cut else frame(text) + frame(heart(30))
    )
    assert client.read() == (CLOSE, b"\x03\xef" + b"not UTF-8")


# 7 Close handling


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_in_kind(client: RawClient, code: int) -> None:
    client.send_raw(frame(code.to_bytes(2, "big") + "bye ☺".encode(), CLOSE))
    assert client.closed_with() == code
    assert client.ended()


def test_an_empty_close_is_answered(client: RawClient) -> None:
    client.send_raw(frame(b"", CLOSE))
    assert client.read() == (CLOSE, b"")
    assert client.ended()


def test_a_reason_may_have_123_bytes(client: RawClient) -> None:
    client.send_raw(frame(b"\x03\xe8" + b"r" * 123, CLOSE))
    assert client.closed_with() == 1000


def test_a_reason_of_124_bytes_breaks_the_protocol(client: RawClient) -> None:
    client.send_raw(frame(b"\x03\xe8" + b"r" * 124, CLOSE))
    assert client.closed_with() == 1002


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


@pytest.mark.parametrize("later", [PING, CLOSE, TEXT])
def test_nothing_is_answered_after_a_close(alice: Person, client: RawClient, later: int) -> None:
    client.send_raw(frame(b"\x03\xe8", CLOSE) + frame(b"\x03\xe9", later))
    assert client.read() == (CLOSE, b"\x03\xe8")
    with pytest.raises(ConnectionError):
        client.read()


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
    for piece in chopped(frame(note(alice, "drop by drop")), 1):
        client.send_raw(piece)
    assert client.json()["cmd"] == 1


def test_a_thousand_frames_in_one_segment_keep_their_order(alice: Person, client: RawClient) -> None:
    client.send_raw(b"".join(frame(json.dumps({"cmd": 0, "rid": str(number)}).encode()) for number in range(1000)))
    assert [client.json()["rid"] for _ in range(1000)] == [str(number) for number in range(1000)]
