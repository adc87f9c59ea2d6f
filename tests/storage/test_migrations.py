"""Numbered migrations: equal to the models, applied once, never backwards."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playhouse.migrations import Runner
from playhouse.schema_diff import diff_models

from imtornado.clock import Clock
from storage.backends import open_database, open_store
from storage.database import Database
from storage.migrate import FOLDER, SchemaError, migrate, pending, require_current
from storage.schema import MODELS


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/im.db"


@pytest.fixture
def database(url: str) -> Database:
    return open_database(url)


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    migrate(database)
    difference = diff_models(database.orm, MODELS)
    assert not difference, str(difference)
    database.close()


def test_no_table_is_without_a_model(database: Database, tmp_path: Path) -> None:
    migrate(database)
    assert set(database.orm.get_tables()) == {model._meta.table_name for model in MODELS} | {"schema_migration"}
    database.close()
    with sqlite3.connect(tmp_path / "im.db") as connection:
        rowless = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'").fetchall()
        assert {"message", "member", "contact", "file_use"} <= {name for (name,) in rowless}
    connection.close()


def test_migrations_are_applied_once(database: Database) -> None:
    names = pending(database)
    assert names[0] == "0001_initial"
    assert migrate(database) == names
    assert migrate(database) == pending(database) == ()
    require_current(database)
    database.close()


def test_of_several_at_once_one_migrates(url: str) -> None:
    def run(_: int) -> tuple[str, ...]:
        database = open_database(url)
        try:
            return migrate(database)
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(run, range(6)))
    assert sum(bool(names) for names in done) == 1


def test_an_old_schema_is_refused_where_it_must_not_be_touched(url: str, database: Database) -> None:
    with pytest.raises(SchemaError, match="imtornado migrate"):
        open_store(url, Clock(), auto_migrate=False)
    migrate(database)
    open_store(url, Clock(), auto_migrate=False).close()
    database.close()


@pytest.mark.parametrize("auto_migrate", [True, False])
def test_a_newer_schema_is_refused_by_name(url: str, tmp_path: Path, auto_migrate: bool) -> None:
    open_store(url, Clock()).close()
    connection = sqlite3.connect(tmp_path / "im.db")
    connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9001_future', '2099-01-01')")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaError, match=r"newer version.*9001_future"):
        open_store(url, Clock(), auto_migrate=auto_migrate)


def test_a_migration_that_fails_changes_nothing(url: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "im.db")
    connection.execute("CREATE TABLE message (somebody_elses TEXT)")
    connection.commit()
    with pytest.raises(SchemaError, match="nothing was changed"):
        open_store(url, Clock())
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables <= {"message", "schema_migration"}
    connection.close()


def test_a_database_of_the_first_schema_goes_on(url: str, tmp_path: Path) -> None:
    database = open_database(url)
    Runner(database.orm, str(FOLDER)).up("0001_initial")
    database.close()
    connection = sqlite3.connect(tmp_path / "im.db")
    columns = "user_id, conversation_id, role, may_send, joined_seq, left_seq"
    connection.execute(f"INSERT INTO member ({columns}) VALUES (1, 1, 1, 0, 1, 7)")
    connection.execute("INSERT INTO hidden (user_id, conversation_id, seq) VALUES (1, 1, 3)")
    connection.commit()
    open_store(url, Clock()).close()
    # No change had been made when he left, so he has seen all there were.
    assert connection.execute("SELECT left_seq, left_ver FROM member").fetchall() == [(7, 0)]
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'member'").fetchone()
    assert "WITHOUT ROWID" in sql
    connection.close()


def test_a_conversation_is_as_old_as_its_newest_message(url: str, tmp_path: Path) -> None:
    database = open_database(url)
    Runner(database.orm, str(FOLDER)).up("0004_files")
    database.close()
    connection = sqlite3.connect(tmp_path / "im.db")
    for number, last_seq in ((1, 2), (2, 0)):
        columns = "id, kind, `key`, first_seq, last_seq, ver, changed_at_ms"
        connection.execute(
            f"INSERT INTO conversation ({columns}) VALUES (?, 10, ?, 1, ?, 0, 900)",
            (number, f"10:1:{number}", last_seq),
        )
    columns = "conversation_id, seq, content, pic, url, memo, file, event, mention, created_at_ms"
    for seq in (1, 2):
        values = (1, seq, *("",) * 7, seq * 100)
        connection.execute(f"INSERT INTO message ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.commit()
    open_store(url, Clock()).close()
    assert connection.execute("SELECT id, active_at_ms FROM conversation ORDER BY id").fetchall() == [
        (1, 200),
        (2, 900),
    ]
    connection.close()
