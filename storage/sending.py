"""Messages and read marks inside a batch: seqs given, the right to write proved, rows gathered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from imtornado.drafts import Draft, MessageDraft, Outcome, Read, ReadDraft, Stored
from imtornado.errors import ImError
from storage.database import Later
from storage.locked import LockedConversation, PendingRows, locked, locking
from storage.refusals import files_of, needs_look, no_place, refusal
from storage.repeats import outcome_of_stored
from storage.transactions import Tx

# The right to write: the check that counts, with the conversation locked. That of an account stands apart, because
# in one statement with the marks MySQL would lock the accounts.
_SEND = (
    "UPDATE member SET sent_seq = ? WHERE user_id = ? AND conversation_id = ? AND may_send = 1 AND left_seq IS NULL"
    " AND silenced_until_ms <= ?"
)
_ENABLED = "SELECT count(*) FROM user WHERE id IN ({}) AND disabled_at_ms = 0"

Run = Sequence[tuple[int, LockedConversation]]  # places of drafts in their order, each with its conversation
Sender = tuple[int, int]  # (user_id, conversation_id)


class LookFirst(Exception):
    """Something in this batch is refused or came before: it must be undone, and done again with look-ups."""


def lock_with_senders(
    tx: Tx, conversation_ids: Iterable[int], drafts: Iterable[Draft]
) -> dict[int, LockedConversation]:
    """As `locked.lock`, without 0. Raises: LookFirst where an account that sends one of the drafts is not enabled."""
    asked = locking(tx, set(conversation_ids) - {0})
    senders = {draft.sender_id for draft in drafts if type(draft) is MessageDraft}
    enabled = tx.among_later(_ENABLED, senders)  # after the locks: whoever disables an account wants them too
    conversations = locked(tx, asked)
    if sum(count for part in enabled for (count,) in part.fetchall()) != len(senders):
        raise LookFirst
    return conversations


class Sending:
    """The messages and read marks of one transaction. `stored` are the cids that are known, where it is `looking`.

    Where it is not, all accounts that send are enabled, and everything else is taken for granted until `insert`.
    """

    def __init__(
        self,
        tx: Tx,
        drafts: Sequence[Draft],
        outcomes: list[Outcome | None],
        stored: Mapping[tuple[int, str], tuple[int, int]],
        *,
        looking: bool,
    ) -> None:
        self._tx = tx
        self._drafts = drafts
        self._outcomes = outcomes
        self._stored = stored
        self._looking = looking
        self._rows = PendingRows()
        self._proofs: list[tuple[int, Later]] = []  # (senders, the UPDATE that meets those who may write)
        self._inserted: list[Later] = []

    def take(self, run: Run) -> None:
        """Everybody is taken to have the right; if somebody has not, seqs are given anew. Raises: LookFirst."""
        fit, files = self._fit(run)
        if not fit:
            return
        before = {conversation.conversation_id: conversation.last_seq for _, conversation in fit}
        rows, senders, reads = self._give_seqs(fit, files, {})
        if senders and not self._looking:
            self._proofs.append((len(senders), self._claim(senders)))
        elif senders and self._take_rights(senders) != len(senders):
            refused = self._refused(fit, senders)
            for _, conversation in fit:
                conversation.last_seq = before[conversation.conversation_id]
            rows, senders, reads = self._give_seqs(fit, files, refused)
            if senders:
                self._take_rights(senders)
        self._rows.add(rows)
        for _, conversation in fit:
            conversation.changed = conversation.changed or conversation.last_seq > before[conversation.conversation_id]
        for place, mark, conversation, last_seq in reads:
            self._outcomes[place] = self._read(conversation, mark, last_seq)

    def write(self) -> None:
        """Hands the rows over; `insert` says whether all could be written. Raises: LookFirst."""
        with self._looked():
            self._inserted += self._rows.insert(self._tx)

    def insert(self) -> None:
        """Writes the rows; at the latest before anything reads the tables again. Raises: LookFirst."""
        self.write()
        with self._looked():
            for inserted in self._inserted:
                inserted.rowcount  # noqa: B018 (it is sent, and raises)
            proved = all(one.rowcount == senders for senders, one in self._proofs)
        self._inserted, self._proofs = [], []
        if not proved:
            raise LookFirst

    @contextmanager
    def _looked(self) -> Iterator[None]:
        """Raises: LookFirst where a cid is there already."""
        try:
            yield
        except self._tx.database.duplicate as error:
            if self._looking and not self._tx.database.many_writers:
                raise
            raise LookFirst from error

    def _fit(self, run: Run) -> tuple[Run, dict[int, set[str]]]:
        """(drafts that want a seq or a mark, {place: files that the message uses})."""
        fit: list[tuple[int, LockedConversation]] = []
        files: dict[int, set[str]] = {}
        drafts, stored = self._drafts, self._stored
        for item in run:
            place, conversation = item
            draft = drafts[place]
            if type(draft) is MessageDraft:
                if stored and (hit := stored.get((draft.sender_id, draft.cid))):
                    self._outcomes[place] = outcome_of_stored(self._tx, draft, conversation.conversation_id, hit)
                    continue
                if (draft.reply_seq or draft.url or draft.pic) and needs_look(draft):
                    looked = files_of(self._tx, draft, conversation)
                    if isinstance(looked, ImError):
                        if not self._looking:
                            raise LookFirst  # stored before, it is a repeat whatever may have happened since
                        self._outcomes[place] = looked
                        continue
                    files[place] = looked
            fit.append(item)
        return fit, files

    def _give_seqs(
        self, run: Run, files: dict[int, set[str]], refused: dict[Sender, ImError]
    ) -> tuple[PendingRows, dict[Sender, int], list[tuple[int, ReadDraft, LockedConversation, int]]]:
        """(rows, {sender: his last seq}, read marks with the last seq at their place).

        One loop on purpose: this is what a message costs.
        """
        rows = PendingRows()
        senders: dict[Sender, int] = {}
        reads: list[tuple[int, ReadDraft, LockedConversation, int]] = []
        drafts, outcomes, messages = self._drafts, self._outcomes, rows.messages
        for place, conversation in run:
            draft = drafts[place]
            if type(draft) is not MessageDraft:
                if type(draft) is ReadDraft:
                    reads.append((place, draft, conversation, conversation.last_seq))
                continue
            conversation_id = conversation.conversation_id
            sender = (draft.sender_id, conversation_id)
            if refused and sender in refused:
                outcomes[place] = refused[sender]
                continue
            conversation.last_seq = senders[sender] = seq = conversation.last_seq + 1
            message_id = draft.message_id or self._tx.message_id()
            now_ms = conversation.now_ms
            mention = ""
            if draft.mention:
                mention = ",".join(map(str, draft.mention))
                rows.mentions.extend((user_id, conversation_id, seq) for user_id in set(draft.mention))
            if files and place in files:
                rows.uses.extend((file, conversation_id, seq) for file in files[place])
            # fmt: off
            messages.append((
                conversation_id, seq, message_id, sender[0], draft.cid or None, draft.media, draft.content, draft.pic,
                draft.url, draft.memo, draft.amount, draft.reply_seq, draft.file, "", mention, now_ms,
            ))
            # fmt: on
            outcomes[place] = Stored(message_id, seq, now_ms, False)
        return rows, senders, reads

    def _take_rights(self, senders: dict[Sender, int]) -> int:
        """Moves `sent_seq` of each sender who may write to his last seq; the number of those.

        Nobody's where one of them has no account that is enabled.
        """
        user_ids = {user_id for user_id, _ in senders}
        if sum(count for (count,) in self._tx.among(_ENABLED, user_ids)) != len(user_ids):
            return 0
        return self._claim(senders).rowcount

    def _claim(self, senders: dict[Sender, int]) -> Later:
        now_ms = self._tx.now_ms
        return self._tx.later_many(_SEND, [(seq, *sender, now_ms) for sender, seq in senders.items()])

    def _refused(self, run: Run, senders: dict[Sender, int]) -> dict[Sender, ImError]:
        """{sender: why he may not write}, each asked for alone."""
        refused: dict[Sender, ImError] = {}
        for place, conversation in run:
            draft = self._drafts[place]
            if type(draft) is not MessageDraft:
                continue
            sender = (draft.sender_id, conversation.conversation_id)
            if sender in senders and not self._take_rights({sender: senders.pop(sender)}):
                why = refusal(self._tx, draft.sender_id, draft.kind, draft.dstid, conversation.conversation_id)
                refused[sender] = why or no_place(draft.kind)
        return refused

    def _read(self, conversation: LockedConversation, draft: ReadDraft, last_seq: int) -> Outcome:
        row = self._tx.one(
            "SELECT read_seq, left_seq, may_send FROM member WHERE user_id = ? AND conversation_id = ?",
            draft.user_id,
            conversation.conversation_id,
        )
        if row is None:
            return no_place(draft.kind)
        read_seq, left_seq, may_send = row
        seq = min(draft.seq, last_seq if left_seq is None else min(last_seq, left_seq))
        if seq <= read_seq:
            return Read(read_seq, False)
        place: tuple[int, ...] = (draft.user_id, conversation.conversation_id)
        self._tx.execute("UPDATE member SET read_seq = ? WHERE user_id = ? AND conversation_id = ?", (seq, *place))
        # In a single chat the other one's view changes too (peer_read). Never both conditions in one statement: MySQL
        # would walk over rows that other writers have locked.
        if conversation.community_id == 0:
            changed, rows = "conversation_id = ?", place[1:]
        else:
            changed, rows = "user_id = ? AND conversation_id = ?", place
        self._tx.execute(f"UPDATE member SET changed_at_ms = ? WHERE {changed}", (conversation.now_ms, *rows))
        return Read(seq, True, quiet=not (may_send or conversation.community_id))
