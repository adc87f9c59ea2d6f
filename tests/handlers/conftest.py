"""What the modules of this folder share.

database        houses on both databases: `open_house(folder, database, …)`, for modules whose calls read and write most
ann, stranger   people in the `house` of the module
"""

from collections.abc import Iterator

import pytest

from tests.fixtures.backends import BACKENDS, backend_of
from tests.handlers.house import House
from tests.people import Person


@pytest.fixture(scope="module", params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The setting of a house whose database is empty."""
    backend = backend_of(request)
    yield f"storage.url={backend.url(tmp_path_factory.mktemp('database'))}"
    backend.drop_all()


@pytest.fixture
def ann(house: House) -> Person:
    return house.person("Ann")


@pytest.fixture
def stranger(house: House) -> Person:
    return house.person("Stranger")
