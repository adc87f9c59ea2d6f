"""A page of conversations: title, unread, last message. A few queries a page, however many rows it has."""

from typing import NamedTuple

from imtornado.records import Conversation, Gone, Kind, Message
from storage.rows import MESSAGE, PINNED, destination, has_expired, message_of, window
from storage.transactions import Row, Tx, rows_of

COLUMNS = (
    "c.id, c.`key`, c.first_seq, c.last_seq, c.ver, m.joined_seq, m.left_seq, m.read_seq, m.sent_seq, m.cleared_seq,"
    " m.pinned, m.muted, c.active_at_ms"
)
# Of the member `m` and his conversation `c`: as `rows.window`.
_FIRST = "{x}.seq >= m.joined_seq AND {x}.seq > m.cleared_seq AND {x}.seq >= c.first_seq"
_END = "(CASE WHEN m.left_seq IS NULL OR m.left_seq > c.last_seq THEN c.last_seq ELSE m.left_seq END)"
_OF = " FROM member m CROSS JOIN conversation c ON c.id = m.conversation_id"
_MINE = " WHERE m.conversation_id IN ({}) AND m.user_id = ?"
_LAST = (
    f"SELECT {MESSAGE}, h.seq, x.conversation_id{_OF}"
    f" CROSS JOIN message x ON x.conversation_id = m.conversation_id AND x.seq = {_END}"
    f" LEFT JOIN hidden h ON h.user_id = m.user_id AND h.conversation_id = x.conversation_id AND h.seq = x.seq{_MINE}"
)
_MENTIONED = (
    f"SELECT m.conversation_id{_OF}{_MINE} AND EXISTS (SELECT 1 FROM mention x"
    " CROSS JOIN message g ON g.conversation_id = x.conversation_id AND g.seq = x.seq AND g.sender_id <> x.user_id"
    " WHERE x.user_id = m.user_id AND x.conversation_id = m.conversation_id AND x.seq > m.read_seq"
    f" AND x.seq > m.sent_seq AND {_FIRST.format(x='x')} AND x.seq <= {_END})"
)
_DELETED = (
    f"SELECT m.conversation_id, count(*){_OF}"
    " CROSS JOIN hidden h ON h.user_id = m.user_id AND h.conversation_id = m.conversation_id"
    f" AND {_FIRST.format(x='h')} AND h.seq <= {_END}{_MINE} GROUP BY m.conversation_id"
)
_PEOPLE = "SELECT id, nickname, avatar FROM user WHERE id IN ({})"
_REMARKS = "SELECT friend_id, remark FROM contact WHERE friend_id IN ({}) AND owner_id = ? AND remark <> ''"
_READ = "SELECT conversation_id, user_id, read_seq FROM member WHERE conversation_id IN ({})"
_COMMUNITIES = "SELECT conversation_id, name, icon FROM community WHERE conversation_id IN ({})"


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
    active_at_ms: int
    place_ms: int

    @property
    def window(self) -> tuple[int, int]:
        return window(self.first_seq, self.last_seq, self.joined_seq, self.cleared_seq, self.left_seq)

    @property
    def unread(self) -> int:
        """What he has neither read nor can have: it was before him, or is gone."""
        known = max(self.read_seq, self.sent_seq, self.joined_seq - 1, self.cleared_seq, self.first_seq - 1)
        return max(0, self.window[1] - known)


class _Found(NamedTuple):
    """What was looked up for the whole page."""

    lasts: dict[int, Message]  # {conversation_id: the last one of his window}
    mentioned: frozenset[int]
    deleted: dict[int, int]


def conversations_of(tx: Tx, user_id: int, rows: list[Row]) -> tuple[Conversation, ...]:
    """Rows of COLUMNS and a time, as the user sees them."""
    places = [_Place(*row) for row in rows]
    peers = {}  # {conversation_id: the other}
    for place in places:
        kind, dstid = destination(place.key, user_id)
        if kind == Kind.SINGLE:
            peers[place.conversation_id] = dstid
    keys = {place.conversation_id: place.key for place in places}
    others = set(peers.values())
    # All are asked together: none needs what another finds.
    of_people = tx.among_later(_PEOPLE, others)
    of_remarks = tx.among_later(_REMARKS, others, user_id)
    of_read = tx.among_later(_READ, peers)
    of_communities = tx.among_later(_COMMUNITIES, [number for number in keys if number not in peers])
    of_lasts = tx.among_later(_LAST, keys, user_id)
    of_mentioned = tx.among_later(_MENTIONED, [place.conversation_id for place in places if place.unread], user_id)
    of_deleted = tx.among_later(_DELETED, keys, user_id)
    people = {row[0]: (row[1], row[2]) for row in rows_of(of_people)}
    remarks: dict[int, str] = dict(rows_of(of_remarks))
    read = {(row[0], row[1]): row[2] for row in rows_of(of_read)}
    communities = {row[0]: (row[1] or "", row[2]) for row in rows_of(of_communities)}
    found = _Found(
        lasts={row[-1]: shown(keys[row[-1]], row[:-1]) for row in rows_of(of_lasts)},
        mentioned=frozenset(row[0] for row in rows_of(of_mentioned)),
        deleted=dict(rows_of(of_deleted)),
    )
    page = []
    for place in places:
        peer_id = peers.get(place.conversation_id)
        if peer_id is None:
            heading = communities.get(place.conversation_id, ("", ""))
            peer_read = None
        else:
            nickname, avatar = people.get(peer_id, ("", ""))
            heading = (remarks.get(peer_id, nickname), avatar)
            peer_read = read.get((place.conversation_id, peer_id), 0)
        page.append(_conversation(user_id, place, heading, peer_read, found))
    return tuple(page)


def _conversation(
    user_id: int, place: _Place, heading: tuple[str, str], peer_read: int | None, found: _Found
) -> Conversation:
    kind, dstid = destination(place.key, user_id)
    first, last = place.window
    has_left = place.left_seq is not None
    return Conversation(
        kind=kind,
        dstid=dstid,
        conversation_id=place.conversation_id,
        title=heading[0],
        avatar=heading[1],
        first=first,
        expired=has_expired(place.first_seq, place.joined_seq, place.cleared_seq),
        last_seq=last,
        read_seq=place.read_seq,
        peer_read=peer_read,
        unread=place.unread,
        mentioned=place.conversation_id in found.mentioned,
        ver=place.ver,
        pinned=place.pinned == PINNED,
        muted=bool(place.muted),
        left=has_left,
        active_at_ms=0 if has_left else place.active_at_ms,
        place_ms=place.place_ms,
        deleted=found.deleted.get(place.conversation_id, 0),
        last=found.lasts.get(place.conversation_id) if first <= last else None,
    )


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
