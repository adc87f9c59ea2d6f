"""The contract suite: every test with `store`, `scene`, `url` or `reopen` runs on each backend of BACKENDS.

store     a fresh, migrated store
scene     the same store with short ways to people, friends and communities
reopen    opens the same database once more, as another process would
url       its URL
fresh_url gives the URL of another database without tables, as often as it is called
own_store a store on `own_server`, a MariaDB of the module's own
"""

import itertools
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from imtornado.clock import Clock
from storage.backends import open_store
from storage.store import Store
from tests.fixtures.emptied import database_of
from tests.fixtures.mariadb import Databases, MariaDB
from tests.fixtures.services import everything_is_required
from tests.storage.scene import Scene

BACKENDS = ("sqlite", "mysql")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a test of the contract that is skipped on a backend is one that has failed."""
    report = yield
    if report.skipped and everything_is_required():
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and nothing of the contract may be: {report.longrepr}"
    return report


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any rows."""
    with database_of(request, tmp_path) as found:
        yield found


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


@pytest.fixture(params=BACKENDS)
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Gives the URL of a database without tables at each call."""
    if request.param == "sqlite":
        numbers = itertools.count(1)
        yield lambda: f"sqlite:///{tmp_path}/fresh{next(numbers)}.db"
        return
    databases: Databases = request.getfixturevalue("mysql_databases")
    urls: list[str] = []

    def fresh() -> str:
        urls.append(databases.url())
        return urls[-1]

    yield fresh
    for url in urls:
        databases.drop(url)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """One that the tests of a module may kill and stop; each leaves it running."""
    server = MariaDB(tmp_path_factory.mktemp("own-mariadb"))
    yield server
    server.close()


@pytest.fixture
def own_store(own_server: MariaDB) -> Iterator[Store]:
    """On a server that the test may kill."""
    opened = open_store(own_server.url(), Clock())
    yield opened
    opened.close()
