"""One's own view of a conversation: deleted and cleared for oneself, pinned, muted. Nobody else notices.

Each change tells one's other devices (conversation.updated); nothing is told where nothing changed.
"""

from collections.abc import Callable, Sequence

import msgspec

from imtornado.drafts import Change, ConversationTx
from imtornado.errors import NotFound
from imtornado.records import Kind
from imtornado.services import change_rules
from imtornado.services.changes import change_of


class Views:
    """Every method takes the acting user and the conversation first, and returns what the writer is to commit.

    Outcomes, everywhere: NotFound (not his conversation; for `pin` and `mute` also one that he left), Busy.
    """

    def delete(self, user_id: int, kind: Kind, dstid: int, seqs: Sequence[int]) -> Change:
        """Takes messages out of his sight for ever. Raises: NotFound for a seq outside of his window."""

        def rule(tx: ConversationTx) -> None:
            view = change_rules.of_member(tx, user_id)
            first, last = view.window
            if not all(first <= seq <= last for seq in seqs):
                raise NotFound("There is no such message.", field="seqs")
            new = view.hide(seqs)
            if new:
                _tell(tx, user_id, kind, dstid, deleted=new)

        return change_of(user_id, kind, dstid, rule)

    def clear(self, user_id: int, kind: Kind, dstid: int, seq: int | None = None) -> Change:
        """Lets his window begin after `seq`, or after everything; the result: after which seq it begins now."""

        def rule(tx: ConversationTx) -> int:
            view = change_rules.of_member(tx, user_id)
            first, last = view.window
            end = last if seq is None else min(seq, last)
            if end < first:
                return first - 1
            view.clear(end)
            _tell(tx, user_id, kind, dstid)
            return end

        return change_of(user_id, kind, dstid, rule)

    def pin(self, user_id: int, kind: Kind, dstid: int, pinned: bool) -> Change:
        """Keeps the conversation in his list, or no longer."""
        return self._mark(user_id, kind, dstid, lambda tx: change_rules.present(tx, user_id).pin(pinned))

    def mute(self, user_id: int, kind: Kind, dstid: int, muted: bool) -> Change:
        """His devices are to be silent about it, or no longer."""
        return self._mark(user_id, kind, dstid, lambda tx: change_rules.present(tx, user_id).mute(muted))

    def _mark(self, user_id: int, kind: Kind, dstid: int, change: Callable[[ConversationTx], bool]) -> Change:
        def rule(tx: ConversationTx) -> None:
            if change(tx):
                _tell(tx, user_id, kind, dstid)

        return change_of(user_id, kind, dstid, rule)


def _tell(tx: ConversationTx, user_id: int, kind: Kind, dstid: int, **more: object) -> None:
    data = {"kind": int(kind), "dstid": dstid} | more
    tx.tell(user_id, "conversation.updated", msgspec.json.encode(data).decode())
