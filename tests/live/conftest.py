"""One server for all tests of a module: they share nothing but it, each makes people of its own."""

from collections.abc import Iterator

import pytest

from tests.fixtures.server import Server
from tests.people import Person


@pytest.fixture(scope="module", params=["transport", "stream"])
def chat_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose sockets are read by either pump: every test that uses it runs over both."""
    fast = request.param == "transport"
    settings = ("contacts.confirm=no", "security.throttle=no", f"server.fast_transport={'yes' if fast else 'no'}")
    server = Server(tmp_path_factory.mktemp("server"), settings)
    try:
        server.wait_for_log(
            "sockets are read by the loop's transport" if fast else "sockets are read by Tornado's stream"
        )
        yield server
        status = server.stop()
    finally:
        server.close()
    assert not server.failures(), "\n".join(server.failures())
    assert status == 0


@pytest.fixture
def alice(chat_server: Server) -> Person:
    return Person(chat_server.port, "Alice")


@pytest.fixture
def bob(chat_server: Server) -> Person:
    return Person(chat_server.port, "Bob")


@pytest.fixture
def friends(alice: Person, bob: Person) -> tuple[Person, Person]:
    alice.call("/contact/addfriend", dstid=bob.user_id)
    return alice, bob
