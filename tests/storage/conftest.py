"""The contract suite: every test with `store` or `scene` runs on each backend of BACKENDS.

store     a fresh, migrated store
scene     the same store with short ways to people, friends and communities
reopen    opens the same database once more, as another process would
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imtornado.clock import Clock
from storage.backends import open_store
from storage.store import Store
from tests.storage.scene import Scene

BACKENDS = {"sqlite": lambda folder: f"sqlite:///{folder}/im.db"}  # {name: folder → URL of an empty database}


@pytest.fixture(params=sorted(BACKENDS))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def reopen(url: str) -> Iterator[Callable[[], Store]]:
    stores: list[Store] = []

    def once_more() -> Store:
        stores.append(open_store(url, Clock()))
        return stores[-1]

    yield once_more
    for store in stores:
        store.close()


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)
