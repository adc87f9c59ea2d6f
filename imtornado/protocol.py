"""The wire's words: records as the JSON that clients see (docs/protocol.md). The original design's spellings end here.

Ids are plain numbers below 2**53, times RFC 3339 UTC with milliseconds ("" = never), empty fields of messages
are left out.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from imtornado.change_records import MessageChange
from imtornado.errors import BadParameter
from imtornado.records import (
    Community,
    ContactRequest,
    Conversation,
    Friend,
    Gone,
    JoinRequest,
    Kind,
    Member,
    Message,
    Policy,
    Reaction,
    Role,
    Session,
    User,
)
from imtornado.search_records import Found

MAX_ID = 2**53 - 1
STAMP_OVERLAP_MS = 10_000  # longer than any transaction lasts: what committed late is seen again, never missed

RESOURCE = "/resource/"
ROLES = {Role.OWNER: "owner", Role.ADMIN: "admin", Role.MEMBER: "member", Role.PEER: "member"}
POLICIES = {Policy.OPEN: "open", Policy.APPROVAL: "approval", Policy.INVITE: "invite"}
GONE = {Gone.RECALLED: "recalled", Gone.DELETED: "deleted", Gone.EXPIRED: "expired"}

encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def rfc3339(time_ms: int) -> str:
    """ "2026-11-23T08:15:30.123Z"; "" for 0."""
    if not time_ms:
        return ""
    seconds, millis = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def stamp(now_ms: int) -> str:
    """The position to ask `since` from later; opaque to clients."""
    return f"{max(0, now_ms - STAMP_OVERLAP_MS):x}"


def parse_stamp(text: str, field: str = "since") -> int:
    """Epoch milliseconds of a stamp that we gave. Raises: BadParameter."""
    if not 1 <= len(text) <= 12 or not all(c in "0123456789abcdef" for c in text):
        raise BadParameter("This is not a stamp that this server gave.", field=field)
    return int(text, 16)


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


def profile(user: User) -> dict[str, Any]:
    """What anybody may see of a user: never a mobile, never a token."""
    return {
        "id": user.user_id,
        "nickname": user.nickname,
        "avatar": user.avatar,
        "sex": user.sex,
        "memo": user.memo,
        "createat": rfc3339(user.created_at_ms),
    }


def own_profile(user: User) -> dict[str, Any]:
    return profile(user) | {"mobile": user.mobile, "admin": user.is_admin}


def friend(record: Friend, online: bool, last_seen_ms: int) -> dict[str, Any]:
    return profile(record.user) | {
        "mobile": record.user.mobile,
        "remark": record.remark,
        "online": online,
        "last_seen": rfc3339(last_seen_ms),
    }


def contact_request(record: ContactRequest) -> dict[str, Any]:
    return {
        "userid": record.user.user_id,
        "nickname": record.user.nickname,
        "avatar": record.user.avatar,
        "memo": record.memo,
        "createat": rfc3339(record.created_at_ms),
        "direction": "in" if record.incoming else "out",
    }


def join_request(record: JoinRequest) -> dict[str, Any]:
    return {
        "userid": record.user.user_id,
        "nickname": record.user.nickname,
        "avatar": record.user.avatar,
        "memo": record.memo,
        "createat": rfc3339(record.created_at_ms),
    }


def community(record: Community) -> dict[str, Any]:
    """All of it for a member, the public part for somebody outside."""
    public = {
        "id": record.community_id,
        "name": record.name,
        "icon": record.icon,
        "cate": record.cate,
        "memo": record.memo,
        "members": record.member_count,
        "policy": POLICIES[record.policy],
        "role": "" if record.role is None else ROLES[record.role],
    }
    if record.role is None:
        return public
    return public | {
        "ownerid": record.owner_id,
        "createat": rfc3339(record.created_at_ms),
        "announcement": record.announcement,
        "silenced": record.all_silenced,
    }


def member(record: Member, now_ms: int) -> dict[str, Any]:
    silenced = record.silenced_until_ms if record.silenced_until_ms > now_ms else 0
    return {
        "userid": record.user.user_id,
        "nickname": record.user.nickname,
        "avatar": record.user.avatar,
        "role": ROLES[record.role],
        "silenced": rfc3339(min(silenced, 253402300799000)),  # the last second that RFC 3339 can say
    }


def session(record: Session, current_id: int) -> dict[str, Any]:
    return {
        "id": record.session_id,
        "device": record.device,
        "ip": record.ip,
        "createat": rfc3339(record.created_at_ms),
        "seen": rfc3339(record.seen_at_ms),
        "current": record.session_id == current_id,
    }


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
