"""What a database is as a whole: its schema as the server tells it, and what its tables hold."""

from storage.backends import open_database
from storage.database import Database
from storage.migrate import migrate
from storage.tables import TABLES, Digest, Digester


def schema(url: str) -> list[tuple[str, ...]]:
    """Every table, index and applied migration; nothing in it depends on when it was made."""
    database = open_database(url)
    try:
        applied = database.orm.execute_sql("SELECT name FROM schema_migration ORDER BY name").fetchall()  # type: ignore[no-untyped-call]
        return [*_tables(database), *applied]
    finally:
        database.close()


def _tables(database: Database) -> list[tuple[str, ...]]:
    ask = database.orm.execute_sql
    if database.for_update:
        names = sorted(database.orm.get_tables())
        return [ask(f"SHOW CREATE TABLE `{name}`").fetchone() for name in names]  # type: ignore[no-untyped-call]
    made = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    return list(ask(made).fetchall())  # type: ignore[no-untyped-call]


def contents(url: str) -> dict[str, Digest]:
    """{table: what it holds}."""
    database = open_database(url)
    digests = {}
    try:
        with database.reading() as connection:
            for table in TABLES:
                digester = Digester()
                for page in table.pages(connection):
                    digester.add(page)
                digests[table.name] = digester.digest()
    finally:
        database.close()
    return digests


def epochs(url: str) -> list[str]:
    database = open_database(url)
    try:
        with database.reading() as connection:
            return [row[0] for row in connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchall()]
    finally:
        database.close()


def bring_up_to_date(url: str) -> None:
    """`imtornado migrate`, for a process that may die."""
    database = open_database(url)
    migrate(database)
    database.close()
