"""A right that is remembered is not used once its end was answered, however many frames are on their way."""

import asyncio
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from imtornado.clock import Clock
from imtornado.errors import ImError, Silenced
from imtornado.live.rights import Rights
from imtornado.records import Event, Kind
from imtornado.workers import Pool
from storage.backends import open_store
from storage.store import Store
from tests.live.test_signals import Friends, signal
from tests.storage.scene import Scene

ROUNDS = 5
AFTERWARDS = 20  # signals that begin after the answer
WITHIN_S = 60


@pytest.mark.parametrize("path", ["/contact/block", "/contact/remove"])
def test_no_signal_that_begins_after_the_answer_is_relayed(friends: Friends, path: str) -> None:
    alice, bob = friends
    here, phone = alice.connect(), bob.connect()
    began = 0  # number of the last signal that was begun
    for _ in range(ROUNDS):
        stop, first = threading.Event(), began + 1

        def signals(stop: threading.Event = stop) -> None:
            nonlocal began
            while not stop.is_set():
                began += 1
                here.send(signal(bob.user_id, began, rid=str(began)))
                time.sleep(0.001)  # not faster than they are answered

        sending = threading.Thread(target=signals)
        sending.start()
        assert phone.until(cmd=17)["data"] == first
        bob.call(path, dstid=alice.user_id)
        allowed = began
        until = time.monotonic() + WITHIN_S
        while began < allowed + AFTERWARDS:
            assert time.monotonic() < until, "no signals are sent"
            time.sleep(0.002)
        stop.set()
        sending.join(WITHIN_S)
        refusal = here.until(cmd=2, rid=str(began))
        assert refusal["code"] == (40302 if path.endswith("remove") else 40304)
        phone.send({"cmd": 0, "rid": "all"})
        heard = []
        while (frame := phone.json()).get("rid") != "all":
            heard += [frame["data"]] if frame["cmd"] == 17 else []
        assert heard == sorted(heard)
        assert max(heard, default=0) <= allowed
        bob.call("/contact/unblock" if path.endswith("block") else "/contact/addfriend", dstid=alice.user_id)


def test_a_question_of_somebody_else_does_not_hide_that_rights_changed(tmp_path: Path) -> None:
    """What was read before a block is not remembered after it, though the other one asks in between."""

    async def ask(store: Store, pool: Pool) -> None:
        ada, bea = Scene(store).friends()
        rights = Rights(store, pool, 10)
        answers: asyncio.Queue[ImError | None] = asyncio.Queue()
        is_read = threading.Event()

        rights.ask(ada, Kind.SINGLE, bea, answers.put_nowait)
        await asyncio.sleep(0)
        after = asyncio.create_task(pool.call(is_read.set))  # on the only thread: behind the read
        await asyncio.sleep(0)
        assert is_read.wait(WITHIN_S)  # the loop stands still: the answer of the read is on its way
        store.contacts.block(bea, ada)
        rights.changed(Event(1, bea, 0, "contact.updated", "{}", 0), {"userid": ada}, ())
        rights.ask(bea, Kind.SINGLE, ada, answers.put_nowait)

        await after
        assert [type(await asyncio.wait_for(answers.get(), WITHIN_S)) for _ in range(2)] == [Silenced, Silenced]
        assert len(rights.granted) == 0

    with closing(open_store(f"sqlite:///{tmp_path}/im.db", Clock())) as store, closing(Pool("test", 1, 8)) as pool:
        asyncio.run(ask(store, pool))
