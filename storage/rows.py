"""Columns of the prepared SQL and the records made of them, in the same order."""

import unicodedata

from imtornado.records import Gone, Kind, Message, Session, User, conversation_key
from storage.transactions import Row

USER = "u.id, u.mobile, u.nickname, u.avatar, u.sex, u.memo, u.is_admin, u.created_at_ms, u.disabled_at_ms"
USER_WIDTH = 9
SESSION = "s.id, s.user_id, s.device, s.ip, s.created_at_ms, s.seen_at_ms, s.expires_at_ms"
SESSION_WIDTH = 7
MESSAGE = (
    "x.seq, x.id, x.sender_id, x.cid, x.media, x.content, x.created_at_ms, x.pic, x.url, x.memo, x.amount,"
    " x.reply_seq, x.file, x.event, x.mention, x.edited_at_ms, x.gone"
)
MESSAGE_WIDTH = 17

# member.pinned; 0: never. One that was pinned comes by `since` also while there is nothing in it to show.
PINNED, PINNED_BEFORE = 1, 2


def user_of(row: Row) -> User:
    return User(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), row[7], row[8])


def session_of(row: Row) -> Session:
    return Session(*row)


def message_of(key: str, row: Row) -> Message:
    """A row of MESSAGE columns of the conversation `key`."""
    kind, dstid = destination(key, row[2])
    return Message(
        kind=kind,
        dstid=dstid,
        seq=row[0],
        message_id=row[1],
        sender_id=row[2],
        cid=row[3] or "",
        media=row[4],
        content=row[5],
        created_at_ms=row[6],
        pic=row[7],
        url=row[8],
        memo=row[9],
        amount=row[10],
        reply_seq=row[11],
        file=row[12],
        event=row[13],
        mention=mention_of(row[14]),
        edited_at_ms=row[15],
        gone=Gone(row[16]),
    )


def mention_of(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()


def destination(key: str, user_id: int) -> tuple[Kind, int]:
    """(kind, dstid) of a conversation's key as this member calls it."""
    parts = key.split(":")
    if parts[0] == "11":
        return Kind.COMMUNITY, int(parts[1])
    low, high = int(parts[1]), int(parts[2])
    return Kind.SINGLE, high if low == user_id else low


def notebook_key(user_id: int) -> str:
    return conversation_key(Kind.SINGLE, user_id, user_id)


def window(first_seq: int, last_seq: int, joined_seq: int, cleared_seq: int, left_seq: int | None) -> tuple[int, int]:
    """[first, last] that a member may see: from joining, clearing or retention, up to leaving."""
    return max(first_seq, joined_seq, cleared_seq + 1, 1), last_seq if left_seq is None else min(last_seq, left_seq)


def has_expired(first_seq: int, joined_seq: int, cleared_seq: int) -> bool:
    """What was before his window was a member's to see until it became too old to be kept."""
    return first_seq > max(joined_seq, cleared_seq + 1, 1)


def exact_name(name: str) -> str:
    """A community's name as it is stored and compared: trimmed, NFC."""
    return unicodedata.normalize("NFC", name.strip())
