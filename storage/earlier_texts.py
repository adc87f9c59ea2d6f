"""What messages said when a member left: an edit after his leaving is not his to see."""

from collections.abc import Sequence

from msgspec.structs import replace

from imtornado.records import Message
from storage.transactions import Tx

_TEXTS = (
    "SELECT seq, content FROM earlier_text WHERE conversation_id = ? AND seq BETWEEN ? AND ? AND ver > ?"
    " ORDER BY seq, ver DESC"
)
_EDITED = (
    "SELECT seq, max(created_at_ms) FROM `change`"
    " WHERE conversation_id = ? AND seq BETWEEN ? AND ? AND ver <= ? AND kind = 'edit' GROUP BY seq"
)


def as_of(tx: Tx, conversation_id: int, messages: Sequence[Message], ver: int) -> tuple[Message, ...]:
    """The messages, ascending, with the texts that they had after the change `ver`; gone ones stay gone."""
    if not messages:
        return ()
    seqs = (messages[0].seq, messages[-1].seq)
    texts: dict[int, str] = dict(
        tx.all(_TEXTS, conversation_id, *seqs, ver)
    )  # of several the one that was replaced first
    edited: dict[int, int] = dict(tx.all(_EDITED, conversation_id, *seqs, ver)) if texts else {}
    return tuple(
        replace(message, content=texts[message.seq], edited_at_ms=edited.get(message.seq, 0))
        if message.seq in texts and not message.gone
        else message
        for message in messages
    )
