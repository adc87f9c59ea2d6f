"""Every promise of docs/reliability.md is held to on each backend."""

import pytest

from tests.fixtures.backends import BACKENDS, Backend, backend_of


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return backend_of(request)
