"""The reactions to a range of messages: as they stand, and as they stood for somebody who left."""

from collections.abc import Iterable

import msgspec

from imtornado.records import Reaction
from storage.transactions import Tx

NAMED = 10  # of those who gave an emoji, the first so many are told by id

Reactions = dict[int, tuple[Reaction, ...]]  # {seq: its emojis, oldest first}

# One row for each of the first people of each emoji, so that the size of a community does not matter here.
_NOW = (
    "SELECT seq, emoji, given, mine, user_id FROM (SELECT r.seq, r.emoji, r.user_id,"
    " count(*) OVER one AS given,"
    " max(CASE WHEN r.user_id = ? THEN 1 ELSE 0 END) OVER one AS mine,"
    " min(r.created_at_ms) OVER one AS began,"
    " row_number() OVER (PARTITION BY r.seq, r.emoji ORDER BY r.created_at_ms, r.user_id) AS place"
    " FROM reaction r WHERE r.conversation_id = ? AND r.seq BETWEEN ? AND ?"
    f" WINDOW one AS (PARTITION BY r.seq, r.emoji)) x WHERE place <= {NAMED} ORDER BY seq, began, emoji, place"
)
_THEN = (
    "SELECT seq, actor_id, data FROM `change`"
    " WHERE conversation_id = ? AND seq BETWEEN ? AND ? AND ver <= ? AND kind = 'react' ORDER BY ver"
)


class _Given(msgspec.Struct):
    """The `data` of a reaction's change."""

    emoji: str
    on: bool


_given = msgspec.json.Decoder(_Given).decode


def reactions_now(tx: Tx, conversation_id: int, user_id: int, seqs: tuple[int, int]) -> Reactions:
    """Those of the seqs [first, last], as the user sees them."""
    people: dict[int, dict[str, tuple[int, bool, list[int]]]] = {}
    for seq, emoji, given, mine, giver_id in tx.all(_NOW, user_id, conversation_id, *seqs):
        people.setdefault(seq, {}).setdefault(emoji, (given, bool(mine), []))[2].append(giver_id)
    return {
        seq: tuple(Reaction(emoji, count, mine, tuple(ids)) for emoji, (count, mine, ids) in emojis.items())
        for seq, emojis in people.items()
    }


def reactions_then(tx: Tx, conversation_id: int, user_id: int, seqs: tuple[int, int], ver: int) -> Reactions:
    """As they stood after the change `ver`, told again from the changes; none of a message that is gone since."""
    return _retold(tx.all(_THEN, conversation_id, *seqs, ver), user_id)


def _retold(rows: Iterable[tuple[int, int, str]], user_id: int) -> Reactions:
    people: dict[int, dict[str, list[int]]] = {}
    for seq, giver_id, data in rows:
        if not data:
            continue
        given = _given(data)
        emojis = people.setdefault(seq, {})
        if given.on:
            emojis.setdefault(given.emoji, []).append(giver_id)
        else:
            emojis[given.emoji].remove(giver_id)
            if not emojis[given.emoji]:
                del emojis[given.emoji]
    return {
        seq: tuple(Reaction(emoji, len(ids), user_id in ids, tuple(ids[:NAMED])) for emoji, ids in emojis.items())
        for seq, emojis in people.items()
        if emojis
    }
