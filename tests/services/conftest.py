"""The rules are held to on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.backends import BACKENDS
from tests.fixtures.emptied import database_of
from tests.services.world import World, open_world


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The setting of a world whose database has no rows."""
    with database_of(request, tmp_path) as url:
        yield f"storage.url={url}"


@pytest.fixture
def world(tmp_path: Path, database: str) -> Iterator[World]:
    with open_world(tmp_path, database) as opened:
        yield opened
