"""The wire's words: records as the JSON that clients see (docs/protocol.md). The original design's spellings end here,
and in `chat_protocol`, which has messages and conversations.

Ids are plain numbers below 2**53, times RFC 3339 UTC with milliseconds ("" = never).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from imtornado.errors import BadParameter
from imtornado.records import (
    Community,
    ContactRequest,
    Friend,
    JoinRequest,
    Member,
    Policy,
    Role,
    Session,
    User,
)

MAX_ID = 2**53 - 1
STAMP_OVERLAP_MS = 10_000  # longer than any transaction lasts: what committed late is seen again, never missed

RESOURCE = "/resource/"
ROLES = {Role.OWNER: "owner", Role.ADMIN: "admin", Role.MEMBER: "member", Role.PEER: "member"}
POLICIES = {Policy.OPEN: "open", Policy.APPROVAL: "approval", Policy.INVITE: "invite"}

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
