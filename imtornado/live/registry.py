"""Who is connected: maps from users and communities to their sockets, never a walk over all of them."""

from collections import deque
from collections.abc import Callable, Collection, Iterator

from imtornado.errors import Busy
from imtornado.live.connection import Connection
from imtornado.records import Event

RECENT_EVENTS = 20_000
NOBODY: frozenset[Connection] = frozenset()


class Registry:
    """Both directions are kept together: a connection knows its communities, a community its connections.

    A socket's communities are read by a thread while events go on arriving. So the registry remembers recent
    events: `ticket` before the read, `missed` after it tells what the read may not have seen.
    """

    def __init__(self) -> None:
        self._users: dict[int, set[Connection]] = {}  # {user_id: {connection, …}}
        self._communities: dict[int, set[Connection]] = {}  # {community_id: {connection, …}}
        self._recent: deque[tuple[int, Event]] = deque(maxlen=RECENT_EVENTS)
        self._ticket = 0
        self.opened = 0
        self.closed = 0
        self.on_empty: Callable[[], object] = lambda: None  # called when the last socket has gone

    def __len__(self) -> int:
        return self.opened - self.closed

    def __iter__(self) -> Iterator[Connection]:
        """Every connection, as a snapshot."""
        return iter([connection for sockets in self._users.values() for connection in sockets])

    def ticket(self) -> int:
        """A point in the stream of events."""
        return self._ticket

    def remember(self, event: Event) -> None:
        self._ticket += 1
        self._recent.append((self._ticket, event))

    def missed(self, ticket: int) -> list[Event]:
        """Events since the ticket, in order. Raises: Busy when it is too old to tell."""
        if self._recent and self._recent[0][0] > ticket + 1:
            raise Busy("The server is busy. Try again in a moment.", retry_after_ms=1000)
        found = []
        for number, event in reversed(self._recent):
            if number <= ticket:
                break
            found.append(event)
        return found[::-1]

    def add(self, connection: Connection, community_ids: Collection[int]) -> None:
        self.opened += 1
        self._users.setdefault(connection.user_id, set()).add(connection)
        for community_id in community_ids:
            self._enter(connection, community_id)

    def remove(self, connection: Connection) -> bool:
        """True when that was the user's last socket."""
        self.closed += 1
        for community_id in tuple(connection.community_ids):
            self._leave(connection, community_id)
        sockets = self._users[connection.user_id]
        sockets.remove(connection)
        if not sockets:
            del self._users[connection.user_id]
            if not self._users:
                self.on_empty()
        return not sockets

    def join(self, user_id: int, community_id: int) -> None:
        for connection in self.sockets_of_user(user_id):
            self._enter(connection, community_id)

    def part(self, user_id: int, community_id: int) -> None:
        for connection in self.sockets_of_user(user_id):
            self._leave(connection, community_id)

    def drop_community(self, community_id: int) -> None:
        for connection in tuple(self.sockets_in_community(community_id)):
            self._leave(connection, community_id)

    def _enter(self, connection: Connection, community_id: int) -> None:
        connection.community_ids.add(community_id)
        self._communities.setdefault(community_id, set()).add(connection)

    def _leave(self, connection: Connection, community_id: int) -> None:
        if community_id in connection.community_ids:
            connection.community_ids.remove(community_id)
            sockets = self._communities[community_id]
            sockets.remove(connection)
            if not sockets:
                del self._communities[community_id]

    def sockets_of_user(self, user_id: int) -> Collection[Connection]:
        """The user's sockets; not to be changed while they are walked."""
        return self._users.get(user_id, NOBODY)

    def sockets_in_community(self, community_id: int) -> Collection[Connection]:
        """The sockets of all members; not to be changed while they are walked."""
        return self._communities.get(community_id, NOBODY)

    def online(self, user_id: int) -> bool:
        return user_id in self._users

    @property
    def user_count(self) -> int:
        return len(self._users)
