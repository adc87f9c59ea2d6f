"""Whether the search index lacks messages that somebody would expect to find: it is being made, or falls behind."""

from collections.abc import Sequence

from imtornado.tokenizer import VERSION
from storage.search_index import EMPTYING, JOB
from storage.search_walk import Place
from storage.transactions import Tx

USUAL_MS = 60_000  # so long a message may wait without anybody being told

_JOB = "SELECT position, version FROM job WHERE name = ?"
_PROGRESS = "SELECT conversation_id, seq FROM search_progress WHERE conversation_id IN ({})"
_SENT = "SELECT created_at_ms FROM message WHERE conversation_id = ? AND seq = ?"


def is_behind(tx: Tx, places: Sequence[Place]) -> bool:
    """A message that can be seen in one of the places has waited longer than usual."""
    job = tx.one(_JOB, JOB)
    is_made = job is not None and job[0] != EMPTYING and job[1] == VERSION
    progress: dict[int, int] = dict(tx.among(_PROGRESS, [one.conversation_id for one in places])) if is_made else {}
    return any(_waits(tx, one, progress.get(one.conversation_id, 0)) for one in places)


def _waits(tx: Tx, place: Place, indexed_seq: int) -> bool:
    oldest = max(place.first, indexed_seq + 1)
    if oldest > place.last:
        return False
    row = tx.one(_SENT, place.conversation_id, oldest)
    return row is not None and row[0] < tx.now_ms - USUAL_MS
