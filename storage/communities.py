"""Reads and the birth of communities: `store.Communities`."""

import msgspec

from imtornado.errors import Conflict, LimitReached
from imtornado.records import (
    SYSTEM_MEDIA,
    Community,
    JoinRequest,
    Kind,
    Member,
    Message,
    Policy,
    Role,
    conversation_key,
)
from storage.again import done_again
from storage.chat_store import NewCommunity
from storage.file_uses import use_in_community
from storage.locked import insert_line
from storage.places import add_member, open_conversation, owned_count
from storage.rows import USER, USER_WIDTH, exact_name, user_of
from storage.transactions import Row, Transactions, Tx
from storage.users import require_user

_COLUMNS = (
    "c.id, c.conversation_id, c.name, c.owner_id, c.icon, c.cate, c.memo, c.announcement, c.policy,"
    " c.silenced_until_ms, c.created_at_ms, c.member_count, m.role"
)
_SELECT = (
    f"SELECT {_COLUMNS} FROM community c LEFT JOIN member m"
    " ON m.user_id = ? AND m.conversation_id = c.conversation_id AND m.left_seq IS NULL WHERE c.dissolved_at_ms = 0"
)
_OF_USER = (
    f"SELECT {_COLUMNS} FROM member m CROSS JOIN community c ON c.conversation_id = m.conversation_id"
    " WHERE m.user_id = ? AND m.role > 0 AND m.left_seq IS NULL AND c.dissolved_at_ms = 0 ORDER BY c.id"
)
# Above every character, so that [prefix, prefix + END) holds exactly the names that start with the prefix.
END = "\U0010ffff"


@done_again
class SqlCommunities:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, new: NewCommunity, max_owned: int) -> Community:
        with self._transactions.write() as tx:
            owner = require_user(tx, new.owner_id, "ownerid")
            if owned_count(tx, owner.user_id) >= max_owned:
                raise LimitReached("You own {limit} communities already, more are not allowed.", limit=max_owned)
            community_id = _insert(tx, new)
            use_in_community(tx, community_id, (owner.user_id,), "", new.icon)
            conversation_id = open_conversation(tx, Kind.COMMUNITY, conversation_key(Kind.COMMUNITY, 0, community_id))
            tx.execute("UPDATE community SET conversation_id = ? WHERE id = ?", (conversation_id, community_id))
            add_member(tx, conversation_id, owner.user_id, Role.OWNER)
            name = exact_name(new.name)
            _say_created(tx, community_id, conversation_id, owner.user_id, f"{owner.nickname} created {name}", name)
            tx.tell(owner.user_id, "community.joined", dstid=community_id)
            return _community(tx.all(f"{_SELECT} AND c.id = ?", owner.user_id, community_id)[0], tx.now_ms)

    def get(self, community_id: int, user_id: int) -> Community | None:
        return self._one("c.id = ?", user_id, community_id)

    def by_name(self, name: str, user_id: int) -> Community | None:
        return self._one("c.name = ?", user_id, exact_name(name))

    def _one(self, condition: str, user_id: int, value: object) -> Community | None:
        with self._transactions.read() as tx:
            row = tx.one(f"{_SELECT} AND {condition}", user_id, value)
            return None if row is None else _community(row, tx.now_ms)

    def search(self, prefix: str, user_id: int, limit: int) -> tuple[Community, ...]:
        start = exact_name(prefix)
        with self._transactions.read() as tx:
            rows = tx.all(
                f"{_SELECT} AND c.name >= ? AND c.name < ? AND c.policy <> ? ORDER BY c.name LIMIT ?",
                *(user_id, start, start + END, int(Policy.INVITE), limit),
            )
            return tuple(_community(row, tx.now_ms) for row in rows)

    def of_user(self, user_id: int) -> tuple[Community, ...]:
        with self._transactions.read() as tx:
            return tuple(_community(row, tx.now_ms) for row in tx.all(_OF_USER, user_id))

    def members(self, community_id: int, after_id: int, limit: int) -> tuple[Member, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(
                f"SELECT {USER}, m.role, m.silenced_until_ms FROM community c"
                " CROSS JOIN member m ON m.conversation_id = c.conversation_id AND m.user_id > ? AND m.left_seq IS NULL"
                " CROSS JOIN user u ON u.id = m.user_id"
                " WHERE c.id = ? AND c.dissolved_at_ms = 0 ORDER BY m.user_id LIMIT ?",
                *(after_id, community_id, limit),
            )
            now_ms = tx.now_ms
        return tuple(Member(user_of(row), Role(row[USER_WIDTH]), row[-1] if row[-1] > now_ms else 0) for row in rows)

    def role(self, community_id: int, user_id: int) -> Role | None:
        community = self.get(community_id, user_id)
        return None if community is None else community.role

    def requests(self, community_id: int) -> tuple[JoinRequest, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(
                f"SELECT {USER}, r.memo, r.created_at_ms FROM join_request r CROSS JOIN user u ON u.id = r.user_id"
                " WHERE r.community_id = ? ORDER BY r.created_at_ms, u.id",
                community_id,
            )
        return tuple(JoinRequest(user_of(row), row[USER_WIDTH], row[USER_WIDTH + 1]) for row in rows)


def _community(row: Row, now_ms: int) -> Community:
    return Community(
        *(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], Policy(row[8]), row[9] > now_ms),
        *(row[10], row[11], None if row[12] is None else Role(row[12])),
    )


def _insert(tx: Tx, new: NewCommunity) -> int:
    try:
        return tx.insert(
            "INSERT INTO community (conversation_id, name, owner_id, icon, cate, memo, announcement, policy,"
            " silenced_until_ms, member_count, created_at_ms, dissolved_at_ms)"
            " VALUES (NULL, ?, ?, ?, ?, ?, '', ?, 0, 1, ?, 0)",
            *(exact_name(new.name), new.owner_id, new.icon, new.cate, new.memo, int(Policy.OPEN), tx.now_ms),
        )
    except tx.database.duplicate as error:
        raise Conflict("A community with this name exists already.", field="name") from error


def _say_created(tx: Tx, community_id: int, conversation_id: int, owner_id: int, content: str, name: str) -> None:
    """The first line; its author has read it."""
    event = {"kind": "created", "userids": [owner_id], "by": owner_id, "name": name}
    line = Message(
        kind=Kind.COMMUNITY,
        dstid=community_id,
        seq=1,
        message_id=tx.message_id(),
        sender_id=owner_id,
        cid="",
        media=SYSTEM_MEDIA,
        content=content,
        created_at_ms=tx.now_ms,
        event=msgspec.json.encode(event).decode(),
    )
    insert_line(tx, conversation_id, line)
    tx.execute("UPDATE conversation SET last_seq = 1 WHERE id = ?", (conversation_id,))
    tx.execute("UPDATE member SET sent_seq = 1 WHERE conversation_id = ?", (conversation_id,))
