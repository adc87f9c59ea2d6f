"""One server for all tests of a module: they share nothing but it, each makes people of its own."""

import ssl
from collections.abc import Iterator

import pytest

from tests.fixtures.backends import BACKENDS
from tests.fixtures.mariadb import PATIENTLY, Databases
from tests.fixtures.server import Server
from tests.fixtures.tls import Certificate
from tests.people import Person

PUMPS = ("transport", "stream")
EVERY_WAY = (*PUMPS, "tls")
ON_BOTH_DATABASES = frozenset(
    {
        "test_chat",
        "test_change_races",
        "test_change_windows",
        "test_changes",
        "test_messages_over_http",
        "test_presence",
    }
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Over both pumps, and modules about messages on MySQL too."""
    on_both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH_DATABASES
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    chosen += vars(metafunc.module)  # a fixture of the module's own
    if "chat_server" in metafunc.fixturenames and "chat_server" not in chosen:
        metafunc.parametrize("chat_server", [*PUMPS, *(["mysql"] if on_both else [])], indirect=True)
    elif on_both and "backend" in metafunc.fixturenames and "backend" not in chosen:
        metafunc.parametrize("backend", BACKENDS, indirect=True)


@pytest.fixture(scope="module")
def chat_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose sockets are read by either pump: every test that uses it runs over both.

    Messages (`ON_BOTH_DATABASES`) also run over the first of them with the data on MySQL.
    A module that wants TLS too marks itself: `pytest.mark.parametrize("chat_server", EVERY_WAY, indirect=True)`.
    """
    settings = ["contacts.confirm=no", "security.throttle=no"]
    settings.append(f"server.fast_transport={'no' if request.param == 'stream' else 'yes'}")
    if request.param == "tls":
        certificate: Certificate = request.getfixturevalue("certificate")
        settings += [f"server.tls_cert={certificate.chain}", f"server.tls_key={certificate.key}"]
    databases: Databases | None = request.getfixturevalue("mysql_databases") if request.param == "mysql" else None
    url = databases.url() + PATIENTLY if databases else ""
    settings += [f"storage.url={url}"] if url else []
    server = Server(tmp_path_factory.mktemp("server"), tuple(settings))
    try:
        on_stream = request.param in ("stream", "tls")
        server.wait_for_log("sockets are read by " + ("Tornado's stream" if on_stream else "the loop's transport"))
        yield server
        status = server.stop()
    finally:
        server.close()
        if databases:
            databases.drop(url)
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
