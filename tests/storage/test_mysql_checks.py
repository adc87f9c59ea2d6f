"""A server that is set wrong is refused at the start, each fault in one line that says what to do."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from imtornado.clock import Clock
from imtornado.errors import BadParameter, Busy
from storage import mysql_url
from storage.backends import check_url, open_store
from storage.database import UnfitDatabase
from storage.mysql_checks import SCHEMA, WORK, lacking_rights
from tests.fixtures.logs import ExpectLog
from tests.fixtures.mariadb import PASSWORD, Account, MariaDB

EVERYTHING = WORK | SCHEMA


def open_and_close(url: str, *, auto_migrate: bool = True, unsafe_durability: bool = False) -> None:
    open_store(url, Clock(), auto_migrate=auto_migrate, unsafe_durability=unsafe_durability).close()


def problems(url: str, *, auto_migrate: bool = True) -> list[str]:
    with pytest.raises(UnfitDatabase) as caught:
        open_and_close(url, auto_migrate=auto_migrate)
    return str(caught.value).splitlines()


class Global:
    """Global variables of the server, for the length of a test."""

    def __init__(self, admin: Account) -> None:
        self._admin = admin
        self._before: dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        ((before,),) = self._admin.execute(f"SELECT @@GLOBAL.{name}")
        self._before.setdefault(name, before)
        self._admin.execute(f"SET GLOBAL {name} = %s", value)

    def restore(self) -> None:
        for name, value in self._before.items():
            self._admin.execute(f"SET GLOBAL {name} = %s", value)


@pytest.fixture
def variables(mariadb: MariaDB) -> Iterator[Global]:
    found = Global(mariadb.admin)
    yield found
    found.restore()


@pytest.fixture
def own_url(mariadb: MariaDB) -> Iterator[str]:
    """An empty database of the run's own server, whose settings these tests change."""
    url = mariadb.url()
    yield url
    mariadb.drop(url)


@pytest.mark.parametrize("value", [0, 2])
def test_a_server_that_may_lose_commits_is_refused(own_url: str, variables: Global, value: int) -> None:
    variables.set("innodb_flush_log_at_trx_commit", value)
    (problem,) = problems(own_url)
    assert f"innodb_flush_log_at_trx_commit is {value}" in problem
    assert "storage.unsafe_durability" in problem


def test_whoever_accepts_it_is_warned(own_url: str, variables: Global, expect_log: ExpectLog) -> None:
    expect_log("storage.mysql", "innodb_flush_log_at_trx_commit is 0.*accepted by storage.unsafe_durability")
    variables.set("innodb_flush_log_at_trx_commit", 0)
    open_and_close(own_url, unsafe_durability=True)


def test_a_binary_log_must_be_as_durable(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = MariaDB(tmp_path_factory.mktemp("binlog"), "--log-bin=log-bin", "--sync-binlog=0")
    try:
        url = server.url()
        (problem,) = problems(url)
        assert "sync_binlog is 0" in problem
        server.admin.execute("SET GLOBAL sync_binlog = 1")
        open_and_close(url)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ENGINE = MyISAM", "ALTER TABLE `mention` ENGINE = InnoDB"),
        (
            "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "ALTER TABLE `mention` CONVERT TO CHARACTER SET",
        ),
    ],
)
def test_a_table_that_was_changed_is_named(mariadb: MariaDB, own_url: str, change: str, told: str) -> None:
    open_and_close(own_url)
    mariadb.admin.execute(f"ALTER TABLE {urlsplit(own_url).path.strip('/')}.mention {change}")
    (problem,) = problems(own_url)
    assert told in problem


def test_rights_that_the_user_lacks_are_named(mariadb: MariaDB, own_url: str) -> None:
    name = urlsplit(own_url).path.strip("/")
    open_and_close(own_url)
    mariadb.admin.execute("CREATE OR REPLACE USER 'poor'@'%%' IDENTIFIED BY %s", PASSWORD)
    mariadb.admin.execute(f"GRANT SELECT, INSERT, UPDATE ON {name}.* TO 'poor'@'%%'")
    url = own_url.replace("//im:", "//poor:")
    (problem,) = problems(url, auto_migrate=False)
    assert "lacks DELETE on" in problem
    assert name in problem
    mariadb.admin.execute(f"GRANT DELETE ON {name}.* TO 'poor'@'%%'")
    open_and_close(url, auto_migrate=False)
    (problem,) = problems(url)
    assert "lacks ALTER, CREATE, DROP, INDEX, REFERENCES on" in problem
    mariadb.admin.execute(f"GRANT CREATE, ALTER, DROP, INDEX, REFERENCES ON {name}.* TO 'poor'@'%%'")
    open_and_close(url)


@pytest.mark.parametrize(
    ("grants", "lacking"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `im`@`%` IDENTIFIED BY PASSWORD '*0' WITH GRANT OPTION"], set()),
        (["GRANT USAGE ON *.* TO `im`@`%`", "GRANT ALL PRIVILEGES ON `im\\_%`.* TO `im`@`%`"], set()),
        (["GRANT ALL PRIVILEGES ON `im\\_2`.* TO `im`@`%`"], EVERYTHING),
        (["GRANT ALL PRIVILEGES ON `im`.* TO `im`@`%`"], EVERYTHING),
        (["GRANT SELECT, INSERT ON *.* TO `a`@`%`", "GRANT UPDATE ON `im_1`.* TO `a`@`%`"], SCHEMA | {"DELETE"}),
        (["GRANT `staff`@`%` TO `im`@`%`"], set()),  # a role: who knows what it may
        (["GRANT ALL PRIVILEGES ON `im_1`.`user` TO `im`@`%`"], EVERYTHING),
    ],
)
def test_rights_are_read_as_the_server_shows_them(grants: list[str], lacking: set[str]) -> None:
    assert lacking_rights(grants, "im_1", EVERYTHING) == lacking


def test_a_wrong_password_is_told_without_it(own_url: str, expect_log: ExpectLog) -> None:
    expect_log("storage.mysql", "no connection to im@127.0.0.1.*Access denied")
    with pytest.raises(Busy) as caught:
        open_and_close(own_url.replace(PASSWORD, "se%40cret"))
    assert "cret" not in str(caught.value)


def test_a_url_is_taken_apart() -> None:
    found = mysql_url.parse("mysql://a%40b:p%2Fw%3A%C3%A9@db.example:3307/im%25")
    assert found[:5] == ("db.example", 3307, "a@b", "p/w:é".encode(), "im%")
    assert "p/w" not in repr(found)
    found = mysql_url.parse("mysql://im@localhost/im?unix_socket=/run/mysqld/mysqld.sock")
    assert (found.unix_socket, found.password, found.port) == ("/run/mysqld/mysqld.sock", b"", 3306)
    assert found.driver_options["unix_socket"] == "/run/mysqld/mysqld.sock"
    assert mysql_url.parse("mysql://im@[::1]:3306/im").host == "::1"
    assert found.answer_s == 1.5
    found = mysql_url.parse("mysql://im@db/im?ssl_ca=/ca.pem&answer_s=5")
    assert (found.ssl_ca, found.answer_s) == ("/ca.pem", 5.0)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://",
        "mysql:im",
        "mysql://u:secret@h",
        "mysql://u:secret@h/",
        "mysql://u:secret@h/a/b",
        "mysql://u:secret@h:port/im",
        "mysql://:secret@h/im",
        "mysql://u:secret@/im",
        "mysql://u:secret@h/im?charset=latin1",
        "mysql://u:secret@h/im?unix_socket=",
        "mysql://u:secret@h/im#x",
        "mysql://u:secret@h/im?answer_s=0",
        "mysql://u:secret@h/im?answer_s=soon",
        "mysql://u:secret@[h/im",
    ],
)
def test_a_malformed_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadParameter, match="mysql://user:password@host") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)
