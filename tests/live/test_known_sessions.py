"""What is remembered of sessions: never longer than it is true, whatever happens while it is read."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from imtornado.live.known_sessions import KnownSessions
from imtornado.live.registry import RECENT_EVENTS, Registry
from imtornado.records import Event, Session, User
from imtornado.workers import Pool

ADA = User(1, "138", "Ada")
BEA = User(2, "139", "Bea")


class Door:
    """Tokens, and a look-up that can be held up half-way: what it has read is the state before."""

    def __init__(self, size: int = 10) -> None:
        self.registry = Registry()
        self.now_ms = 1000
        self.found: dict[str, tuple[Session, User]] = {
            f"{user.nickname}{number}": (Session(number, user.user_id, "", "", 0, 0, 5000), user)
            for user in (ADA, BEA)
            for number in (1, 2, 3)
        }
        self.asked: list[str] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.holds = False
        self.pool = Pool("test", 2, 8)
        self.sessions = KnownSessions(self._find, self.pool, self.registry, lambda: self.now_ms, size)
        self._events = 0

    def _find(self, token: str) -> tuple[Session, User] | None:
        self.asked.append(token)
        found = self.found.get(token)
        if self.holds:
            self.reached.set()
            assert self.go_on.wait(60)
        return found

    def happens(self, kind: str, user: User) -> None:
        """As `Events.apply` does it."""
        self._events += 1
        event = Event(self._events, user.user_id, 0, kind, "{}", self.now_ms)
        self.registry.remember(event)
        self.sessions.changed(event, {}, ())

    async def knows(self, token: str) -> bool:
        """He is let in without the database."""
        before = len(self.asked)
        return await self.sessions.identify(token) is not None and len(self.asked) == before


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_session_is_looked_up_once_and_an_unknown_token_each_time(door: Door) -> None:
    for _ in range(3):
        assert await door.sessions.identify("Ada1") == door.found["Ada1"]
        assert await door.sessions.identify("nobody") is None
    assert door.asked == ["Ada1", "nobody", "nobody", "nobody"]
    assert (len(door.sessions.cache), door.sessions.cache.hits) == (1, 2)


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("kind", ["session.ended", "account.disabled", "profile.updated"])
async def test_an_event_about_a_user_drops_his_sessions_and_no_others(door: Door, kind: str) -> None:
    for token in ("Ada1", "Ada2", "Bea1"):
        await door.sessions.identify(token)
    door.happens("contact.added", ADA)
    assert await door.knows("Ada1")
    door.happens(kind, ADA)
    assert not await door.knows("Ada1")
    assert not await door.knows("Ada2")
    assert await door.knows("Bea1")


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("kind", ["session.ended", "account.disabled", "profile.updated"])
async def test_what_was_read_before_an_event_is_not_kept_after_it(door: Door, kind: str) -> None:
    door.holds = True
    reading = asyncio.ensure_future(door.sessions.identify("Ada1"))
    assert await asyncio.to_thread(door.reached.wait, 60)
    del door.found["Ada1"]  # the commit; its event comes while the old answer is on its way
    door.happens(kind, ADA)
    door.holds = False
    door.go_on.set()
    assert await reading is not None, "it was asked before"
    assert await door.sessions.identify("Ada1") is None


@pytest.mark.gen_test(timeout=60)
async def test_others_events_meanwhile_do_not_matter_unless_they_are_too_many_to_tell(door: Door) -> None:
    def flood() -> None:
        for _ in range(RECENT_EVENTS + 1):
            door.happens("contact.added", BEA)

    async def read_while(happens: Callable[[], object], token: str) -> None:
        door.holds = True
        door.reached.clear()
        door.go_on.clear()
        reading = asyncio.ensure_future(door.sessions.identify(token))
        assert await asyncio.to_thread(door.reached.wait, 60)
        happens()
        door.holds = False
        door.go_on.set()
        assert await reading is not None

    await read_while(lambda: door.happens("session.ended", BEA), "Ada1")
    assert await door.knows("Ada1")
    await read_while(flood, "Ada2")
    assert not await door.knows("Ada2")


@pytest.mark.gen_test(timeout=60)
async def test_a_session_ends_with_its_time(door: Door) -> None:
    await door.sessions.identify("Ada1")
    door.now_ms = 4999
    assert await door.knows("Ada1")
    door.now_ms = 5000
    assert not await door.knows("Ada1")


@pytest.mark.gen_test(timeout=60)
async def test_it_holds_so_many_and_forgets_the_rest_whole() -> None:
    door = Door(size=2)
    for token in ("Ada1", "Bea1", "Bea2", "Ada2"):
        await door.sessions.identify(token)
    assert len(door.sessions.cache) == 2
    assert set(door.sessions._of_user) == {1, 2}
    door.happens("session.ended", ADA)
    door.happens("session.ended", BEA)
    assert len(door.sessions.cache) == 0
    assert door.sessions._of_user == {}
    door.pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_of_size_0_every_call_asks() -> None:
    door = Door(size=0)
    for _ in range(3):
        assert await door.sessions.identify("Ada1") is not None
    assert len(door.asked) == 3
    assert door.sessions._of_user == {}
    door.pool.close()
