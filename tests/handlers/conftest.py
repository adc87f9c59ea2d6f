"""Houses on both databases: `open_house(folder, database, …)`, for the modules whose calls read and write most."""

from collections.abc import Iterator

import pytest

from tests.fixtures.backends import BACKENDS, backend_of


@pytest.fixture(scope="module", params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The setting of a house whose database is empty."""
    backend = backend_of(request)
    yield f"storage.url={backend.url(tmp_path_factory.mktemp('database'))}"
    backend.drop_all()
