"""Servers on which nothing could be stored, and those that let nobody in: what an operator is told."""

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from imtornado.clock import Clock
from imtornado.errors import Busy
from storage.backends import open_database, open_store
from storage.copying import opened, release
from storage.database import UnfitDatabase
from tests.fixtures.logs import ExpectLog
from tests.fixtures.mariadb import PASSWORD, MariaDB
from tests.fixtures.ports import free_ports
from tests.fixtures.tls import Certificate
from tests.storage.test_mysql_checks import Global, open_and_close, own_url, problems, variables
from tests.storage.whole import contents
from tests.test_cli import run

__all__ = ["own_url", "variables"]


@contextmanager
def started(folder: Path, *options: str) -> Iterator[MariaDB]:
    server = MariaDB(folder, *options)
    try:
        yield server
    finally:
        server.close()


def name_of(url: str) -> str:
    return urlsplit(url).path.strip("/")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("read_only", 1, "takes no changes: read_only is ON"),
        ("tx_read_only", 1, "takes no changes: tx_read_only is ON"),
        ("max_allowed_packet", 524_288, "max_allowed_packet is 524288, too small"),
        ("max_connections", 12, "max_connections is 12, and this process alone may open 13"),
    ],
)
def test_a_server_that_would_refuse_what_is_stored_is_refused(
    own_url: str, variables: Global, variable: str, value: int, told: str
) -> None:
    open_and_close(own_url)
    variables.set(variable, value)
    with pytest.raises(UnfitDatabase) as caught:
        open_store(own_url, Clock(), connections=13)
    (problem,) = str(caught.value).splitlines()
    assert told in problem


def test_an_account_of_few_connections_is_refused(mariadb: MariaDB, own_url: str) -> None:
    mariadb.admin.execute("CREATE OR REPLACE USER 'few'@'%%' IDENTIFIED BY %s WITH MAX_USER_CONNECTIONS 12", PASSWORD)
    mariadb.admin.execute(f"GRANT ALL ON {name_of(own_url)}.* TO 'few'@'%%'")
    with pytest.raises(UnfitDatabase, match="max_user_connections is 12, and this process alone may open 13"):
        open_store(own_url.replace("//im:", "//few:"), Clock(), connections=13)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("innodb_default_row_format", "compact", "innodb_default_row_format is compact"),
        ("enforce_storage_engine", "Aria", "enforce_storage_engine is Aria"),
    ],
)
def test_a_server_on_which_no_table_can_be_made_is_refused(
    own_url: str, variables: Global, variable: str, value: str, told: str
) -> None:
    open_and_close(own_url)
    variables.set(variable, value)
    (problem,) = problems(own_url)
    assert told in problem
    open_and_close(own_url, auto_migrate=False)  # the tables are there


def test_every_fault_is_a_line_of_its_own(mariadb: MariaDB, own_url: str, variables: Global) -> None:
    mariadb.admin.execute("CREATE OR REPLACE USER 'poor'@'%%' IDENTIFIED BY %s", PASSWORD)
    mariadb.admin.execute(f"GRANT SELECT ON {name_of(own_url)}.* TO 'poor'@'%%'")
    variables.set("read_only", 1)
    variables.set("innodb_flush_log_at_trx_commit", 2)
    found = problems(own_url.replace("//im:", "//poor:"))
    assert [line.partition(":")[0].split()[0] for line in found] == ["The", "The", "innodb_flush_log_at_trx_commit"]
    name = name_of(own_url)
    assert (
        f"GRANT ALTER, CREATE, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, UPDATE ON `{name}`.* TO 'poor'@'%'"
        in (found[0])
    )


def test_statements_in_the_binary_log_are_refused(tmp_path: Path) -> None:
    """InnoDB refuses to write at READ COMMITTED with them."""
    with started(tmp_path, "--log-bin=log", "--sync-binlog=1", "--binlog-format=STATEMENT") as server:
        url = server.url()
        (problem,) = problems(url)
        assert "binlog_format is STATEMENT" in problem
        server.admin.execute("SET GLOBAL binlog_format = ROW")
        open_and_close(url)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("10.5.29-MariaDB", "The server is MariaDB 10.5.29-MariaDB: MariaDB 10.6.0 or newer is needed."),
        ("8.0.16", "The server is MySQL 8.0.16: MySQL 8.0.17 or newer is needed."),
    ],
)
def test_a_server_that_is_too_old_is_refused(tmp_path: Path, version: str, told: str) -> None:
    with started(tmp_path, f"--version={version}") as server:
        url = server.url()
        assert problems(url) == [told]
        shown = run(tmp_path, "copy", "env:OLD", "sqlite:///new.db", OLD=url)
        assert (shown.returncode, shown.stderr) == (1, f"imtornado: {told}\n")


def test_what_the_whole_server_is_set_to_is_no_matter(tmp_path: Path) -> None:
    """Modes that give quotes and backslashes another meaning, another character set, names without case."""
    odd = "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_AUTO_VALUE_ON_ZERO,EMPTY_STRING_IS_NULL"
    with started(
        tmp_path,
        f"--sql-mode={odd}",
        *("--character-set-server=latin1", "--collation-server=latin1_swedish_ci", "--lower-case-table-names=1"),
        *("--transaction-isolation=SERIALIZABLE", "--autocommit=0", "--completion-type=CHAIN"),
        *("--default-storage-engine=Aria", "--innodb-strict-mode=OFF"),
    ) as server:
        url = server.url()
        capitals = url.replace(name_of(url), name_of(url).upper())
        for command in (("migrate",), ("user", "add", "+8613800138000", "--nickname", 'O\'Brien \\ "李"')):
            done = run(tmp_path, *command, typed="correct-horse-31\n", IMTORNADO_STORAGE_URL=capitals)
            assert done.returncode == 0, done.stderr
        with closing(open_store(url, Clock())) as store:
            found = store.users.get(1)
        assert found is not None
        assert found.nickname == 'O\'Brien \\ "李"'


def test_a_server_that_takes_no_changes_can_be_copied_from(
    mariadb: MariaDB, own_url: str, variables: Global, tmp_path: Path
) -> None:
    open_and_close(own_url)
    variables.set("read_only", 1)
    variables.set("innodb_flush_log_at_trx_commit", 2)
    target_url = f"sqlite:///{tmp_path}/new.db"
    with closing(open_database(own_url)) as source, closing(open_database(target_url)) as target:
        with opened(source, target) as copying:
            copying.run(lambda _table, _done: None)
        release(target)
    assert contents(target_url) == contents(own_url)


def refused(url: str, expect_log: ExpectLog, told: str) -> None:
    expect_log("storage.mysql", f"no connection to {urlsplit(url).username}@.*{told}")
    with pytest.raises(Busy):
        open_and_close(url)


def test_whoever_is_not_let_in_is_told_what_to_do(mariadb: MariaDB, own_url: str, expect_log: ExpectLog) -> None:
    admin, name = mariadb.admin, name_of(own_url)
    refused(own_url.replace(f":{mariadb.port}/", f":{free_ports(1)[0]}/"), expect_log, "refused.*Is the server started")
    refused(own_url.replace("127.0.0.1", "name.invalid"), expect_log, "not known.*are host and port right")
    refused(own_url.replace(PASSWORD, "wrong"), expect_log, "Access denied.*Wrong user or password")
    refused(own_url.replace(f":{PASSWORD}", ""), expect_log, "Access denied.*storage.url holds no password")
    refused(own_url.replace(name, "im_none"), expect_log, "Unknown database.*CREATE DATABASE `im_none`")
    refused(own_url.replace(name, "other"), expect_log, "Access denied.*GRANT SELECT, .* ON `other`")
    admin.execute("CREATE OR REPLACE USER 'locked'@'%%' IDENTIFIED BY %s ACCOUNT LOCK", PASSWORD)
    refused(own_url.replace("//im:", "//locked:"), expect_log, "is locked.*ACCOUNT UNLOCK")
    admin.execute("CREATE OR REPLACE USER 'old'@'%%' IDENTIFIED BY %s PASSWORD EXPIRE", PASSWORD)
    admin.execute(f"GRANT ALL ON {name}.* TO 'old'@'%%'")
    refused(own_url.replace("//im:", "//old:"), expect_log, "The password has expired")
    admin.execute("CREATE OR REPLACE USER 'safe'@'%%' IDENTIFIED BY %s REQUIRE SSL", PASSWORD)
    admin.execute(f"GRANT ALL ON {name}.* TO 'safe'@'%%'")
    refused(own_url.replace("//im:", "//safe:"), expect_log, "Access denied.*for TLS only")
    refused(f"{own_url}?ssl_ca=/no/ca.pem", expect_log, "No such file.*Is there a certificate at /no/ca.pem")


def test_an_account_that_an_anonymous_one_hides_is_told(own_mariadb: MariaDB, expect_log: ExpectLog) -> None:
    """As `mariadb-install-db` makes them."""
    url = own_mariadb.url()
    own_mariadb.admin.execute("CREATE USER ''@'127.0.0.1'")
    refused(url, expect_log, "Access denied.*hidden by an anonymous one .DROP USER ''@'localhost'")


def test_no_connection_left_is_told(own_url: str, variables: Global, mariadb: MariaDB, expect_log: ExpectLog) -> None:
    variables.set("max_connections", 10)
    with ExitStack() as others:
        with contextlib.suppress(pymysql.OperationalError):
            while True:
                others.enter_context(closing(mariadb.admin._replace(user="im").connect()))
        refused(own_url, expect_log, "Too many connections.*Set max_connections higher")


def test_a_server_that_hangs_is_told(own_mariadb: MariaDB, expect_log: ExpectLog) -> None:
    url = own_mariadb.url()
    own_mariadb.stop()
    refused(f"{url}?answer_s=0.2", expect_log, r"Nothing came within 0\.2 s: the server hangs")


def test_tls_that_one_side_insists_on(tmp_path: Path, certificate: Certificate, expect_log: ExpectLog) -> None:
    with started(
        tmp_path, f"--ssl-cert={certificate.chain}", f"--ssl-key={certificate.key}", "--require-secure-transport"
    ) as server:
        url = server.url()
        refused(
            url, expect_log, "Access denied.*for TLS only.*name the certificate with .ssl_ca=/path"
        )  # MySQL: error 3159
        open_and_close(f"{url}?ssl_ca={certificate.chain}")


def test_tls_that_the_server_does_not_offer(
    mariadb: MariaDB, own_url: str, certificate: Certificate, expect_log: ExpectLog
) -> None:
    refused(f"{own_url}?ssl_ca={certificate.chain}", expect_log, "the server does not offer")


@pytest.mark.parametrize("command", ["serve", "migrate", "backup"])
def test_a_command_says_it_in_a_line_and_ends_with_1(
    own_url: str, variables: Global, tmp_path: Path, command: str
) -> None:
    settings = {"IMTORNADO_STORAGE_URL": own_url, "IMTORNADO_SERVER_PORT": "0"}
    assert run(tmp_path, "migrate", **settings).returncode == 0
    variables.set("read_only", 1)
    arguments = ("backup", "b.tar") if command == "backup" else (command,)
    shown = run(tmp_path, *arguments, **settings)
    assert (shown.returncode, shown.stdout) == (1, "")
    (line,) = shown.stderr.splitlines()
    assert line.startswith("imtornado: The server takes no changes: read_only is ON.")
    assert not (tmp_path / "b.tar").exists()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("127.0.0.1:{port}/im", "Is the server started, does"),
        ("localhost/im?unix_socket=/no/socket", "is this its socket?"),
    ],
)
def test_a_server_that_is_away_at_the_start_ends_the_start(tmp_path: Path, place: str, told: str) -> None:
    url = f"mysql://im:{PASSWORD}@{place.format(port=free_ports(1)[0])}"
    shown = run(tmp_path, "serve", IMTORNADO_STORAGE_URL=url, IMTORNADO_SERVER_PORT="0")
    assert (shown.returncode, shown.stdout) == (1, "")
    first, second = shown.stderr.splitlines()
    assert told in first
    assert second == "imtornado: the database cannot be used now; the line above says why"
    assert PASSWORD not in shown.stderr
