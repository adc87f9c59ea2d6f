"""A few people and communities over a real SQLite store, for the tests of contacts and communities."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from imtornado import config_sources as settings
from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.drafts import Change, Changed, Draft, MessageDraft, Outcome, Read, ReadDraft, Stored
from imtornado.errors import ImError
from imtornado.file_records import Upload
from imtornado.records import SYSTEM_MEDIA, Event, Kind, Policy, Role
from imtornado.services.changes import Changes
from imtornado.services.communities import Communities
from imtornado.services.contacts import Contacts
from imtornado.services.messages import Messages
from imtornado.services.views import Views
from storage.backends import open_store
from storage.store import NewUser, Store

T = TypeVar("T")


class _Committed:
    """A service whose changes are committed as they come: each of its methods returns what is the result."""

    def __init__(self, service: Changes | Views, commit: Callable[[Draft], Outcome]) -> None:
        self._service = service
        self._commit = commit

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> Any:
            change = getattr(self._service, name)(*args, **kwargs)
            return cast(Changed, self._commit(change)).result if isinstance(change, Change) else change

        return call


class World:
    """The services under test, and short ways to what a test needs around them."""

    def __init__(self, store: Store, config: Config) -> None:
        self.store = store
        self.contacts = Contacts(store, config)
        self.communities = Communities(store, config, self.commit)
        self.memberships = self.communities.memberships
        self.admissions = self.communities.admissions
        self.messages = Messages(store)
        self.changes = _Committed(Changes(store, config), self.commit)
        self.views = _Committed(Views(), self.commit)
        self.before_commit: Callable[[], object] | None = None  # what another does just before the next commit
        self._people = 0

    def commit(self, draft: Draft) -> Changed | Read | Stored:
        """As the writer's: an outcome, or its error raised. Any thread."""
        before, self.before_commit = self.before_commit, None
        if before is not None:
            before()
        (outcome,) = self.store.commit([draft])
        if isinstance(outcome, ImError):
            raise outcome
        return outcome

    def user(self, nickname: str = "") -> int:
        self._people += 1
        new = NewUser(f"138{self._people:08d}", "not a hash", nickname or f"user {self._people}")
        return self.store.users.create(new).user_id

    def users(self, count: int) -> tuple[int, ...]:
        return tuple(self.user() for _ in range(count))

    def befriend(self, user_id: int, *others: int) -> None:
        for other_id in others:
            self.store.contacts.befriend(user_id, other_id)

    def community(self, owner_id: int, *member_ids: int, policy: Policy = Policy.OPEN, name: str = "") -> int:
        """A community with these members; its policy is set after they joined."""
        created = self.communities.create(owner_id, name or f"community of {owner_id} {len(self.owned(owner_id))}")
        for member_id in member_ids:
            self.admissions.join(member_id, created.community_id, "")
        if policy != Policy.OPEN:
            self.communities.update(owner_id, created.community_id, {"policy": policy})
        return created.community_id

    def owned(self, user_id: int) -> list[int]:
        return [one.community_id for one in self.store.communities.of_user(user_id) if one.owner_id == user_id]

    def role(self, community_id: int, user_id: int) -> Role | None:
        return self.store.communities.role(community_id, user_id)

    def ids(self, community_id: int) -> list[int]:
        """Present members."""
        return [member.user.user_id for member in self.store.communities.members(community_id, 0, 1000)]

    def say(self, user_id: int, community_id: int, content: str = "hello") -> int:
        """The seq of the message. Raises: ImError when he may not."""
        return self.send(user_id, Kind.COMMUNITY, community_id, content)

    def send(self, user_id: int, kind: Kind, dstid: int, content: str = "hello", **more: Any) -> int:
        """The seq of the message. Raises: ImError when he may not."""
        message_id = self.store.reserve_ids(1)
        given: dict[str, Any] = {
            "media": 1,
            "content": content,
            "cid": f"c{message_id}",
            "message_id": message_id,
        } | more
        stored = self.commit(MessageDraft(user_id, kind, dstid, **given))
        assert isinstance(stored, Stored)
        return stored.seq

    def read(self, user_id: int, kind: Kind, dstid: int, seq: int) -> None:
        self.commit(ReadDraft(user_id, kind, dstid, seq))

    def later(self, step_s: float) -> None:
        """Lets time pass."""
        self.store.clock.at_least(self.store.clock.now_ms() + int(step_s * 1000))

    def lines(self, community_id: int, user_id: int) -> list[dict[str, Any]]:
        """Events of the system lines that the user can see, oldest first, each with its `content`."""
        page = self.store.conversations.history(user_id, Kind.COMMUNITY, community_id, None, None, 200)
        return [
            msgspec.json.decode(message.event) | {"content": message.content}
            for message in page.messages
            if message.media == SYSTEM_MEDIA
        ]

    def position(self) -> int:
        return self.store.events.position()

    def told(self, position: int) -> list[tuple[int, str, dict[str, Any]]]:
        """(user id or 0, kind, data) of the events since a position."""
        return [(event.user_id, event.kind, msgspec.json.decode(event.data)) for event in self.events(position)]

    def events(self, position: int) -> Sequence[Event]:
        return self.store.events.after(position, 1000)

    def picture(self, owner_id: int, name: str) -> str:
        """The address of a picture that the user has uploaded."""
        upload = Upload(f"{name:0<64}", name, "image/webp", 10, 1, 1, "", "", owner_id, self.store.clock.now_ms())
        return "/resource/" + self.store.uploads.claim(upload).name


@contextmanager
def open_world(folder: Path, *overrides: str) -> Iterator[World]:
    """`overrides` are settings as "contacts.confirm=no"."""
    config = settings.load(environment={}, settings=[f"storage.url=sqlite:///{folder}/im.db", *overrides])
    store = open_store(config.storage.url, Clock())
    try:
        yield World(store, config)
    finally:
        store.close()


def outcome(call: Callable[..., object], *args: object, **kwargs: object) -> str:
    """ "ok", or the name of the error that was raised."""
    try:
        call(*args, **kwargs)
    except ImError as error:
        return type(error).__name__
    return "ok"


def at_once(calls: Sequence[Callable[[], object]]) -> list[str]:
    """The outcome of each call, all run in threads of their own."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(outcome, calls))
