"""One member's view of a conversation inside the writer's transaction: `drafts.ViewTx`."""

from collections.abc import Sequence

from imtornado.errors import ImError
from storage.locked import LockedConversation
from storage.refusals import refusal
from storage.rows import PINNED, PINNED_BEFORE, destination, window
from storage.transactions import Tx

_PLACE = "SELECT joined_seq, cleared_seq, left_seq, pinned, muted FROM member WHERE user_id = ? AND conversation_id = ?"


def view_of(tx: Tx, conversation: LockedConversation, user_id: int) -> "SqlViewTx | None":
    """None for somebody who never was a member."""
    row = tx.one(_PLACE, user_id, conversation.conversation_id)
    return None if row is None else SqlViewTx(tx, conversation, user_id, row)


class SqlViewTx:
    """As the row stood when the view was taken; what it changes shows in a view taken afterwards."""

    def __init__(self, tx: Tx, conversation: LockedConversation, user_id: int, row: Sequence[int | None]) -> None:
        self._tx = tx
        self._conversation = conversation
        self._place = (user_id, conversation.conversation_id)
        joined_seq, cleared_seq, left_seq, pinned, muted = row
        self.present = left_seq is None
        self.window = window(conversation.first_seq, conversation.last_seq, joined_seq or 0, cleared_seq or 0, left_seq)
        self._pinned = pinned == PINNED
        self._muted = bool(muted)

    def hides(self, seq: int) -> bool:
        sql = "SELECT 1 FROM hidden WHERE user_id = ? AND conversation_id = ? AND seq = ?"
        return self._tx.one(sql, *self._place, seq) is not None

    def refusal(self) -> ImError | None:
        user_id, conversation_id = self._place
        kind, dstid = destination(self._conversation.key, user_id)
        return refusal(self._tx, user_id, kind, dstid, conversation_id)

    def hide(self, seqs: Sequence[int]) -> tuple[int, ...]:
        before = {
            row[0]
            for row in self._tx.among(
                "SELECT seq FROM hidden WHERE seq IN ({}) AND user_id = ? AND conversation_id = ?", seqs, *self._place
            )
        }
        new = tuple(seq for seq in seqs if seq not in before)
        rows = [(*self._place, seq) for seq in new]
        if rows:
            self._tx.executemany("INSERT INTO hidden (user_id, conversation_id, seq) VALUES (?, ?, ?)", rows)
            # What he deleted calls him no more.
            self._tx.executemany("DELETE FROM mention WHERE user_id = ? AND conversation_id = ? AND seq = ?", rows)
            self._set("changed_at_ms = ?", self._conversation.now_ms)
        return new

    def clear(self, seq: int) -> None:
        self._set("cleared_seq = ?, changed_at_ms = ?", seq, self._conversation.now_ms)
        # The window says it for all of them from now on.
        self._tx.execute(
            "DELETE FROM hidden WHERE user_id = ? AND conversation_id = ? AND seq <= ?", (*self._place, seq)
        )

    def pin(self, pinned: bool) -> bool:
        if pinned == self._pinned:
            return False
        self._set("pinned = ?, changed_at_ms = ?", PINNED if pinned else PINNED_BEFORE, self._conversation.now_ms)
        return True

    def mute(self, muted: bool) -> bool:
        if muted == self._muted:
            return False
        self._set("muted = ?, changed_at_ms = ?", int(muted), self._conversation.now_ms)
        return True

    def _set(self, assignments: str, *values: object) -> None:
        self._tx.execute(
            f"UPDATE member SET {assignments} WHERE user_id = ? AND conversation_id = ?", (*values, *self._place)
        )
