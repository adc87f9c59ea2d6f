"""Who may write to whom at this moment, for what is relayed and never stored. What is stored is checked by its commit.

Only a yes is remembered, and only until an event says that something between these people changed.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from imtornado.errors import Busy, ImError, Internal
from imtornado.live.cache import Cache
from imtornado.live.connection import Connection
from imtornado.records import Event, Kind, conversation_key
from imtornado.workers import Pool
from storage.store import Store

log = logging.getLogger(__name__)

WAITING = 64  # frames behind one question

Answer = Callable[[ImError | None], None]


@dataclass(slots=True)
class _Question:
    """On its way to the database. `stale`: rights there changed since it was asked."""

    waiting: list[Answer]
    stale: bool = False


class Rights:
    """Loop only. Answers to the questions of one user about one conversation come in the order of the questions."""

    def __init__(self, store: Store, pool: Pool, size: int) -> None:
        self._store = store
        self._pool = pool
        self.granted: Cache[str, set[int]] = Cache(size)  # {key of a conversation: ids of who may write}
        self._asked: dict[str, dict[int, _Question]] = {}  # {key of a conversation: {user_id: his question}}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, user_id: int, kind: int, dstid: int, then: Answer) -> None:
        """Calls `then` with None where he may write, else with the reason: at once where it is known."""
        key = conversation_key(kind, user_id, dstid)
        question = self._asked.get(key, {}).get(user_id)
        if question is not None:
            if len(question.waiting) < WAITING:
                question.waiting.append(then)
            else:
                then(Busy("The server is busy. Try again in a moment.", retry_after_ms=1000))
        elif user_id in (self.granted.get(key) or ()):
            then(None)
        else:
            question = self._asked.setdefault(key, {})[user_id] = _Question([then])
            task = asyncio.get_running_loop().create_task(self._answer(question, user_id, kind, dstid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, question: _Question, user_id: int, kind: int, dstid: int) -> None:
        key = conversation_key(kind, user_id, dstid)
        reason: ImError | None = None
        try:
            while True:
                question.stale = False
                await self._pool.call(self._store.conversations.check_right_to_write, user_id, kind, dstid)
                if not question.stale:  # else that may have been the state before the change
                    break
        except ImError as failure:
            reason = failure
        except Exception:
            log.exception("a right to write could not be looked up")
            reason = Internal("Something went wrong on our side.")
        else:
            self._grant(user_id, key)
        del self._asked[key][user_id]
        if not self._asked[key]:
            del self._asked[key]
        for then in question.waiting:
            then(reason)

    def _grant(self, user_id: int, key: str) -> None:
        granted = self.granted.peek(key)
        if granted is None:
            self.granted.put(key, {user_id})
        else:
            granted.add(user_id)

    def changed(self, event: Event, data: dict[str, int], receivers: Collection[Connection]) -> None:
        """What an event may have taken away is asked for again."""
        if event.kind.startswith("community."):
            self._forget(conversation_key(Kind.COMMUNITY, 0, data["dstid"]))
        elif event.kind.startswith("contact."):
            self._forget(conversation_key(Kind.SINGLE, event.user_id, data["userid"]))

    def _forget(self, key: str) -> None:
        self.granted.drop(key)
        for question in self._asked.get(key, {}).values():
            question.stale = True
