"""Servers of this folder keep their data in a MariaDB of the test's own, to which anything may be done."""

from pathlib import Path

import pytest

from tests.fixtures.backends import Backend
from tests.fixtures.mariadb import MariaDB


class OwnServer:
    """Its databases go with it."""

    name = "mysql"

    def __init__(self, server: MariaDB) -> None:
        self._server = server

    def url(self, folder: Path) -> str:
        return self._server.url()

    def drop_all(self) -> None:
        pass


@pytest.fixture
def backend(own_mariadb: MariaDB) -> Backend:
    return OwnServer(own_mariadb)
