"""Work that one process does for all."""

from collections.abc import Callable

from storage.store import Store
from tests.storage.scene import Scene, at_once


def test_one_holds_a_job_until_he_falls_silent(scene: Scene) -> None:
    store = scene.store
    assert store.hold("sweep", "one", 1000)
    assert not store.hold("sweep", "two", 1000)
    assert store.hold("mow", "two", 1000), "that is another job"
    scene.later(900)
    assert store.hold("sweep", "one", 1000)
    scene.later(900)
    assert not store.hold("sweep", "two", 1000)
    scene.later(101)
    assert store.hold("sweep", "two", 1000)
    assert not store.hold("sweep", "one", 1000)


def test_a_job_that_was_let_go_is_free_at_once(scene: Scene) -> None:
    store = scene.store
    assert store.hold("sweep", "one", 1000)
    store.let_go("sweep", "two")
    assert not store.hold("sweep", "two", 1000), "one has it still"
    store.let_go("sweep", "one")
    assert store.hold("sweep", "two", 1000)
    store.let_go("sweep", "one")
    assert not store.hold("sweep", "one", 1000), "two has it now"


def test_of_many_who_ask_at_once_one_gets_it(reopen: Callable[[], Store]) -> None:
    stores = [reopen() for _ in range(4)]
    for job in ("sweep", "mow", "rake"):

        def ask(number: int, job: str = job) -> bool:
            return stores[number].hold(job, f"process {number}", 60_000)

        got = at_once([lambda number=number: ask(number) for number in range(4)])  # type: ignore[misc]
        assert got.count(True) == 1
