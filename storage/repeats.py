"""A cid that came before: the same body gets the first one's place, another body is refused."""

from collections.abc import Iterable

from imtornado.drafts import MessageDraft, Stored
from imtornado.errors import CidConflict
from storage.transactions import Tx

_PLACES = "SELECT cid, conversation_id, seq FROM message WHERE cid IN ({}) AND sender_id = ?"
_STORED = (
    "SELECT id, created_at_ms, media, content, url, pic, memo, amount, reply_seq, edited_at_ms, gone FROM message"
    " WHERE conversation_id = ? AND seq = ?"
)


def stored_places(tx: Tx, cids: Iterable[tuple[int, str]]) -> dict[tuple[int, str], tuple[int, int]]:
    """{(sender_id, cid): (conversation_id, seq)} of those that are stored.

    One SELECT a sender, answered by the index alone. After the locks: a commit that we waited for is seen.
    """
    wanted: dict[int, list[str]] = {}
    for sender_id, cid in cids:
        wanted.setdefault(sender_id, []).append(cid)
    return {
        (sender_id, cid): (conversation_id, seq)
        for sender_id, of_sender in wanted.items()
        for cid, conversation_id, seq in tx.among(_PLACES, of_sender, sender_id)
    }


def outcome_of_stored(tx: Tx, draft: MessageDraft, conversation_id: int, hit: tuple[int, int]) -> Stored | CidConflict:
    """For a cid that stands at `hit`, (conversation_id, seq), already.

    The body of a message that is gone cannot be compared, nor the text of an edited one: its sender is believed.
    """
    row = tx.one(_STORED, *hit)
    if row is None or hit[0] != conversation_id:
        return other_body()
    message_id, created_at_ms, *body, edited_at_ms, gone = row
    sent = body_of(draft)
    if edited_at_ms:
        body[1] = sent[1]
    if not gone and body != sent:
        return other_body()
    return Stored(message_id, hit[1], created_at_ms, True)


def body_of(draft: MessageDraft) -> list[object]:
    """What two messages of one conversation must share to be the same (PROTOCOL.md, "Once")."""
    return [draft.media, draft.content, draft.url, draft.pic, draft.memo, draft.amount, draft.reply_seq]


def other_body() -> CidConflict:
    return CidConflict("Another message was sent with this cid.", field="cid")
