"""A page of conversations: title, unread, last message. A few queries a page, none a row but those it must have."""

from typing import NamedTuple

from imtornado.records import Conversation, Gone, Kind, Message
from storage.rows import MESSAGE, PINNED, destination, message_of, window
from storage.transactions import Row, Tx

COLUMNS = (
    "c.id, c.`key`, c.first_seq, c.last_seq, c.ver, m.joined_seq, m.left_seq, m.read_seq, m.sent_seq, m.cleared_seq,"
    " m.pinned, m.muted"
)
_LAST = (
    f"SELECT {MESSAGE}, h.seq FROM message x LEFT JOIN hidden h"
    " ON h.user_id = ? AND h.conversation_id = x.conversation_id AND h.seq = x.seq"
    " WHERE x.conversation_id = ? AND x.seq = ?"
)
_MENTIONED = (
    "SELECT 1 FROM mention x CROSS JOIN message g ON g.conversation_id = x.conversation_id AND g.seq = x.seq"
    " AND g.sender_id <> x.user_id"
    " WHERE x.user_id = ? AND x.conversation_id = ? AND x.seq > ? AND x.seq <= ? LIMIT 1"
)
_DELETED = "SELECT count(*) FROM hidden WHERE user_id = ? AND conversation_id = ? AND seq BETWEEN ? AND ?"


class _Place(NamedTuple):
    """One row of COLUMNS, and the time by which the page is sorted."""

    conversation_id: int
    key: str
    first_seq: int
    last_seq: int
    ver: int
    joined_seq: int
    left_seq: int | None
    read_seq: int
    sent_seq: int
    cleared_seq: int
    pinned: int
    muted: int
    changed_at_ms: int


def conversations_of(tx: Tx, user_id: int, rows: list[Row]) -> tuple[Conversation, ...]:
    """Rows of COLUMNS and a time, as the user sees them."""
    places = [_Place(*row) for row in rows]
    peers = {}  # {conversation_id: the other}
    for place in places:
        kind, dstid = destination(place.key, user_id)
        if kind == Kind.SINGLE:
            peers[place.conversation_id] = dstid
    people = {
        row[0]: (row[1], row[2])
        for row in tx.among("SELECT id, nickname, avatar FROM user WHERE id IN ({})", set(peers.values()))
    }
    remarks: dict[int, str] = dict(
        tx.among(
            "SELECT friend_id, remark FROM contact WHERE friend_id IN ({}) AND owner_id = ? AND remark <> ''",
            set(peers.values()),
            user_id,
        )
    )
    read = {
        (row[0], row[1]): row[2]
        for row in tx.among(
            "SELECT conversation_id, user_id, read_seq FROM member WHERE conversation_id IN ({})", peers
        )
    }
    communities = {
        row[0]: (row[1] or "", row[2])
        for row in tx.among(
            "SELECT conversation_id, name, icon FROM community WHERE conversation_id IN ({})",
            [place.conversation_id for place in places if place.conversation_id not in peers],
        )
    }
    found = []
    for place in places:
        peer_id = peers.get(place.conversation_id)
        if peer_id is None:
            title, avatar = communities.get(place.conversation_id, ("", ""))
            peer_read = None
        else:
            nickname, avatar = people.get(peer_id, ("", ""))
            title = remarks.get(peer_id, nickname)
            peer_read = read.get((place.conversation_id, peer_id), 0)
        found.append(_conversation(tx, user_id, place, (title, avatar), peer_read))
    return tuple(found)


def _conversation(tx: Tx, user_id: int, place: _Place, heading: tuple[str, str], peer_read: int | None) -> Conversation:
    kind, dstid = destination(place.key, user_id)
    first, last = window(place.first_seq, place.last_seq, place.joined_seq, place.cleared_seq, place.left_seq)
    known = max(place.read_seq, place.sent_seq, place.joined_seq - 1, place.cleared_seq)
    unread = max(0, last - known)
    mentioned = unread > 0 and tx.one(_MENTIONED, user_id, place.conversation_id, known, last) is not None
    return Conversation(
        kind=kind,
        dstid=dstid,
        conversation_id=place.conversation_id,
        title=heading[0],
        avatar=heading[1],
        first=first,
        last_seq=last,
        read_seq=place.read_seq,
        peer_read=peer_read,
        unread=unread,
        mentioned=mentioned,
        ver=place.ver,
        pinned=place.pinned == PINNED,
        muted=bool(place.muted),
        left=place.left_seq is not None,
        changed_at_ms=place.changed_at_ms,
        deleted=tx.number(_DELETED, user_id, place.conversation_id, first, last),
        last=_last(tx, user_id, place, last) if first <= last else None,
    )


def _last(tx: Tx, user_id: int, place: _Place, seq: int) -> Message | None:
    row = tx.one(_LAST, user_id, place.conversation_id, seq)
    return None if row is None else shown(place.key, row)


def shown(key: str, row: Row) -> Message:
    """A row of MESSAGE columns and the seq of `hidden`: what the user deleted for himself comes without its text.

    Deleted it stays whatever happens to it for the others: he hears of no change of it.
    """
    message = message_of(key, row)
    if row[-1] is None:
        return message
    return Message(
        kind=message.kind,
        dstid=message.dstid,
        seq=message.seq,
        message_id=message.message_id,
        sender_id=message.sender_id,
        cid=message.cid,
        media=message.media,
        content="",
        created_at_ms=message.created_at_ms,
        gone=Gone.DELETED,
    )
