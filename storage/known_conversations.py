"""Which conversation a draft means, remembered by the writers: bounded, counted, never wrong.

A conversation is for ever, and so is its id; only what was found is kept. Any thread.
"""

import threading
from collections.abc import Iterable, Sequence
from itertools import islice

from imtornado.drafts import Draft, MessageDraft
from imtornado.records import Kind
from storage.transactions import Tx

SIZE = 100_000  # about 15 MB

_FIND = "SELECT id, `key` FROM conversation WHERE `key` IN ({})"


class KnownConversations:
    """The `size` that were looked up last."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._ids: dict[object, int] = {}  # {what _place_of gives: conversation_id}
        self._lock = threading.Lock()
        self.hits = 0  # drafts whose conversation was known
        self.misses = 0

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, tx: Tx, drafts: Sequence[Draft]) -> list[int]:
        """The conversation_id of each draft, 0 for a conversation that does not exist."""
        places = [_place_of(draft) for draft in drafts]
        known = self._ids
        ids = [known.get(place, 0) for place in places]
        unknown = ids.count(0)
        with self._lock:
            self.hits += len(ids) - unknown
            self.misses += unknown
        if not unknown:
            return ids
        missing = {draft.key: place for draft, place, number in zip(drafts, places, ids, strict=True) if not number}
        found: dict[str, int] = {key: number for number, key in tx.among(_FIND, missing)}
        self._keep((missing[key], number) for key, number in found.items())
        return [number or found.get(draft.key, 0) for number, draft in zip(ids, drafts, strict=True)]

    def _keep(self, found: Iterable[tuple[object, int]]) -> None:
        with self._lock:
            self._ids.update(found)
            for place in tuple(islice(self._ids, max(0, len(self._ids) - self._size))):
                del self._ids[place]


def _place_of(draft: Draft) -> object:
    """What the conversation is remembered by; cheaper than its key."""
    if type(draft) is MessageDraft:
        return draft.dstid if draft.kind == Kind.COMMUNITY else (draft.sender_id, draft.dstid)
    return draft.key
