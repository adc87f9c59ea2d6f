"""What became of a batch whose COMMIT got no answer, told by a row that only this batch can have written."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from imtornado.drafts import Changed, Outcome, Stored
from imtornado.errors import Busy
from storage.locked import lock
from storage.store import Unsettled
from storage.transactions import Transactions

log = logging.getLogger(__name__)

_MESSAGE = "SELECT 1 FROM message WHERE conversation_id = ? AND seq = ? AND id = ?"
_CHANGE = "SELECT 1 FROM `change` WHERE conversation_id = ? AND ver = ? AND seq = ? AND actor_id = ?"


# For the answer to one commit on a disk that is slow, which may have to wait for two syncs; then for the next tries.
SYNC_ANSWER_S, NEXT_SYNC_ANSWER_S = 5.0, 10.0


class Proof(NamedTuple):
    """A row of the batch: `sql` finds it by `values`, while its conversation is locked."""

    conversation_id: int
    sql: str
    values: tuple[int, ...]


def unsettled(transactions: Transactions, conversation_ids: Sequence[int], outcomes: list[Outcome]) -> Unsettled | None:
    """None for a batch that wrote neither a message nor a change of one: done again, it does no harm."""
    proof = _proof(conversation_ids, outcomes)
    if proof is None:
        return None

    answer_s = SYNC_ANSWER_S

    def settle() -> list[Outcome]:
        """The outcomes if the batch was committed, else Busy for each. Raises: Busy."""
        nonlocal answer_s
        with transactions.batch() as tx:
            lock(tx, [proof.conversation_id])  # the lost transaction has it until the server has ended it
            is_stored = tx.one(proof.sql, *proof.values) is not None
        if is_stored:
            this_s, answer_s = answer_s, NEXT_SYNC_ANSWER_S
            transactions.wait_for_sync(this_s)  # it may still be at the sync of that commit
            return outcomes
        log.info("a batch of %d whose commit got no answer was undone", len(outcomes))
        return [Busy("The database is busy. Please try again.", retry_after_ms=1000)] * len(outcomes)

    return Unsettled(settle)


def among(one: Unsettled, before: Sequence[Outcome], after: Sequence[Outcome]) -> Unsettled:
    """The batch of which only `one` draft is unsettled, with the outcomes of those before and after it."""
    return Unsettled(lambda: [*before, *one.settle(), *after])


def _proof(conversation_ids: Sequence[int], outcomes: Sequence[Outcome]) -> Proof | None:
    for number, outcome in zip(conversation_ids, outcomes, strict=False):  # none where nothing was written
        if isinstance(outcome, Stored) and not outcome.dup:
            return Proof(number, _MESSAGE, (number, outcome.seq, outcome.message_id))
        if isinstance(outcome, Changed) and outcome.lines:
            return Proof(number, _MESSAGE, (number, outcome.lines[0].seq, outcome.lines[0].message_id))
        if isinstance(outcome, Changed) and outcome.changes:
            made = outcome.changes[0]
            return Proof(number, _CHANGE, (number, made.ver, made.seq, made.actor_id))
    return None
