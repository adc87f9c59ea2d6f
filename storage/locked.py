"""A conversation while the writer holds its lock, and the rows that a batch will insert."""

from collections.abc import Iterable
from dataclasses import dataclass

from imtornado.records import Kind, Message
from storage.database import Later
from storage.transactions import Row, Tx

INSERT_MESSAGE = (
    "INSERT INTO message (conversation_id, seq, id, sender_id, cid, media, content, pic, url, memo, amount, reply_seq,"
    " file, event, mention, created_at_ms, edited_at_ms, gone)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0)"
)
INSERT_MENTION = "INSERT INTO mention (user_id, conversation_id, seq) VALUES (?, ?, ?)"
INSERT_USE = "INSERT INTO file_use (name, conversation_id, seq, user_id, community_id) VALUES (?, ?, ?, 0, 0)"


@dataclass(slots=True)
class LockedConversation:
    """`last_seq` runs ahead of its row, `stored_seq`, until the batch ends; `now_ms` is not before the last message.

    `active_at_ms` is the time of the newest message when it was locked.
    """

    conversation_id: int
    key: str
    first_seq: int
    last_seq: int
    now_ms: int
    active_at_ms: int
    stored_seq: int
    changed: bool = False

    @property
    def community_id(self) -> int:
        """0 in a single chat."""
        return int(self.key[3:]) if self.key.startswith("11:") else 0

    @property
    def kind(self) -> Kind:
        return Kind.COMMUNITY if self.key.startswith("11:") else Kind.SINGLE


def lock(tx: Tx, conversation_ids: Iterable[int]) -> dict[int, LockedConversation]:
    """{conversation_id: …}, locked in the order of their ids: no two batches wait for each other."""
    return locked(tx, locking(tx, conversation_ids))


def locking(tx: Tx, conversation_ids: Iterable[int]) -> list[Later]:
    """For `locked`; what is sent after it finds them locked."""
    return tx.among_later(
        "SELECT id, `key`, first_seq, last_seq, changed_at_ms, active_at_ms FROM conversation"
        " WHERE id IN ({}) ORDER BY id" + tx.database.for_update,
        sorted(conversation_ids),
    )


def locked(tx: Tx, found: Iterable[Later]) -> dict[int, LockedConversation]:
    return {
        row[0]: LockedConversation(row[0], row[1], row[2], row[3], max(tx.now_ms, row[4]), row[5], row[3])
        for part in found
        for row in part.fetchall()
    }


def insert_line(tx: Tx, conversation_id: int, line: Message) -> None:
    """Stores a system line."""
    tx.execute(
        INSERT_MESSAGE,
        (
            *(conversation_id, line.seq, line.message_id, line.sender_id, None, line.media, line.content, "", "", ""),
            *(0, 0, "", line.event, "", line.created_at_ms),
        ),
    )


class PendingRows:
    """Rows of a batch, inserted many at a time; at the latest before anything reads the tables again."""

    __slots__ = ("mentions", "messages", "uses")

    def __init__(self) -> None:
        self.messages: list[Row] = []
        self.mentions: list[Row] = []
        self.uses: list[Row] = []  # (file, conversation_id, seq)

    def add(self, other: "PendingRows") -> None:
        self.messages += other.messages
        self.mentions += other.mentions
        self.uses += other.uses

    def insert(self, tx: Tx) -> list[Later]:
        """Of each kind of rows that there are."""
        inserted = []
        if self.messages:
            inserted.append(tx.later_many(INSERT_MESSAGE, self.messages))
            self.messages = []
        if self.mentions:
            inserted.append(tx.later_many(INSERT_MENTION, self.mentions))
            self.mentions = []
        if self.uses:
            inserted.append(tx.later_many(INSERT_USE, self.uses))
            self.uses = []
        return inserted
