"""Friends: asking, accepting, listing, remarks, removing and blocking."""

from imtornado.config import Config
from imtornado.errors import BadParameter, NotFound
from imtornado.records import ContactRequest, Friend, Record, User
from storage.store import Store

FRESH_MS = 23 * 3_600_000  # events are kept a day: none is pruned while a stamp of this age is being answered


class FriendList(Record, frozen=True):
    """`full`: these are all; otherwise what changed, and the ids of those who are no friends any more.

    `seen_ids`: those whose presence he may see (no block stands between them).
    """

    friends: tuple[Friend, ...]
    removed_ids: tuple[int, ...]
    seen_ids: frozenset[int]
    full: bool
    now_ms: int  # read before the list: the stamp to ask from next


class Contacts:
    """Every method takes the acting user first and runs on a worker thread. Raises, everywhere: Busy."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._confirm = config.contacts.confirm

    def add_by_mobile(self, user_id: int, mobile: str, memo: str) -> tuple[User, bool]:
        """As `add`, by the exact mobile."""
        credentials = self._store.users.by_mobile(mobile)
        return self._add(user_id, credentials.user if credentials else None, memo, field="dstname")

    def add(self, user_id: int, other_id: int, memo: str) -> tuple[User, bool]:
        """The other, and True: friends now; False: he is asked. Without `contacts.confirm` friends at once.

        Raises: NotFound, Conflict (friends already), BadParameter (oneself), NotAllowed (blocked, without confirm).
        """
        return self._add(user_id, self._store.users.get(other_id), memo, field="dstid")

    def requests(self, user_id: int) -> tuple[ContactRequest, ...]:
        """Open ones, to him and of his own, newest first."""
        return self._store.contacts.requests(user_id)

    def accept(self, user_id: int, asker_id: int) -> None:
        """Raises: NotFound (he did not ask)."""
        self._store.contacts.accept(user_id, asker_id)

    def reject(self, user_id: int, other_id: int) -> None:
        """Drops the other's request, or takes the own one back. Raises: NotFound (there is none)."""
        self._store.contacts.reject(user_id, other_id)

    def friends(self, user_id: int, since_ms: int | None = None) -> FriendList:
        """All, by id; with `since_ms` of the last day only what changed since, some perhaps without need."""
        now_ms = self._store.settled_ms()
        full = since_ms is None or now_ms - since_ms > FRESH_MS
        removed_ids = () if since_ms is None or full else self._store.contacts.removed(user_id, since_ms)
        friends = self._store.contacts.friends(user_id, 0 if since_ms is None or full else since_ms)
        seen_ids = self._store.users.shared(user_id, [friend.user.user_id for friend in friends])
        return FriendList(friends, removed_ids, seen_ids, full=full, now_ms=now_ms)

    def remark(self, user_id: int, friend_id: int, remark: str) -> None:
        """The name by which he knows the friend; "" takes it away. Raises: NotFound (not a friend)."""
        self._store.contacts.remark(user_id, friend_id, remark)

    def remove(self, user_id: int, friend_id: int) -> None:
        """Ends the friendship for both. Raises: NotFound (not a friend)."""
        self._store.contacts.remove(user_id, friend_id)

    def block(self, user_id: int, target_id: int) -> None:
        """Neither may write to the other until unblocked. Raises: NotFound, BadParameter (oneself)."""
        if target_id == user_id:
            raise BadParameter("You cannot block yourself.", field="dstid")
        self._store.contacts.block(user_id, target_id)

    def unblock(self, user_id: int, target_id: int) -> None:
        """Raises: NotFound (was not blocked)."""
        self._store.contacts.unblock(user_id, target_id)

    def blocked(self, user_id: int) -> tuple[User, ...]:
        """Whom he blocked."""
        return self._store.contacts.blocked(user_id)

    def _add(self, user_id: int, other: User | None, memo: str, field: str) -> tuple[User, bool]:
        if other is None or other.disabled_at_ms:
            raise NotFound("There is no such user.", field=field)
        if other.user_id == user_id:
            raise BadParameter("This is yourself: you need not add yourself.", field=field)
        if self._confirm:
            return other, self._store.contacts.request(user_id, other.user_id, memo)
        self._store.contacts.befriend(user_id, other.user_id)
        return other, True
