"""One server for all tests of a module: they share nothing but it, each makes people of its own."""

import ssl
from collections.abc import Iterator

import pytest

from tests.fixtures.server import Server
from tests.fixtures.tls import Certificate
from tests.people import Person

EVERY_WAY = ("transport", "stream", "tls")


@pytest.fixture(scope="module", params=["transport", "stream"])
def chat_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose sockets are read by either pump: every test that uses it runs over both.

    A module that wants TLS too marks itself: `pytest.mark.parametrize("chat_server", EVERY_WAY, indirect=True)`.
    """
    settings = ["contacts.confirm=no", "security.throttle=no"]
    settings.append(f"server.fast_transport={'no' if request.param == 'stream' else 'yes'}")
    if request.param == "tls":
        certificate: Certificate = request.getfixturevalue("certificate")
        settings += [f"server.tls_cert={certificate.chain}", f"server.tls_key={certificate.key}"]
    server = Server(tmp_path_factory.mktemp("server"), tuple(settings))
    try:
        server.wait_for_log(
            "sockets are read by " + ("the loop's transport" if request.param == "transport" else "Tornado's stream")
        )
        yield server
        status = server.stop()
    finally:
        server.close()
    assert not server.failures(), "\n".join(server.failures())
    assert status == 0


@pytest.fixture(scope="module")
def tls(chat_server: Server, certificate: Certificate) -> ssl.SSLContext | None:
    return certificate.client_context() if chat_server.base_url.startswith("https:") else None


@pytest.fixture
def alice(chat_server: Server, tls: ssl.SSLContext | None) -> Person:
    return Person(chat_server.port, "Alice", tls)


@pytest.fixture
def bob(chat_server: Server, tls: ssl.SSLContext | None) -> Person:
    return Person(chat_server.port, "Bob", tls)


@pytest.fixture
def friends(alice: Person, bob: Person) -> tuple[Person, Person]:
    alice.call("/contact/addfriend", dstid=bob.user_id)
    return alice, bob
