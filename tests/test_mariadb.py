"""The MariaDB of the tests: it can be killed, stopped and started again, and never outlives the test process."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest

from tests.fixtures.mariadb import PASSWORD, USER, Account, Foreign, MariaDB

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60.0


def account(url: str) -> Account:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return Account(parts.hostname, parts.port, parts.username or "", parts.password or "")


def test_each_url_is_an_empty_database_of_its_own(mysql_url: str, mariadb: MariaDB) -> None:
    urls = [mysql_url, mariadb.url()]
    assert len(set(urls)) == 2
    for url in urls:
        name = urlsplit(url).path[1:]
        account(url).execute(f"CREATE TABLE `{name}`.t (i int PRIMARY KEY) ENGINE=InnoDB")
    mariadb.drop(urls[1])


def test_a_killed_server_comes_back_with_what_was_committed(own_mariadb: MariaDB) -> None:
    url = own_mariadb.url()
    name = urlsplit(url).path[1:]
    own_mariadb.admin.execute(f"CREATE TABLE `{name}`.t (i int PRIMARY KEY) ENGINE=InnoDB")
    own_mariadb.admin.execute(f"INSERT INTO `{name}`.t VALUES (7)")
    own_mariadb.kill()
    with pytest.raises(pymysql.OperationalError):
        own_mariadb.admin.execute("SELECT 1")
    own_mariadb.start()
    assert account(url).execute(f"SELECT i FROM `{name}`.t") == [(7,)]
    own_mariadb.restart()
    assert account(url).execute(f"SELECT i FROM `{name}`.t") == [(7,)]
    assert own_mariadb.admin.execute("SELECT @@innodb_flush_log_at_trx_commit") == [(1,)]


def test_a_stopped_server_does_not_answer_until_it_goes_on(own_mariadb: MariaDB) -> None:
    connection = pymysql.connect(host="127.0.0.1", port=own_mariadb.port, user=USER, password=PASSWORD, read_timeout=1)
    own_mariadb.stop()
    with pytest.raises(pymysql.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()
    own_mariadb.cont()
    before = own_mariadb.status("Questions")
    assert own_mariadb.status("Questions") > before
    assert own_mariadb.status("Innodb_deadlocks") == 0
    own_mariadb.stop()
    own_mariadb.kill()


def test_another_server_can_be_named(mariadb: MariaDB) -> None:
    foreign = Foreign(f"mysql://admin:{PASSWORD}@127.0.0.1:{mariadb.port}/im_elsewhere")
    url = foreign.url()
    name = urlsplit(url).path[1:]
    assert name.startswith("im_elsewhere_")
    account(url).execute(f"USE `{name}`")
    foreign.drop(url)
    with pytest.raises(pymysql.OperationalError):
        account(url).execute(f"USE `{name}`")


def test_it_ends_with_a_killed_test_process(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from tests.fixtures.mariadb import MariaDB\n"
        "server = MariaDB(Path(sys.argv[1])); print(server.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if not done.stdout:
        pytest.fail(done.stderr) if "Skipped" not in done.stderr else pytest.skip("mariadbd is not installed")
    until = time.monotonic() + PATIENCE_S
    stat = Path(f"/proc/{done.stdout.strip()}/stat")
    while stat.exists() and ") Z " not in stat.read_text():
        assert time.monotonic() < until, "the server goes on"
        time.sleep(0.05)
