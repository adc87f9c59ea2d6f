"""Accounts: `store.Users`."""

from collections.abc import Sequence

from imtornado.errors import Conflict, NotAllowed, NotFound, WrongCredentials
from imtornado.records import Credentials, Kind, Role, Session, User
from storage.again import done_again
from storage.file_uses import use_in_profile
from storage.locked import lock
from storage.log_ins import end_sessions, open_session
from storage.people_store import REGISTRATION, NewSession, NewUser
from storage.places import add_member, open_conversation
from storage.rows import USER, USER_WIDTH, notebook_key, user_of
from storage.tickets import use_ticket
from storage.transactions import Transactions, Tx

_BY_ID = f"SELECT {USER} FROM user u WHERE u.id = ?"
_COLUMNS = frozenset({"nickname", "avatar", "sex", "memo"})


@done_again
class SqlUsers:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, new: NewUser) -> User:
        with self._transactions.write() as tx:
            return _create(tx, new, only_first=False)

    def register(
        self, new: NewUser, session: NewSession, invite_sha256: bytes | None = None, *, only_first: bool = False
    ) -> tuple[User, Session]:
        with self._transactions.write() as tx:
            if invite_sha256 is not None and use_ticket(tx, invite_sha256, REGISTRATION) is None:
                raise NotFound("This invitation is unknown, used or expired.", field="invite")
            user = _create(tx, new, only_first=only_first)
            return user, open_session(tx, user, session)

    def get(self, user_id: int) -> User | None:
        with self._transactions.read() as tx:
            row = tx.one(_BY_ID, user_id)
        return None if row is None else user_of(row)

    def by_mobile(self, mobile: str) -> Credentials | None:
        return self._credentials("u.mobile = ?", mobile)

    def credentials(self, user_id: int) -> Credentials | None:
        return self._credentials("u.id = ?", user_id)

    def _credentials(self, condition: str, value: object) -> Credentials | None:
        with self._transactions.read() as tx:
            row = tx.one(f"SELECT {USER}, u.password_hash FROM user u WHERE {condition}", value)
        return None if row is None else Credentials(user_of(row), row[USER_WIDTH])

    def count(self) -> int:
        with self._transactions.read() as tx:
            return tx.number("SELECT count(*) FROM user")

    def relation(self, user_id: int, other_id: int) -> str:
        if user_id == other_id:
            return "self"
        asked = "SELECT 1 FROM contact_request WHERE asker_id = ? AND target_id = ?"
        with self._transactions.read() as tx:
            if tx.one("SELECT 1 FROM contact WHERE owner_id = ? AND friend_id = ?", user_id, other_id):
                return "friend"
            if tx.one(asked, user_id, other_id):
                return "requested"
            return "asks" if tx.one(f"{asked} AND ignored = 0", other_id, user_id) else "none"

    def update(self, user_id: int, columns: dict[str, str]) -> User:
        if not columns.keys() <= _COLUMNS:
            raise ValueError(f"not columns of a profile: {sorted(columns.keys() - _COLUMNS)}")
        with self._transactions.write() as tx:
            if columns.keys() & {"nickname", "avatar"}:
                _lock_chats(tx, "user_id = ? AND role = 0", user_id)
            before = locked_user(tx, user_id)
            if "avatar" in columns:
                use_in_profile(tx, user_id, before.avatar, columns["avatar"])
            names = sorted(columns)
            tx.execute(
                f"UPDATE user SET {''.join(f'{name} = ?, ' for name in names)}updated_at_ms = ? WHERE id = ?",
                (*(columns[name] for name in names), tx.now_ms, user_id),
            )
            after = require_user(tx, user_id)
            if (before.nickname, before.avatar) != (after.nickname, after.avatar):
                _retitle(tx, user_id)
            tx.tell(user_id, "profile.updated", userid=user_id)
            return after

    def set_disabled(self, user_id: int, disabled: bool) -> None:
        with self._transactions.write() as tx:
            if disabled:
                # A batch has read that the account is enabled: what it holds of his is stored before, or not at all.
                _lock_chats(tx, "user_id = ? AND left_seq IS NULL", user_id)
            if not tx.change("UPDATE user SET disabled_at_ms = ? WHERE id = ?", tx.now_ms if disabled else 0, user_id):
                raise NotFound("There is no such user.")
            if disabled:
                tx.tell(user_id, "account.disabled")  # first: an open socket is to hear why it ends
                end_sessions(tx, user_id, 0)

    def set_admin(self, user_id: int, is_admin: bool) -> None:
        with self._transactions.write() as tx:
            if not tx.change("UPDATE user SET is_admin = ? WHERE id = ?", int(is_admin), user_id):
                raise NotFound("There is no such user.")
            tx.tell(user_id, "profile.updated", userid=user_id)

    def shared(self, user_id: int, other_ids: Sequence[int]) -> frozenset[int]:
        with self._transactions.read() as tx:
            friends = tx.among(
                "SELECT friend_id FROM contact WHERE friend_id IN ({}) AND owner_id = ?", other_ids, user_id
            )
            fellows = tx.among(
                "SELECT DISTINCT b.user_id FROM member b"
                " CROSS JOIN member a ON a.conversation_id = b.conversation_id"
                " WHERE b.user_id IN ({}) AND a.user_id = ? AND b.role > 0"
                " AND b.left_seq IS NULL AND a.left_seq IS NULL",
                other_ids,
                user_id,
            )
            related = {row[0] for rows in (friends, fellows) for row in rows}
            blocked = tx.among("SELECT target_id FROM block WHERE target_id IN ({}) AND owner_id = ?", related, user_id)
            blocking = tx.among("SELECT owner_id FROM block WHERE owner_id IN ({}) AND target_id = ?", related, user_id)
            return frozenset(related.difference(row[0] for rows in (blocked, blocking) for row in rows))


def _create(tx: Tx, new: NewUser, *, only_first: bool) -> User:
    tx.one(f"SELECT value FROM meta WHERE name = 'epoch'{tx.database.for_update}")  # one first user, not two
    first = not tx.number("SELECT 1 FROM user LIMIT 1")
    if only_first and not first:
        raise NotAllowed("This server does not take registrations. Ask its operator for an account.")
    try:
        user_id = tx.insert(
            "INSERT INTO user (mobile, password_hash, nickname, avatar, sex, memo, is_admin, created_at_ms,"
            " updated_at_ms, disabled_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            *(new.mobile, new.password_hash, new.nickname, new.avatar, new.sex, new.memo),
            *(int(first), tx.now_ms, tx.now_ms),
        )
    except tx.database.duplicate as error:
        raise Conflict("This mobile is registered already.", field="mobile") from error
    use_in_profile(tx, user_id, "", new.avatar)
    add_member(tx, open_conversation(tx, Kind.SINGLE, notebook_key(user_id)), user_id, Role.PEER)
    return require_user(tx, user_id)


def require_user(tx: Tx, user_id: int, field: str = "") -> User:
    """Raises: NotFound."""
    row = tx.one(_BY_ID, user_id)
    if row is None:
        raise NotFound("There is no such user.", field=field)
    return user_of(row)


def locked_user(tx: Tx, user_id: int) -> User:
    """The user, his row locked until the commit. Raises: NotFound."""
    tx.one(f"SELECT created_at_ms FROM user WHERE id = ?{tx.database.for_update}", user_id)
    return require_user(tx, user_id)


def require_password(tx: Tx, user_id: int, proven_hash: str) -> None:
    """The hash that somebody has proven is still the stored one. With his row locked. Raises: WrongCredentials."""
    if tx.one("SELECT password_hash FROM user WHERE id = ?", user_id) != (proven_hash,):
        raise WrongCredentials("Wrong mobile or password.")


def _lock_chats(tx: Tx, members: str, user_id: int) -> None:
    """Conversations before users, as everywhere; only where others may write at the same time."""
    if tx.database.many_writers:
        lock(tx, (row[0] for row in tx.all(f"SELECT conversation_id FROM member WHERE {members}", user_id)))


def _retitle(tx: Tx, user_id: int) -> None:
    """His single chats have another title now, for the others."""
    tx.execute(
        "UPDATE member SET changed_at_ms = ? WHERE role = 0 AND conversation_id IN"
        " (SELECT conversation_id FROM (SELECT conversation_id FROM member WHERE user_id = ? AND role = 0) AS mine)",
        (tx.now_ms, user_id),
    )
