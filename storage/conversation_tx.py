"""One locked conversation, as the rules of a change see it: `drafts.ConversationTx`."""

from imtornado.drafts import MemberState
from imtornado.errors import Conflict, NotFound
from imtornado.records import SYSTEM_MEDIA, Message, Policy, Role, Ticket
from storage.file_uses import use_in_community
from storage.locked import LockedConversation, insert_line
from storage.message_tx import SqlMessagesTx
from storage.places import add_member, owned_count
from storage.rows import destination, exact_name
from storage.tickets import open_ticket
from storage.transactions import Row, Tx
from storage.view_tx import SqlViewTx, view_of

# Whoever missed an event about a conversation of his finds the conversation among those that changed.
_SEEN_ANEW = "UPDATE member SET changed_at_ms = ? WHERE user_id = ? AND conversation_id = ?"
_COLUMNS = frozenset({"name", "icon", "cate", "memo", "announcement", "policy", "owner_id"})


class SqlConversationTx:
    """Lives while one change is applied. The public methods are those of the interface, which is why they are many."""

    def __init__(self, tx: Tx, conversation: LockedConversation) -> None:
        self._tx = tx
        self._conversation = conversation
        self._id = conversation.conversation_id
        self._departed: set[int] = set()
        self._dissolved = False
        self.messages = SqlMessagesTx(tx, conversation)
        self.lines: list[Message] = []

    @property
    def now_ms(self) -> int:
        return self._conversation.now_ms

    @property
    def community_id(self) -> int:
        return self._conversation.community_id

    def finish(self) -> None:
        """Windows that end in this change end with its last line, and with the last ver."""
        if not (self._dissolved or self._departed):
            return
        last_seq, ver = self._conversation.last_seq, self.messages.ver
        if self._dissolved:
            self._tx.execute(
                "UPDATE member SET left_seq = ?, left_ver = ?, may_send = 0, changed_at_ms = ?"
                " WHERE conversation_id = ? AND left_seq IS NULL",
                (last_seq, ver, self.now_ms, self._id),
            )
        for user_id in self._departed:
            self._place(user_id, "left_seq = ?, left_ver = ?", last_seq, ver)

    def member(self, user_id: int) -> MemberState | None:
        row = self._tx.one(
            "SELECT role, may_send, silenced_until_ms, joined_seq, left_seq FROM member"
            " WHERE user_id = ? AND conversation_id = ?",
            user_id,
            self._id,
        )
        return None if row is None else MemberState(user_id, Role(row[0]), bool(row[1]), row[2], row[3], row[4])

    def community(self) -> tuple[int, str, Policy, bool]:
        owner_id, name, policy, silenced_until_ms = self._community("owner_id, name, policy, silenced_until_ms")
        return owner_id, name, Policy(policy), silenced_until_ms > self.now_ms

    def admin_ids(self) -> tuple[int, ...]:
        rows = self._tx.all(
            "SELECT user_id FROM member WHERE conversation_id = ? AND role >= ? AND left_seq IS NULL ORDER BY user_id",
            self._id,
            int(Role.ADMIN),
        )
        return tuple(row[0] for row in rows)

    def enter(self, user_id: int, role: Role) -> None:
        (silenced_until_ms,) = self._community("silenced_until_ms")
        if not self.nicknames((user_id,)):
            raise NotFound("There is no such user.", field="memberid")
        self.drop_request(user_id)
        before = self.member(user_id)
        if before is not None and before.present:
            return
        joined_seq = self._conversation.last_seq + 1
        if before is None:
            add_member(self._tx, self._id, user_id, role, joined_seq)
        self._place(user_id, "role = ?, may_send = 1, joined_seq = ?, left_seq = NULL", int(role), joined_seq)
        # A silence of his own outlives leaving, else coming back would lift it.
        own_until_ms = 0 if before is None else before.silenced_until_ms
        all_until_ms = silenced_until_ms if role == Role.MEMBER else 0
        self._place(user_id, "silenced_until_ms = ?", max(own_until_ms, all_until_ms))
        self._departed.discard(user_id)
        self._count(1)

    def depart(self, user_id: int) -> None:
        state = self.member(user_id)
        if state is None or not state.present:
            return
        self._place(user_id, "left_seq = ?, may_send = 0", self._conversation.last_seq)
        (silenced_until_ms,) = self._community("silenced_until_ms")
        if state.silenced_until_ms == silenced_until_ms:
            self._place(user_id, "silenced_until_ms = 0")  # the silence of all is not his to take along
        self._departed.add(user_id)
        self._count(-1)

    def set_role(self, user_id: int, role: Role) -> None:
        (silenced_until_ms,) = self._community("silenced_until_ms")
        self._place(user_id, "role = ?", int(role))
        state = self.member(user_id)
        if state is None:
            return
        # The silence of all holds for plain members only; one of his own stays.
        if role == Role.MEMBER and state.silenced_until_ms < silenced_until_ms:
            self._place(user_id, "silenced_until_ms = ?", silenced_until_ms)
        elif role > Role.MEMBER and state.silenced_until_ms == silenced_until_ms:
            self._place(user_id, "silenced_until_ms = 0")

    def silence(self, user_id: int | None, until_ms: int) -> None:
        if user_id is not None:
            self._place(user_id, "silenced_until_ms = ?", until_ms)
            return
        (earlier_ms,) = self._community("silenced_until_ms")
        self._set_community({"silenced_until_ms": until_ms})
        # Members silenced for longer on their own account stay so.
        self._tx.execute(
            "UPDATE member SET silenced_until_ms = ?, changed_at_ms = ? WHERE conversation_id = ? AND role = ?"
            " AND left_seq IS NULL AND (silenced_until_ms <= ? OR silenced_until_ms < ?)",
            (until_ms, self.now_ms, self._id, int(Role.MEMBER), earlier_ms, until_ms),
        )

    def set_community(self, **columns: object) -> None:
        if not columns.keys() <= _COLUMNS:
            raise ValueError(f"not columns of a community: {sorted(columns.keys() - _COLUMNS)}")
        (icon,) = self._community("icon")
        if "icon" in columns:
            use_in_community(self._tx, self.community_id, self.admin_ids(), icon, str(columns["icon"]))
        if "name" in columns:
            columns["name"] = exact_name(str(columns["name"]))
        try:
            self._set_community(columns)
        except self._tx.database.duplicate as error:
            raise Conflict("A community with this name exists already.", field="name") from error

    def owned_count(self, user_id: int) -> int:
        return owned_count(self._tx, user_id)

    def ask(self, user_id: int, memo: str) -> bool:
        self._community("id")
        if not self.nicknames((user_id,)):
            raise NotFound("There is no such user.", field="memberid")
        place = (self.community_id, user_id)
        if self._tx.one("SELECT 1 FROM join_request WHERE community_id = ? AND user_id = ?", *place) is not None:
            self._tx.execute("UPDATE join_request SET memo = ? WHERE community_id = ? AND user_id = ?", (memo, *place))
            return False
        self._tx.execute(
            "INSERT INTO join_request (community_id, user_id, memo, created_at_ms) VALUES (?, ?, ?, ?)",
            (*place, memo, self.now_ms),
        )
        return True

    def drop_request(self, user_id: int) -> bool:
        return bool(
            self._tx.change(
                "DELETE FROM join_request WHERE community_id = ? AND user_id = ?", self.community_id, user_id
            )
        )

    def ticket(self, token_sha256: bytes, purpose: str) -> Ticket | None:
        return open_ticket(self._tx, token_sha256, purpose)

    def dissolve(self) -> None:
        (icon,) = self._community("icon")
        use_in_community(self._tx, self.community_id, (), icon, "")
        self._tx.execute("DELETE FROM join_request WHERE community_id = ?", (self.community_id,))
        self._set_community({"name": None, "icon": "", "member_count": 0, "dissolved_at_ms": self.now_ms})
        self._dissolved = True

    def nicknames(self, user_ids: tuple[int, ...]) -> dict[int, str]:
        return dict(self._tx.among("SELECT id, nickname FROM user WHERE id IN ({})", user_ids))

    def say(self, actor_id: int, content: str, event: str) -> Message:
        conversation = self._conversation
        before, seq = conversation.last_seq, conversation.last_seq + 1
        kind, dstid = destination(conversation.key, actor_id)
        line = Message(
            kind=kind,
            dstid=dstid,
            seq=seq,
            message_id=self._tx.message_id(),
            sender_id=actor_id,
            cid="",
            media=SYSTEM_MEDIA,
            content=content,
            created_at_ms=self.now_ms,
            event=event,
        )
        insert_line(self._tx, self._id, line)
        # What he did himself is not news to him, unless older lines still are.
        self._tx.execute(
            "UPDATE member SET sent_seq = ? WHERE user_id = ? AND conversation_id = ? AND left_seq IS NULL"
            " AND (read_seq >= ? OR sent_seq >= ? OR joined_seq > ? OR cleared_seq >= ? OR ? > ?)",
            (seq, actor_id, self._id, before, before, before, before, conversation.first_seq, before),
        )
        conversation.last_seq = seq
        conversation.changed = True
        self.lines.append(line)
        return line

    def tell(self, user_id: int, kind: str, data: str) -> None:
        if user_id == 0 and self.community_id == 0:
            for (member_id,) in self._tx.all("SELECT user_id FROM member WHERE conversation_id = ?", self._id):
                self._tx.told.append((member_id, 0, kind, data))
        else:
            self._tx.told.append((user_id, 0 if user_id else self.community_id, kind, data))
            if user_id:
                self._tx.execute(_SEEN_ANEW, (self.now_ms, user_id, self._id))
            else:
                self._conversation.changed = True

    def view(self, user_id: int) -> SqlViewTx | None:
        return view_of(self._tx, self._conversation, user_id)

    def _community(self, columns: str) -> Row:
        """Columns of the living community. Raises: NotFound."""
        row = self._tx.one(f"SELECT {columns} FROM community WHERE id = ? AND dissolved_at_ms = 0", self.community_id)
        if row is None:
            raise NotFound("There is no such community.", field="dstid")
        return row

    def _set_community(self, columns: dict[str, object]) -> None:
        names = sorted(columns)
        values = [int(value) if isinstance(value, int) else value for value in (columns[name] for name in names)]
        if names:
            self._tx.execute(
                f"UPDATE community SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?",
                (*values, self.community_id),
            )
        self._conversation.changed = True

    def _place(self, user_id: int, assignments: str, *values: object) -> None:
        """Changes a member's row, and the time at which his view of the conversation changed."""
        self._tx.execute(
            f"UPDATE member SET {assignments}, changed_at_ms = ? WHERE user_id = ? AND conversation_id = ?",
            (*values, self.now_ms, user_id, self._id),
        )

    def _count(self, step: int) -> None:
        self._tx.execute("UPDATE community SET member_count = member_count + ? WHERE id = ?", (step, self.community_id))
