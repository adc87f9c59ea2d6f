"""Short ways to what a storage test needs around it."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from imtornado.drafts import Change, Changed, ConversationTx, Draft, MessageDraft, Outcome, Read, ReadDraft, Stored
from imtornado.errors import ImError
from imtornado.file_records import Upload
from imtornado.records import Conversation, Kind, Message, Role, conversation_key
from storage.store import NewCommunity, NewUser, Store

T = TypeVar("T")


class Scene:
    """People, friendships, communities and messages, through the store's own interface."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._people = 0
        self._cids = 0

    def user(self, nickname: str = "") -> int:
        self._people += 1
        new = NewUser(f"139{self._people:08d}", f"hash {self._people}", nickname or f"user {self._people}")
        return self.store.users.create(new).user_id

    def users(self, count: int) -> tuple[int, ...]:
        return tuple(self.user() for _ in range(count))

    def friends(self) -> tuple[int, int]:
        first, second = self.users(2)
        self.store.contacts.befriend(first, second)
        return first, second

    def community(self, owner_id: int, *member_ids: int, name: str = "") -> int:
        self._cids += 1
        new = NewCommunity(owner_id, name or f"community {self._cids}")
        community_id = self.store.communities.create(new, 1000).community_id
        for member_id in member_ids:
            self.join(community_id, member_id)
        return community_id

    def outcome(self, draft: Draft) -> Outcome:
        (outcome,) = self.store.commit([draft])
        return outcome

    def change(self, community_id: int, *steps: Callable[[ConversationTx], object]) -> Changed:
        """The steps applied as one change. Raises what it was refused with."""
        outcome = self.outcome(change(community_id, *steps))
        if isinstance(outcome, ImError):
            raise outcome
        assert isinstance(outcome, Changed)
        return outcome

    def join(self, community_id: int, user_id: int, role: Role = Role.MEMBER) -> None:
        """With the line that says so, which is the first of his window."""
        self.change(community_id, lambda tx: tx.enter(user_id, role), lambda tx: tx.say(user_id, "joined", "{}"))

    def leave(self, community_id: int, user_id: int) -> None:
        self.change(community_id, lambda tx: tx.say(user_id, "left", "{}"), lambda tx: tx.depart(user_id))

    def draft(self, sender_id: int, kind: int, dstid: int, content: str = "text", **more: Any) -> MessageDraft:
        """With a cid of its own unless one is given."""
        self._cids += 1
        more.setdefault("cid", f"cid-{self._cids}")
        more.setdefault("message_id", self.store.reserve_ids(1))
        return MessageDraft(sender_id, kind, dstid, media=1, content=content, **more)

    def send(self, sender_id: int, kind: int, dstid: int, content: str = "text", **more: Any) -> Stored:
        outcome = self.outcome(self.draft(sender_id, kind, dstid, content, **more))
        if isinstance(outcome, ImError):
            raise outcome
        assert isinstance(outcome, Stored)
        return outcome

    def read(self, user_id: int, kind: int, dstid: int, seq: int) -> Read:
        outcome = self.outcome(ReadDraft(user_id, kind, dstid, seq))
        if isinstance(outcome, ImError):
            raise outcome
        assert isinstance(outcome, Read)
        return outcome

    def seen(self, user_id: int, kind: int, dstid: int) -> tuple[Message, ...]:
        """Everything of the conversation that he may see."""
        return self.store.conversations.history(user_id, kind, dstid, None, None, 200).messages

    def shown(self, user_id: int, kind: int, dstid: int) -> Conversation:
        """The conversation as it stands among all that changed for him, left ones too."""
        for conversation in self.store.conversations.changed(user_id, 0, (0, 0), 1000):
            if (conversation.kind, conversation.dstid) == (kind, dstid):
                return conversation
        raise AssertionError(f"({kind}, {dstid}) is not among the conversations of {user_id}")

    def upload(self, owner_id: int, name: str, thumb: str = "") -> Upload:
        now_ms = self.store.clock.now_ms()
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        return self.store.uploads.claim(
            Upload(sha256, name, "image/webp", 1000, 40, 30, thumb, "data:,", owner_id, now_ms)
        )

    def later(self, step_ms: int) -> None:
        """Lets time pass; it never runs backwards."""
        self.store.clock.at_least(self.store.clock.now_ms() + step_ms)

    def kinds(self, after_id: int, user_id: int) -> list[str]:
        """Kinds of the events told to the user since an event id, in order."""
        return [event.kind for event in self.store.events.after(after_id, 1000) if event.user_id == user_id]


def change(community_id: int, *steps: Callable[[ConversationTx], object]) -> Change:
    """One change of several steps, with the results of all, or that of the only one."""

    def apply(tx: ConversationTx) -> object:
        results = [step(tx) for step in steps]
        return results if len(steps) > 1 else results[0]

    return Change(conversation_key(Kind.COMMUNITY, 0, community_id), apply)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | ImError]:
    """Results, or the errors raised, of calls that run on as many threads at the same time."""

    def outcome(call: Callable[[], T]) -> T | ImError:
        try:
            return call()
        except ImError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))


def errors(outcomes: Iterable[object]) -> list[type]:
    return [type(outcome) for outcome in outcomes if isinstance(outcome, ImError)]


def seqs(outcomes: Sequence[Outcome]) -> list[int]:
    return [cast(Stored, outcome).seq for outcome in outcomes]
