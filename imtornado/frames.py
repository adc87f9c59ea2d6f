"""The frames of the chat socket: what comes in as checked structs, what goes out as bytes.

An incoming frame is decoded in one pass into one struct; unknown fields are ignored, and so is `userid`: the
sender is the socket's user. Outgoing frames are complete WebSocket frames, so that every receiver shares the
same bytes (RFC 6455 section 5.2: what a server sends is not masked).
"""

from enum import IntEnum
from struct import Struct

import msgspec

from imtornado.errors import BadParameter, ImError, TooLarge
from imtornado.protocol import MAX_ID, encode
from imtornado.resource_urls import unsigned


class Cmd(IntEnum):
    """`cmd` of a frame; 10 and 11 are the kinds of conversations."""

    HEART = 0
    ACK = 1
    ERROR = 2
    HELLO = 3
    SINGLE = 10
    COMMUNITY = 11
    READ = 12
    CHANGE = 13
    TYPING = 14
    PRESENCE = 15
    NOTICE = 16
    SIGNAL = 17


MEDIA = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 100})
FRAME_BYTES = 384 * 1024
MENTIONS = 50
PRESENCE_IDS = 200
SIGNAL_BYTES = 16 * 1024


class File(msgspec.Struct, omit_defaults=True, gc=False):
    """What a message tells of the file at its `url`."""

    name: str = ""
    mime: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    duration: float = 0
    placeholder: str = ""


class Frame(msgspec.Struct, gc=False):
    """Any frame of a client. `rid` comes back in the frame that answers it."""

    cmd: int = -1
    dstid: int = 0
    media: int = 1
    content: str = ""
    cid: str = ""
    pic: str = ""
    url: str = ""
    memo: str = ""
    amount: int = 0
    reply: int = 0
    mention: tuple[int, ...] = ()
    file: File | None = None
    rid: str = ""
    kind: int = 0
    seq: int = 0
    userids: tuple[int, ...] = ()
    data: msgspec.Raw = msgspec.Raw(b"")


class _Answerable(msgspec.Struct):
    """What an ERROR quotes of a frame that is wrong elsewhere."""

    rid: object = ""
    cid: object = ""


_decode = msgspec.json.Decoder(Frame).decode
_decode_answerable = msgspec.json.Decoder(_Answerable).decode


def decode(payload: bytes) -> Frame:
    """The frame. Raises: BadParameter that says where it is wrong."""
    try:
        return _decode(payload)
    except msgspec.ValidationError as error:
        raise BadParameter("The frame is not right: {why}", why=str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadParameter("The frame is not a JSON object.") from None


def quoted(payload: bytes) -> tuple[str, str]:
    """(cid, rid) of a frame that `decode` refused, as far as they can be read."""
    try:
        found = _decode_answerable(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    cid, rid = (text if isinstance(text, str) and len(text) <= 64 else "" for text in (found.cid, found.rid))
    return cid, rid


def check_message(frame: Frame, max_content_bytes: int) -> None:
    """Holds a message to the limits of docs/protocol.md; signatures of files go. Raises: BadParameter, TooLarge."""
    content = frame.content
    if len(content) * 4 > max_content_bytes and len(content.encode()) > max_content_bytes:
        raise TooLarge("The text is longer than {limit} bytes.", field="content", limit=max_content_bytes)
    if not 0 < frame.dstid <= MAX_ID:
        raise BadParameter("dstid must be the id of a user or a community.", field="dstid")
    if frame.media not in MEDIA:
        raise BadParameter("This kind of media is unknown.", field="media")
    if not (content or frame.url or frame.pic or frame.memo or frame.amount):
        raise BadParameter("The message is empty.", field="content")
    if "\0" in content:
        raise BadParameter("Texts must not hold NUL.", field="content")
    if frame.cid and not (len(frame.cid) <= 64 and frame.cid.isascii() and frame.cid.isprintable()):
        raise BadParameter("cid must be 1 to 64 printable ASCII characters.", field="cid")
    if frame.url or frame.pic or frame.memo or frame.amount or frame.reply or frame.mention or frame.file:
        _check_rest(frame)


def _check_rest(frame: Frame) -> None:
    frame.url, frame.pic = unsigned(frame.url), unsigned(frame.pic)
    for field, text, limit in (("url", frame.url, 1024), ("pic", frame.pic, 1024), ("memo", frame.memo, 1000)):
        if len(text) > limit:
            raise BadParameter("{name} is longer than {limit} characters.", field=field, name=field, limit=limit)
        if "\0" in text:
            raise BadParameter("Texts must not hold NUL.", field=field)
    for field, number in (("amount", frame.amount), ("reply", frame.reply)):
        if not 0 <= number <= MAX_ID:
            raise BadParameter("{name} must be a number from 0 to 2**53 - 1.", field=field, name=field)
    if len(frame.mention) > MENTIONS or not all(0 < user_id <= MAX_ID for user_id in frame.mention):
        raise BadParameter("mention holds at most {limit} ids of users.", field="mention", limit=MENTIONS)
    if frame.file is not None:
        _check_file(frame.file)


def _check_file(file: File) -> None:
    for text, limit in ((file.name, 255), (file.mime, 127), (file.placeholder, 400)):
        if len(text) > limit or "\0" in text:
            raise BadParameter("file holds a text that is too long.", field="file")
    if not all(0 <= number <= MAX_ID for number in (file.size, file.width, file.height, file.duration)):
        raise BadParameter("file holds a number that is not right.", field="file")


_HEADS = [bytes((0x81, size)) for size in range(126)]  # of short texts, by size
_head16 = Struct(">BBH").pack


def websocket_frame(payload: bytes, opcode: int = 1) -> bytes:
    """A complete, unfragmented, unmasked frame. RFC 6455 section 5.2."""
    size = len(payload)
    if size < 126:
        return (_HEADS[size] if opcode == 1 else bytes((0x80 | opcode, size))) + payload
    if size < 65536:
        return _head16(0x80 | opcode, 126, size) + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


class _Ack(msgspec.Struct, omit_defaults=True, gc=False):
    cmd: int
    cid: str
    id: int
    seq: int
    createat: str
    dup: bool = False
    rid: str = ""


class _Error(msgspec.Struct, omit_defaults=True):
    cmd: int
    code: int
    msg: str
    cid: str = ""
    rid: str = ""
    retry_after_ms: int = 0
    field: str = ""


_ACK = int(Cmd.ACK)  # a plain number is encoded faster than a member of an enum


def ack(cid: str, rid: str, message_id: int, *, seq: int, createat: str, dup: bool) -> bytes:
    return websocket_frame(encode(_Ack(_ACK, cid, message_id, seq, createat, dup, rid)))


def error(failure: ImError, sentence: str, *, cid: str = "", rid: str = "") -> bytes:
    """An ERROR; `sentence` is the failure in the receiver's language."""
    return websocket_frame(
        encode(_Error(Cmd.ERROR, failure.code, sentence, cid, rid, failure.retry_after_ms, failure.field))
    )


def frame(cmd: Cmd, **fields: object) -> bytes:
    """Any other frame, its fields as given."""
    return websocket_frame(encode({"cmd": int(cmd)} | fields))
