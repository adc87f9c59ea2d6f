"""The hot path: a batch of drafts becomes messages in one transaction (`store.Store.commit`).

Order inside: repeats of a (sender, cid) folded → keys to conversation ids → conversations locked in id order → cids
looked up, after the locks → each conversation in turn: rights, seqs, rows; changes at their place → inserts →
`last_seq` raised. Whoever takes a right away locks the conversation first, so what committed first wins.
"""

import logging
from collections.abc import Sequence
from functools import cache

from imtornado.drafts import Change, Changed, Draft, MessageDraft, Outcome, Read, ReadDraft, Stored
from imtornado.errors import Busy, Conflict, ImError, Internal, NotFound
from imtornado.records import Kind
from storage.conversation_tx import SqlConversationTx
from storage.locked import LockedConversation, PendingRows, lock
from storage.refusals import files_of, needs_look, no_place, refusal
from storage.repeats import body_of, other_body, outcome_of_stored
from storage.transactions import LIST_LIMIT, Transactions, Tx

log = logging.getLogger(__name__)

KEYS_KEPT = 100_000  # about 15 MB of {key: conversation_id}

# The right to write: the check that counts, with the conversation locked.
_SEND = (
    "UPDATE member SET sent_seq = ? WHERE user_id = ? AND conversation_id = ? AND may_send = 1 AND left_seq IS NULL"
    " AND silenced_until_ms <= ? AND EXISTS (SELECT 1 FROM user WHERE id = ? AND disabled_at_ms = 0)"
)


class Committer:
    """Commits batches; one at a time, on the writer's thread."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._ids: dict[str, int] = {}  # {key: conversation_id}, least recently used first; a conversation is for ever

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """An outcome for each draft. Raises: Busy."""
        if not drafts:
            return []
        try:
            with self._transactions.batch() as tx:
                return _Batch(tx, drafts, self._conversation_ids(tx, drafts)).commit()
        except Busy:
            raise
        except Exception as error:
            if len(drafts) == 1:
                log.exception("a draft cannot be stored")
                return [error if isinstance(error, ImError) else Internal("Something went wrong on our side.")]
            log.exception("a draft broke its batch of %s; each is committed alone now", len(drafts))
        return [self.commit([draft])[0] for draft in drafts]

    def _conversation_ids(self, tx: Tx, drafts: Sequence[Draft]) -> list[int]:
        """The conversation of each draft, 0 for one that does not exist."""
        known = self._ids
        keys = [draft.key for draft in drafts]
        found: dict[str, int] = {}
        missing = []
        for key in set(keys):
            conversation_id = known.pop(key, 0)
            if conversation_id:
                known[key] = found[key] = conversation_id
            else:
                missing.append(key)
        if missing:
            for conversation_id, key in tx.among("SELECT id, `key` FROM conversation WHERE `key` IN ({})", missing):
                known[key] = found[key] = conversation_id
            while len(known) > KEYS_KEPT:
                del known[next(iter(known))]
        return [found.get(key, 0) for key in keys]


class _Batch:
    """One transaction's work."""

    def __init__(self, tx: Tx, drafts: Sequence[Draft], conversation_ids: list[int]) -> None:
        self._tx = tx
        self._drafts = drafts
        self._conversation_ids = conversation_ids
        self._outcomes: list[Outcome | None] = [None] * len(drafts)
        self._rows = PendingRows()
        self._changed: list[tuple[int, object, SqlConversationTx, int, int]] = []  # last two: range of told events
        self._firsts: dict[tuple[int, str], int] = {}  # {(sender_id, cid): place of its first draft}
        self._stored: dict[tuple[int, str], tuple[int, int]] = {}  # {(sender_id, cid): (conversation_id, seq)}

    def commit(self) -> list[Outcome]:
        turns, repeats = self._sort()
        conversations = lock(self._tx, list(turns))
        self._look_up_cids()
        for conversation_id in sorted(turns):
            self._take_turn(conversations[conversation_id], turns[conversation_id])
        self._rows.insert(self._tx)
        for place, first in repeats:
            self._outcomes[place] = self._outcome_of_repeat(place, first)
        self._tx.executemany(
            "UPDATE conversation SET last_seq = ?, changed_at_ms = ? WHERE id = ?",
            [(c.last_seq, c.now_ms, c.conversation_id) for c in conversations.values() if c.changed],
        )
        events = self._tx.write_events()
        for place, result, scope, start, end in self._changed:
            changes = tuple(scope.messages.changes)
            self._outcomes[place] = Changed(result, tuple(scope.lines), tuple(events[start:end]), changes)
        return [outcome for outcome in self._outcomes if outcome is not None]

    def _sort(self) -> tuple[dict[int, list[int]], list[tuple[int, int]]]:
        """({conversation_id: places of its drafts}, [(place of a repeat, place of the first)]); notes the cids."""
        turns: dict[int, list[int]] = {}
        repeats: list[tuple[int, int]] = []
        firsts = self._firsts
        for place, (draft, conversation_id) in enumerate(zip(self._drafts, self._conversation_ids, strict=True)):
            if type(draft) is MessageDraft and draft.cid:
                first = firsts.setdefault((draft.sender_id, draft.cid), place)
                if first != place:
                    repeats.append((place, first))
                    continue
            if conversation_id:
                turns.setdefault(conversation_id, []).append(place)
            else:
                self._outcomes[place] = self._nowhere(draft)
        return turns, repeats

    def _nowhere(self, draft: Draft) -> ImError:
        """Why a draft for a conversation that does not exist is refused: as if it were a stranger's."""
        if type(draft) is MessageDraft:
            return refusal(self._tx, draft.sender_id, draft.kind, draft.dstid, 0) or no_place(draft.kind)
        if type(draft) is ReadDraft:
            return no_place(draft.kind)
        if draft.key.startswith(f"{Kind.COMMUNITY:d}:"):
            return NotFound("There is no such community.", field="dstid")
        return NotFound("There is no such conversation.", field="dstid")

    def _look_up_cids(self) -> None:
        """One SELECT a sender, answered by the index alone. After the locks: a commit that we waited for is seen."""
        wanted: dict[int, list[str]] = {}
        for sender_id, cid in self._firsts:
            wanted.setdefault(sender_id, []).append(cid)
        execute, stored = self._tx.execute, self._stored
        for sender_id, cids in wanted.items():
            for start in range(0, len(cids), LIST_LIMIT):
                part = cids[start : start + LIST_LIMIT]
                rows = execute(_cid_query(len(part)), (sender_id, *part))
                for cid, conversation_id, seq in rows.fetchall():
                    stored[sender_id, cid] = (conversation_id, seq)

    def _take_turn(self, conversation: LockedConversation, places: list[int]) -> None:
        """The drafts of one conversation in their order; messages between two changes go together."""
        run: list[int] = []
        for place in places:
            draft = self._drafts[place]
            if type(draft) is Change:
                self._take_run(conversation, run)
                run = []
                self._apply(conversation, place, draft)
            else:
                run.append(place)
        self._take_run(conversation, run)

    def _take_run(self, conversation: LockedConversation, places: list[int]) -> None:
        """Messages and read marks. Everybody is taken to have the right; if somebody has not, seqs are given anew."""
        fit, files = self._fit(conversation, places)
        if not fit:
            return
        rows, last_seqs = self._give_seqs(conversation, fit, files, {})
        if last_seqs and self._take_rights(conversation, last_seqs) != len(last_seqs):
            refused = self._refused(conversation, fit, last_seqs)
            rows, last_seqs = self._give_seqs(conversation, fit, files, refused)
            self._take_rights(conversation, last_seqs)
        if rows.messages:
            self._rows.add(rows)
            conversation.last_seq = rows.messages[-1][1]
            conversation.changed = True

    def _fit(self, conversation: LockedConversation, places: list[int]) -> tuple[list[int], dict[int, set[str]]]:
        """(places of the drafts that want a seq or a mark, {place: files that the message uses})."""
        fit: list[int] = []
        files: dict[int, set[str]] = {}
        drafts, stored = self._drafts, self._stored
        for place in places:
            draft = drafts[place]
            if type(draft) is MessageDraft:
                if stored and (hit := stored.get((draft.sender_id, draft.cid))):
                    self._outcomes[place] = outcome_of_stored(self._tx, draft, conversation.conversation_id, hit)
                    continue
                if (draft.reply_seq or draft.url or draft.pic) and needs_look(draft):
                    looked = files_of(self._tx, draft, conversation)
                    if isinstance(looked, ImError):
                        self._outcomes[place] = looked
                        continue
                    files[place] = looked
            fit.append(place)
        return fit, files

    def _give_seqs(
        self,
        conversation: LockedConversation,
        places: list[int],
        files: dict[int, set[str]],
        refused: dict[int, ImError],
    ) -> tuple[PendingRows, dict[int, int]]:
        """(rows, {sender_id: his last seq}). One loop on purpose: this is what a message costs."""
        rows = PendingRows()
        last_seqs: dict[int, int] = {}
        drafts, outcomes, messages = self._drafts, self._outcomes, rows.messages
        conversation_id, now_ms, seq = conversation.conversation_id, conversation.now_ms, conversation.last_seq
        for place in places:
            draft = drafts[place]
            if type(draft) is ReadDraft:
                outcomes[place] = self._read(conversation, draft, seq)
                continue
            if type(draft) is not MessageDraft:
                continue
            sender_id = draft.sender_id
            if sender_id in refused:
                outcomes[place] = refused[sender_id]
                continue
            seq += 1
            last_seqs[sender_id] = seq
            message_id = draft.message_id or self._tx.next_ids("message")
            mention = ""
            if draft.mention:
                mention = ",".join(map(str, draft.mention))
                rows.mentions.extend((user_id, conversation_id, seq) for user_id in set(draft.mention))
            if place in files:
                rows.uses.extend((file, conversation_id, seq) for file in files[place])
            # fmt: off
            messages.append((
                conversation_id, seq, message_id, sender_id, draft.cid or None, draft.media, draft.content, draft.pic,
                draft.url, draft.memo, draft.amount, draft.reply_seq, draft.file, "", mention, now_ms,
            ))
            # fmt: on
            outcomes[place] = Stored(message_id, seq, now_ms, False)
        return rows, last_seqs

    def _take_rights(self, conversation: LockedConversation, last_seqs: dict[int, int]) -> int:
        """Moves `sent_seq` of each sender who may write to his last seq; the number of those."""
        conversation_id, now_ms = conversation.conversation_id, self._tx.now_ms
        parameters = [(seq, user_id, conversation_id, now_ms, user_id) for user_id, seq in last_seqs.items()]
        return self._tx.executemany(_SEND, parameters).rowcount if parameters else 0

    def _refused(
        self, conversation: LockedConversation, places: list[int], last_seqs: dict[int, int]
    ) -> dict[int, ImError]:
        """{sender_id: why he may not write}, each asked for alone."""
        senders = {d.sender_id: d for d in map(self._drafts.__getitem__, places) if type(d) is MessageDraft}
        refused: dict[int, ImError] = {}
        for sender_id, draft in senders.items():
            if not self._take_rights(conversation, {sender_id: last_seqs[sender_id]}):
                why = refusal(self._tx, sender_id, draft.kind, draft.dstid, conversation.conversation_id)
                refused[sender_id] = why or no_place(draft.kind)
        return refused

    def _read(self, conversation: LockedConversation, draft: ReadDraft, last_seq: int) -> Outcome:
        row = self._tx.one(
            "SELECT read_seq, left_seq FROM member WHERE user_id = ? AND conversation_id = ?",
            draft.user_id,
            conversation.conversation_id,
        )
        if row is None:
            return no_place(draft.kind)
        read_seq, left_seq = row
        seq = min(draft.seq, last_seq if left_seq is None else min(last_seq, left_seq))
        if seq <= read_seq:
            return Read(read_seq, False)
        # In a single chat the other one's view changes too (peer_read).
        everybody = " OR conversation_id = ?" if conversation.community_id == 0 else ""
        place = (draft.user_id, conversation.conversation_id)
        self._tx.execute("UPDATE member SET read_seq = ? WHERE user_id = ? AND conversation_id = ?", (seq, *place))
        self._tx.execute(
            f"UPDATE member SET changed_at_ms = ? WHERE (user_id = ? AND conversation_id = ?){everybody}",
            (conversation.now_ms, *place, *((conversation.conversation_id,) if everybody else ())),
        )
        return Read(seq, True)

    def _apply(self, conversation: LockedConversation, place: int, draft: Change) -> None:
        tx = self._tx
        self._rows.insert(tx)
        before = conversation.last_seq, conversation.changed, len(tx.told)
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
            self._outcomes[place] = error
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


@cache
def _cid_query(count: int) -> str:
    places = ",".join("?" * count)
    return f"SELECT cid, conversation_id, seq FROM message WHERE sender_id = ? AND cid IN ({places})"
