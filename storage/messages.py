"""The hot path: a batch of drafts becomes messages in one transaction (`store.Store.commit`).

Order inside: repeats of a (sender, cid) folded → conversations found and locked in id order → cids looked up, after
the locks → seqs, rights and rows of all messages together, but conversations with a change in turn, changes at their
place → inserts → `last_seq` raised. Whoever takes a right away locks the conversation first, so what committed first
wins.

Nearly always no cid is known and everybody may write. So a batch first leaves the look-up to the unique index, which
sees the same rows at the same moment; if that, or the right to write, refuses one, the batch is undone and done again
with its look-ups, as are the next ones.
"""

import logging
import threading
from collections.abc import Sequence

from imtornado.drafts import Change, Changed, Draft, MessageDraft, Outcome, ReadDraft, Stored
from imtornado.errors import Busy, Conflict, ImError, Internal, NotFound
from imtornado.records import Kind
from storage.conversation_tx import SqlConversationTx
from storage.database import CommitUnknown, TryAgain
from storage.known_conversations import KnownConversations
from storage.locked import LockedConversation
from storage.refusals import no_place, refusal
from storage.repeats import body_of, other_body, outcome_of_stored, stored_places
from storage.sending import LookFirst, Sending, lock_with_senders
from storage.settlement import among, unsettled
from storage.store import Unsettled
from storage.transactions import Transactions, Tx

log = logging.getLogger(__name__)

TRIES = 5
CAREFUL_BATCHES = 32  # that look first after one was refused: who provokes it must not double the work for long


class _Care(threading.local):
    """Of each writer's thread: batches that it still commits with look-ups."""

    batches = 0


class Committer:
    """Commits batches, on the thread of a writer: each of its own conversations."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._care = _Care()
        self.known = KnownConversations()

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """An outcome for each draft. Raises: Busy."""
        if not drafts:
            return []
        try:
            return self._until_done(drafts)
        except Busy:
            raise
        except Exception as error:
            if len(drafts) == 1:
                log.exception("a draft cannot be stored")
                return [error.bare() if isinstance(error, ImError) else Internal("Something went wrong on our side.")]
            log.exception("a draft broke its batch of %s; each is committed alone now", len(drafts))
        return self._one_by_one(drafts)

    def _one_by_one(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Each draft in a transaction of its own; where the database stumbles, those after it are not tried.

        Raises: Unsettled, for all of them.
        """
        outcomes: list[Outcome] = []
        for draft in drafts:
            try:
                outcomes += self.commit([draft])
            except Busy as busy:
                left = [_busy()] * (len(drafts) - len(outcomes) - 1)
                if not isinstance(busy, Unsettled):
                    return [*outcomes, busy.bare(), *left]
                raise among(busy, outcomes, left) from busy
        return outcomes

    def _until_done(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """The batch anew, all of it, where it must look first or others were in its way."""
        care = self._care
        for _ in range(TRIES):
            looking = care.batches > 0
            care.batches = max(0, care.batches - 1)
            try:
                return self._commit(drafts, looking=looking)
            except LookFirst:
                # Where it was looking, another writer stored one of the cids after that.
                care.batches = CAREFUL_BATCHES
            except TryAgain as error:
                log.info("a batch of %s is committed anew: %s", len(drafts), error.__cause__)
        log.error("a batch of %s did not come through in %s tries", len(drafts), TRIES)
        raise _busy()

    def _commit(self, drafts: Sequence[Draft], *, looking: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        ids: list[int] = []
        try:
            with self._transactions.batch() as tx:
                ids = self.known.of(tx, drafts)
                outcomes = _Batch(tx, drafts, ids).commit(looking)
        except CommitUnknown as unknown:
            if batch := unsettled(self._transactions, ids, outcomes):
                raise batch from unknown
            raise
        return outcomes


def _busy() -> Busy:
    return Busy("The database is busy. Please try again.", retry_after_ms=1000)


class _Batch:
    """One transaction's work."""

    def __init__(self, tx: Tx, drafts: Sequence[Draft], conversation_ids: list[int]) -> None:
        self._tx = tx
        self._drafts = drafts
        self._conversation_ids = conversation_ids
        self._outcomes: list[Outcome | None] = [None] * len(drafts)
        self._changed: list[tuple[int, object, SqlConversationTx, int, int]] = []  # last two: range of told events
        self._sending: Sending
        self._firsts: dict[tuple[int, str], int] = {}  # {(sender_id, cid): place of its first draft}
        self._stored: dict[tuple[int, str], tuple[int, int]] = {}  # {(sender_id, cid): (conversation_id, seq)}

    def commit(self, looking: bool) -> list[Outcome]:
        """Raises: LookFirst, unless it is `looking`."""
        together, turns, repeats = self._sort()
        conversations = lock_with_senders(self._tx, self._conversation_ids, () if looking else self._drafts)
        if looking:
            self._stored = stored_places(self._tx, self._firsts)
        self._sending = Sending(self._tx, self._drafts, self._outcomes, self._stored, looking=looking)
        self._sending.take([(place, conversations[self._conversation_ids[place]]) for place in together])
        for conversation_id in sorted(turns):
            self._take_turn(conversations[conversation_id], turns[conversation_id])
        self._sending.write()
        self._tx.later_many(
            "UPDATE conversation SET last_seq = ?, changed_at_ms = ?, active_at_ms = ? WHERE id = ?",
            [
                (c.last_seq, c.now_ms, c.now_ms if c.last_seq > c.stored_seq else c.active_at_ms, c.conversation_id)
                for c in conversations.values()
                if c.changed
            ],
        )
        self._sending.insert()
        for place, first in repeats:
            self._outcomes[place] = self._outcome_of_repeat(place, first)
        if self._stored and self._tx.database.many_writers:
            self._tx.touch()  # last of all: who waits for it waits for nothing but the sync
        events = self._tx.write_events()
        for place, result, scope, start, end in self._changed:
            changes = tuple(scope.messages.changes)
            self._outcomes[place] = Changed(result, tuple(scope.lines), tuple(events[start:end]), changes)
        return [outcome for outcome in self._outcomes if outcome is not None]

    def _sort(self) -> tuple[list[int], dict[int, list[int]], list[tuple[int, int]]]:
        """Places of drafts: those of conversations without a change; {conversation_id: …} of the others; repeats.

        A repeat comes with the place of the first one. Notes the cids.
        """
        together: list[int] = []
        repeats: list[tuple[int, int]] = []
        firsts, ids = self._firsts, self._conversation_ids
        turns: dict[int, list[int]] = {
            ids[n]: [] for n, draft in enumerate(self._drafts) if type(draft) is Change and ids[n]
        }
        for place, draft in enumerate(self._drafts):
            if type(draft) is MessageDraft and draft.cid:
                first = firsts.setdefault((draft.sender_id, draft.cid), place)
                if first != place:
                    repeats.append((place, first))
                    continue
            conversation_id = ids[place]
            if not conversation_id:
                self._outcomes[place] = self._nowhere(draft)
            elif turns and conversation_id in turns:
                turns[conversation_id].append(place)
            else:
                together.append(place)
        return together, turns, repeats

    def _nowhere(self, draft: Draft) -> ImError:
        """Why a draft for a conversation that does not exist is refused: as if it were a stranger's."""
        if type(draft) is MessageDraft:
            return refusal(self._tx, draft.sender_id, draft.kind, draft.dstid, 0) or no_place(draft.kind)
        if type(draft) is ReadDraft:
            return no_place(draft.kind)
        if draft.key.startswith(f"{Kind.COMMUNITY:d}:"):
            return NotFound("There is no such community.", field="dstid")
        return NotFound("There is no such conversation.", field="dstid")

    def _take_turn(self, conversation: LockedConversation, places: list[int]) -> None:
        """The drafts of one conversation in their order; messages between two changes go together."""
        run: list[tuple[int, LockedConversation]] = []
        for place in places:
            draft = self._drafts[place]
            if type(draft) is Change:
                self._sending.take(run)
                run = []
                self._apply(conversation, place, draft)
            else:
                run.append((place, conversation))
        self._sending.take(run)

    def _apply(self, conversation: LockedConversation, place: int, draft: Change) -> None:
        tx = self._tx
        self._sending.insert()
        before = conversation.last_seq, conversation.changed, len(tx.told)
        first_seq = conversation.first_seq
        tx.execute("SAVEPOINT one_change")
        try:
            scope = SqlConversationTx(tx, conversation)
            result = draft.apply(scope)
            scope.finish()
        except tx.database.duplicate as error:
            log.info("a change met something that exists: %s", error)
            self._outcomes[place] = Conflict("This exists already.")
        except tx.database.failure:
            raise  # the environment's fault: the whole batch has an unknown outcome
        except ImError as error:
            self._outcomes[place] = error.bare()
        except Exception:
            log.exception("a change of conversation %s failed", conversation.conversation_id)
            self._outcomes[place] = Internal("Something went wrong on our side.")
        else:
            tx.execute("RELEASE SAVEPOINT one_change")
            self._changed.append((place, result, scope, before[2], len(tx.told)))
            return
        tx.execute("ROLLBACK TO SAVEPOINT one_change")
        tx.execute("RELEASE SAVEPOINT one_change")
        conversation.last_seq, conversation.changed = before[:2]
        conversation.first_seq = first_seq
        del tx.told[before[2] :]

    def _outcome_of_repeat(self, place: int, first: int) -> Outcome:
        """For a cid that came earlier in this batch."""
        draft, earlier, outcome = self._drafts[place], self._drafts[first], self._outcomes[first]
        if type(draft) is not MessageDraft or type(earlier) is not MessageDraft or outcome is None:
            raise TypeError("only messages are folded")
        hit = self._stored.get((draft.sender_id, draft.cid))
        if hit is not None:
            return outcome_of_stored(self._tx, draft, self._conversation_ids[place], hit)
        if (draft.kind, draft.dstid, body_of(draft)) != (earlier.kind, earlier.dstid, body_of(earlier)):
            return other_body()
        if isinstance(outcome, Stored):
            return Stored(outcome.message_id, outcome.seq, outcome.created_at_ms, True)
        return outcome
