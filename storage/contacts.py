"""Relations between two people: requests, friendship, blocks (`store.Contacts`).

Every change locks the conversation of both and then their rows, the lesser id first, so that two changes of one
relation follow each other.
"""

import msgspec

from imtornado.errors import BadParameter, Conflict, NotAllowed, NotFound
from imtornado.records import ContactRequest, Friend, Kind, Role, User, conversation_key
from storage.again import done_again
from storage.places import (
    add_member,
    are_friends,
    blocks,
    is_blocked,
    locked_conversation,
    open_conversation,
    settle_peers,
)
from storage.rows import USER, USER_WIDTH, user_of
from storage.transactions import Transactions, Tx

_FRIENDS = (
    f"SELECT {USER}, c.remark, c.created_at_ms FROM contact c CROSS JOIN user u ON u.id = c.friend_id"
    " WHERE c.owner_id = ? AND (c.changed_at_ms >= ? OR u.updated_at_ms >= ?) ORDER BY u.id"
)
_REQUESTS = (
    f"SELECT {USER}, r.memo, r.created_at_ms, 1 FROM contact_request r CROSS JOIN user u ON u.id = r.asker_id"
    " WHERE r.target_id = ? AND r.ignored = 0 UNION ALL"
    f" SELECT {USER}, r.memo, r.created_at_ms, 0 FROM contact_request r CROSS JOIN user u ON u.id = r.target_id"
    f" WHERE r.asker_id = ? ORDER BY {USER_WIDTH + 2} DESC, 1 DESC"
)
_DROP_REQUEST = "DELETE FROM contact_request WHERE asker_id = ? AND target_id = ?"


@done_again
class SqlContacts:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def request(self, user_id: int, other_id: int, memo: str) -> bool:
        with self._transactions.write() as tx:
            _two(tx, user_id, other_id)
            if are_friends(tx, user_id, other_id):
                raise Conflict("You are friends already.", field="dstid")
            if blocks(tx, user_id, other_id):
                raise NotAllowed("You have blocked this user.", field="dstid")
            if _asked(tx, other_id, user_id):
                _make_friends(tx, user_id, other_id)
                return True
            _ask(tx, user_id, other_id, memo, ignored=blocks(tx, other_id, user_id))
            tx.tell(user_id, "contact.updated", userid=other_id)
            return False

    def befriend(self, user_id: int, other_id: int) -> None:
        with self._transactions.write() as tx:
            _two(tx, user_id, other_id)
            if are_friends(tx, user_id, other_id):
                raise Conflict("You are friends already.", field="dstid")
            if is_blocked(tx, user_id, other_id):
                raise NotAllowed("You cannot become friends with this user.", field="dstid")
            _make_friends(tx, user_id, other_id)

    def accept(self, user_id: int, asker_id: int) -> None:
        with self._transactions.write() as tx:
            if not _lock(tx, user_id, asker_id) or not _asked(tx, asker_id, user_id):
                raise NotFound("This request is not open any more.", field="dstid")
            _make_friends(tx, user_id, asker_id)

    def reject(self, user_id: int, other_id: int) -> None:
        with self._transactions.write() as tx:
            _lock(tx, user_id, other_id)
            incoming = tx.change(f"{_DROP_REQUEST} AND ignored = 0", other_id, user_id)
            unnoticed = tx.change(f"{_DROP_REQUEST} AND ignored = 1", user_id, other_id)  # withdrawn, never seen
            outgoing = tx.change(_DROP_REQUEST, user_id, other_id)
            if not incoming + unnoticed + outgoing:
                raise NotFound("This request is not open any more.", field="dstid")
            tx.tell(user_id, "contact.updated", userid=other_id)
            if incoming + outgoing:
                tx.tell(other_id, "contact.updated", userid=user_id)

    def requests(self, user_id: int) -> tuple[ContactRequest, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(_REQUESTS, user_id, user_id)
        return tuple(ContactRequest(user_of(row), row[USER_WIDTH], row[USER_WIDTH + 1], bool(row[-1])) for row in rows)

    def friends(self, user_id: int, since_ms: int = 0) -> tuple[Friend, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(_FRIENDS, user_id, since_ms, since_ms)
        return tuple(Friend(user_of(row), row[USER_WIDTH], row[USER_WIDTH + 1]) for row in rows)

    def removed(self, user_id: int, since_ms: int) -> tuple[int, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(
                "SELECT DISTINCT data FROM event WHERE user_id = ? AND created_at_ms >= ? AND kind = 'contact.removed'",
                user_id,
                since_ms,
            )
            ids = {msgspec.json.decode(row[0])["userid"] for row in rows}
            friends = tx.among("SELECT friend_id FROM contact WHERE friend_id IN ({}) AND owner_id = ?", ids, user_id)
            return tuple(sorted(ids - {row[0] for row in friends}))

    def remark(self, user_id: int, friend_id: int, remark: str) -> None:
        with self._transactions.write() as tx:
            if not tx.change(
                "UPDATE contact SET remark = ?, changed_at_ms = ? WHERE owner_id = ? AND friend_id = ?",
                *(remark, tx.now_ms, user_id, friend_id),
            ):
                raise NotFound("This user is not among your friends.", field="dstid")
            # The remark is the title of their conversation.
            tx.execute(
                "UPDATE member SET changed_at_ms = ? WHERE user_id = ? AND conversation_id ="
                " (SELECT id FROM conversation WHERE `key` = ?)",
                (tx.now_ms, user_id, conversation_key(Kind.SINGLE, user_id, friend_id)),
            )
            tx.tell(user_id, "contact.updated", userid=friend_id)

    def remove(self, user_id: int, friend_id: int) -> None:
        with self._transactions.write() as tx:
            if not _lock(tx, user_id, friend_id) or not are_friends(tx, user_id, friend_id):
                raise NotFound("This user is not among your friends.", field="dstid")
            for owner_id, other_id in ((user_id, friend_id), (friend_id, user_id)):
                tx.execute("DELETE FROM contact WHERE owner_id = ? AND friend_id = ?", (owner_id, other_id))
                tx.tell(owner_id, "contact.removed", userid=other_id)
            settle_peers(tx, user_id, friend_id)

    def block(self, user_id: int, target_id: int) -> None:
        with self._transactions.write() as tx:
            _two(tx, user_id, target_id)
            if blocks(tx, user_id, target_id):
                return
            tx.execute(
                "INSERT INTO block (owner_id, target_id, created_at_ms) VALUES (?, ?, ?)",
                (user_id, target_id, tx.now_ms),
            )
            tx.execute(_DROP_REQUEST, (user_id, target_id))
            # His own request must not vanish before his eyes.
            tx.execute(
                "UPDATE contact_request SET ignored = 1 WHERE asker_id = ? AND target_id = ?", (target_id, user_id)
            )
            settle_peers(tx, user_id, target_id)
            tx.tell(user_id, "contact.updated", userid=target_id)

    def unblock(self, user_id: int, target_id: int) -> None:
        with self._transactions.write() as tx:
            _lock(tx, user_id, target_id)
            if not tx.change("DELETE FROM block WHERE owner_id = ? AND target_id = ?", user_id, target_id):
                raise NotFound("This user is not blocked.", field="dstid")
            settle_peers(tx, user_id, target_id)
            tx.tell(user_id, "contact.updated", userid=target_id)

    def blocked(self, user_id: int) -> tuple[User, ...]:
        with self._transactions.read() as tx:
            rows = tx.all(
                f"SELECT {USER} FROM block b CROSS JOIN user u ON u.id = b.target_id"
                " WHERE b.owner_id = ? ORDER BY u.id",
                user_id,
            )
        return tuple(user_of(row) for row in rows)


def _two(tx: Tx, user_id: int, other_id: int) -> None:
    """Locks both. Raises: BadParameter (oneself), NotFound."""
    if user_id == other_id:
        raise BadParameter("This is yourself.", field="dstid")
    if not _lock(tx, user_id, other_id):
        raise NotFound("There is no such user.", field="dstid")


def _lock(tx: Tx, user_id: int, other_id: int) -> bool:
    """Locks their conversation, as the writer does, and then both; False where they are not two who exist."""
    locked_conversation(tx, conversation_key(Kind.SINGLE, user_id, other_id))
    sql = f"SELECT id, created_at_ms FROM user WHERE id = ?{tx.database.for_update}"
    return sum(tx.one(sql, number) is not None for number in sorted({user_id, other_id})) == 2


def _asked(tx: Tx, asker_id: int, target_id: int) -> bool:
    """There is an open request that the target can see."""
    return (
        tx.one(
            "SELECT 1 FROM contact_request WHERE asker_id = ? AND target_id = ? AND ignored = 0", asker_id, target_id
        )
        is not None
    )


def _ask(tx: Tx, asker_id: int, target_id: int, memo: str, *, ignored: bool) -> None:
    """Stores the request; one that the target sees already is refreshed without telling him again."""
    news = not ignored and not _asked(tx, asker_id, target_id)
    tx.execute(_DROP_REQUEST, (asker_id, target_id))
    tx.execute(
        "INSERT INTO contact_request (asker_id, target_id, memo, ignored, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        (asker_id, target_id, memo, int(ignored), tx.now_ms),
    )
    if news:
        tx.tell(target_id, "contact.request", userid=asker_id)


def _make_friends(tx: Tx, user_id: int, other_id: int) -> None:
    """Both directions, the conversation and both places in it; open requests between the two are answered."""
    for owner_id, friend_id in ((user_id, other_id), (other_id, user_id)):
        tx.execute(_DROP_REQUEST, (owner_id, friend_id))
        tx.execute(
            "INSERT INTO contact (owner_id, friend_id, remark, created_at_ms, changed_at_ms) VALUES (?, ?, '', ?, ?)",
            (owner_id, friend_id, tx.now_ms, tx.now_ms),
        )
        tx.tell(owner_id, "contact.added", userid=friend_id)
    key = conversation_key(Kind.SINGLE, user_id, other_id)
    if tx.one("SELECT 1 FROM conversation WHERE `key` = ?", key) is None:
        conversation_id = open_conversation(tx, Kind.SINGLE, key)
        add_member(tx, conversation_id, user_id, Role.PEER)
        add_member(tx, conversation_id, other_id, Role.PEER)
    settle_peers(tx, user_id, other_id)
