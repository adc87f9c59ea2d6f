"""Stored messages inside the writer's transaction, as the rules of their changes see them: `drafts.MessagesTx`."""

from imtornado.change_records import MessageChange
from imtornado.errors import NotFound
from imtornado.records import Gone, Message
from imtornado.tokenizer import folded
from storage.expiry import expire
from storage.file_uses import file_named, resource_name
from storage.locked import LockedConversation
from storage.rows import MESSAGE, destination, message_of
from storage.search_entries import forget, searched_text
from storage.transactions import Tx

# Present members who may not see a message: they came or cleared after it, or have deleted it for themselves.
_BLIND = (
    "SELECT user_id FROM member WHERE conversation_id = ? AND left_seq IS NULL AND (joined_seq > ? OR cleared_seq >= ?)"
    " UNION SELECT user_id FROM hidden WHERE conversation_id = ? AND seq = ?"
)
# Somebody left after the message: the text as it stood then is his to see.
_LEFT_AFTER = "SELECT 1 FROM member WHERE conversation_id = ? AND joined_seq <= ? AND left_seq >= ? LIMIT 1"


class SqlMessagesTx:
    """Lives while one change is applied; `changes` are those that it recorded."""

    def __init__(self, tx: Tx, conversation: LockedConversation) -> None:
        self._tx = tx
        self._conversation = conversation
        self._id = conversation.conversation_id
        self.changes: list[MessageChange] = []

    @property
    def ver(self) -> int:
        return self._tx.number("SELECT ver FROM conversation WHERE id = ?", self._id)

    def get(self, seq: int) -> Message | None:
        row = self._tx.one(f"SELECT {MESSAGE} FROM message x WHERE x.conversation_id = ? AND x.seq = ?", self._id, seq)
        return None if row is None else message_of(self._conversation.key, row)

    def blank(self, seq: int, why: Gone) -> None:
        message = self.get(seq)
        if message is None:
            raise NotFound("There is no such message.", field="seq")
        place = (self._id, seq)
        for url in (message.url, message.pic):
            file = file_named(self._tx, resource_name(url))
            self._tx.execute("DELETE FROM file_use WHERE name = ? AND conversation_id = ? AND seq = ?", (file, *place))
        for user_id in set(message.mention):
            self._tx.execute(
                "DELETE FROM mention WHERE user_id = ? AND conversation_id = ? AND seq = ?", (user_id, *place)
            )
        earlier = self._tx.all("SELECT content FROM earlier_text WHERE conversation_id = ? AND seq = ?", *place)
        self._tx.execute("DELETE FROM reaction WHERE conversation_id = ? AND seq = ?", place)
        self._tx.execute("DELETE FROM earlier_text WHERE conversation_id = ? AND seq = ?", place)
        self._tx.execute("UPDATE `change` SET data = '' WHERE conversation_id = ? AND seq = ?", place)
        self._tx.execute(
            "UPDATE message SET content = '', pic = '', url = '', memo = '', amount = 0, file = '', event = '',"
            " mention = '', gone = ? WHERE conversation_id = ? AND seq = ?",
            (int(why), *place),
        )
        texts = (searched_text(message.media, message.content, message.file), *(folded(row[0]) for row in earlier))
        forget(self._tx, *place, texts)
        self._conversation.changed = True

    def expire(self, before_ms: int, limit: int) -> int:
        return expire(self._tx, self._conversation, before_ms, limit)

    def record(self, actor_id: int, change: str, seq: int, data: str) -> int:
        # At once and not with the batch: what a rule does is undone by its savepoint, its ver with it.
        self._tx.execute("UPDATE conversation SET ver = ver + 1 WHERE id = ?", (self._id,))
        ver, now_ms = self.ver, self._conversation.now_ms
        self._tx.execute(
            "INSERT INTO `change` (conversation_id, ver, kind, seq, actor_id, data, created_at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._id, ver, change, seq, actor_id, data, now_ms),
        )
        blind = frozenset(row[0] for row in self._tx.all(_BLIND, self._id, seq, seq, self._id, seq))
        kind, dstid = destination(self._conversation.key, actor_id)
        self.changes.append(MessageChange(kind, dstid, actor_id, ver, change, seq, data, blind))
        self._conversation.changed = True
        return ver

    def rewrite(self, seq: int, content: str, ver: int) -> None:
        before = self.get(seq)
        kept = self._tx.one(_LEFT_AFTER, self._id, seq, seq) is not None
        if kept:
            self._tx.execute(
                "INSERT INTO earlier_text (conversation_id, seq, ver, content)"
                " SELECT conversation_id, seq, ?, content FROM message WHERE conversation_id = ? AND seq = ?",
                (ver, self._id, seq),
            )
        self._tx.execute(
            "UPDATE message SET content = ?, edited_at_ms = ? WHERE conversation_id = ? AND seq = ?",
            (content, self._conversation.now_ms, self._id, seq),
        )
        if before is not None and not kept:
            forget(self._tx, self._id, seq, (searched_text(before.media, before.content, before.file),))

    def tally(self, seq: int, user_id: int) -> dict[str, tuple[int, bool]]:
        rows = self._tx.all(
            "SELECT emoji, count(*), max(CASE WHEN user_id = ? THEN 1 ELSE 0 END) FROM reaction"
            " WHERE conversation_id = ? AND seq = ? GROUP BY emoji",
            user_id,
            self._id,
            seq,
        )
        return {emoji: (count, bool(mine)) for emoji, count, mine in rows}

    def react(self, seq: int, user_id: int, emoji: str, on: bool) -> None:
        place = (self._id, seq, user_id, emoji)
        if on:
            self._tx.execute(
                "INSERT INTO reaction (conversation_id, seq, user_id, emoji, created_at_ms) VALUES (?, ?, ?, ?, ?)",
                (*place, self._conversation.now_ms),
            )
        else:
            self._tx.execute(
                "DELETE FROM reaction WHERE conversation_id = ? AND seq = ? AND user_id = ? AND emoji = ?", place
            )
