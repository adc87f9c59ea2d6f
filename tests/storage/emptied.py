"""A migrated database on a MySQL server that is emptied after each test instead of being made anew."""

import uuid
from contextlib import closing

import pymysql

from storage.backends import open_database
from storage.migrate import migrate
from storage.mysql_url import parse

KEPT = {"schema_migration", "meta", "counter"}


class EmptiedDatabase:
    """`url` is that of a database with all tables and, between the tests, no rows; its ids go on."""

    def __init__(self, url: str) -> None:
        self.url = url
        database = open_database(url)
        migrate(database)
        self._tables = sorted(set(database.orm.get_tables()) - KEPT)
        database.close()

    def empty(self) -> None:
        """Removes all rows, and gives it another epoch: to a store it is a new database."""
        address = parse(self.url)
        connection = pymysql.connect(**address.driver_options, database=address.name, read_timeout=60)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0")
            for table in self._tables:
                cursor.execute(f"DELETE FROM `{table}`")
            cursor.execute("DELETE FROM meta WHERE name <> 'epoch'")
            cursor.execute("UPDATE meta SET value = %s", (str(uuid.uuid4()),))
            cursor.execute("UPDATE counter SET value = 0")
            connection.commit()
