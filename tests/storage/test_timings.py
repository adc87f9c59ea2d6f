"""Transactions are timed under the name of their method; what is slow is logged without what it was about."""

import logging

import pytest

from imtornado.errors import Conflict, NotFound
from imtornado.records import Kind
from imtornado.timings import Timings
from storage.database import TryAgain
from storage.sql_store import SqlStore
from storage.store import NewUser, Store
from tests.storage.scene import Scene


def test_every_transaction_is_counted_under_its_method(scene: Scene) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea)
    scene.store.conversations.history(bea, Kind.SINGLE, ada, None, None, 50)
    with pytest.raises(NotFound):
        scene.store.conversations.history(bea, Kind.SINGLE, 999, None, None, 50)
    sums = scene.store.timings.sums()
    counts = {name: count for name, (count, _) in sums.items()}
    assert counts["users.create"] == counts["conversations.history"] == 2
    assert counts["contacts.befriend"] == counts["batch"] == counts["store.reserve_ids"] == 1
    assert all(seconds > 0 for _, seconds in sums.values())


def test_a_slow_transaction_is_logged_by_its_name_alone(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "imtornado.timings")
    store = scene.store
    store.users.create(NewUser("13800000001", "$2b$secret-hash", "Ada the secretive"))
    assert not caplog.messages
    store.timings.slow_ms = 0.000001  # whatever this machine is, that is too short
    with pytest.raises(Conflict):
        store.users.create(NewUser("13800000001", "$2b$secret-hash", "Ada the secretive"))
    (line,) = caplog.messages
    assert line.startswith("slow: users.create took ")
    assert not any(secret in line for secret in ("13800000001", "secret-hash", "secretive"))


def test_nothing_is_logged_below_the_limit_or_without_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "imtornado.timings")
    timings = Timings()
    timings.add("history", 9.9)
    timings.slow_ms = 200
    timings.add("history", 0.1999)
    assert not caplog.messages
    timings.add("history", 0.2, waited_s=0.15)
    assert caplog.messages == ["slow: history took 200 ms, 150 of them waiting for its turn"]
    assert timings.sums()["history"] == pytest.approx((3, 10.2999))


def test_what_others_were_in_the_way_of_is_counted_apart(store: Store) -> None:
    assert isinstance(store, SqlStore)
    with pytest.raises(TryAgain), store._transactions.batch():
        raise TryAgain("others were in the way")
    store.commit([])
    counts = {name: count for name, (count, _) in store.timings.sums().items() if name.startswith("batch")}
    assert counts == {"batch, done again": 1}
