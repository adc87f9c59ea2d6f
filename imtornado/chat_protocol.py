"""Messages and conversations in the wire's words: what `protocol` says goes for them too.

Empty fields of messages are left out.
"""

from typing import Any

import msgspec

from imtornado.change_records import MessageChange
from imtornado.protocol import rfc3339
from imtornado.records import Conversation, Gone, Kind, Message, Reaction
from imtornado.search_records import Found

GONE = {Gone.RECALLED: "recalled", Gone.DELETED: "deleted", Gone.EXPIRED: "expired"}


class WireReaction(msgspec.Struct):
    """One emoji below a message: `count` gave it, `userids` are the first few of them."""

    emoji: str
    count: int
    mine: bool
    userids: tuple[int, ...]


class WireText(msgspec.Struct, omit_defaults=True, gc=False):
    """A message that is a text and nothing else, as nearly all are: as `WireMessage`, but made faster."""

    id: int
    userid: int
    cmd: int
    dstid: int
    media: int
    seq: int
    createat: str
    content: str
    cid: str = ""


class WireMessage(msgspec.Struct, omit_defaults=True):
    """A message as frame and as row of the history; the first nine names are the original's."""

    id: int
    userid: int
    cmd: int
    dstid: int
    media: int
    seq: int
    createat: str
    content: str = ""
    pic: str = ""
    url: str = ""
    memo: str = ""
    amount: int = 0
    cid: str = ""
    reply: int = 0
    mention: tuple[int, ...] = ()
    file: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    edited: str = ""
    reactions: tuple[WireReaction, ...] = ()


def _raw(json: str) -> msgspec.Raw | msgspec.UnsetType:
    return msgspec.Raw(json.encode()) if json else msgspec.UNSET


def message(record: Message, reactions: tuple[Reaction, ...] = ()) -> WireMessage:
    """A stored message that is not gone."""
    return WireMessage(
        id=record.message_id,
        userid=record.sender_id,
        cmd=record.kind,
        dstid=record.dstid,
        media=record.media,
        seq=record.seq,
        createat=rfc3339(record.created_at_ms),
        content=record.content,
        pic=record.pic,
        url=record.url,
        memo=record.memo,
        amount=record.amount,
        cid=record.cid,
        reply=record.reply_seq,
        mention=record.mention,
        file=_raw(record.file),
        event=_raw(record.event),
        edited=rfc3339(record.edited_at_ms),
        reactions=tuple(WireReaction(one.emoji, one.count, one.mine, one.user_ids) for one in reactions),
    )


def history_row(record: Message, reactions: tuple[Reaction, ...] = ()) -> WireMessage | dict[str, Any]:
    """A row for every seq: the message, or why it is gone."""
    return {"seq": record.seq, "gone": GONE[record.gone]} if record.gone else message(record, reactions)


def hit(record: Found, excerpt: str) -> dict[str, Any]:
    """A message that was found: where, by whom, when, and what it says about the words."""
    message = record.message
    row = {
        "kind": int(record.kind),
        "dstid": record.dstid,
        "title": record.title,
        "avatar": record.avatar,
        "seq": message.seq,
        "id": message.message_id,
        "userid": message.sender_id,
        "nickname": record.nickname,
        "createat": rfc3339(message.created_at_ms),
        "media": message.media,
        "excerpt": excerpt,
    }
    return row | {"file": msgspec.Raw(message.file.encode())} if message.file else row


def change(record: MessageChange) -> dict[str, Any]:
    """A change of a message, as row and as frame (without its cmd)."""
    data = msgspec.json.decode(record.data) if record.data else {}
    return change_of_nothing_seen(record) | {"change": record.change, "seq": record.seq} | data


def change_of_nothing_seen(record: MessageChange) -> dict[str, Any]:
    """The same for whoever may not see that message: ver has moved, and nothing else."""
    return {"kind": int(record.kind), "dstid": record.dstid, "userid": record.actor_id, "ver": record.ver}


def conversation(record: Conversation) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": int(record.kind), "dstid": record.dstid}
    if record.left:
        return row | {"left": True}
    row |= {
        "title": record.title,
        "avatar": record.avatar,
        "first": record.first,
        "expired": record.expired,
        "last_seq": record.last_seq,
        "read_seq": record.read_seq,
        "unread": record.unread,
        "mentioned": record.mentioned,
        "ver": record.ver,
        "pinned": record.pinned,
        "muted": record.muted,
        "deleted": record.deleted,
        "left": False,
        "active": rfc3339(record.active_at_ms),
        "last": None if record.last is None else history_row(record.last),
    }
    if record.kind == Kind.SINGLE:
        row["peer_read"] = record.peer_read or 0
    return row
