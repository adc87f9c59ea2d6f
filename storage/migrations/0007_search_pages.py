"""The entries of the search index are packed into pages. The job of the index makes them, from all texts."""

import peewee
from playhouse.migrate import SchemaMigrator

from storage.fields import KeyField, PackedField
from storage.migration_steps import create_tables


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    class SearchPage(peewee.Model):
        id = KeyField(primary_key=True)
        entries = PackedField()

        class Meta:
            table_name = "search_page"
            database = db

    create_tables(db, [SearchPage])
    db.execute_sql("DROP TABLE IF EXISTS search_entry")  # type: ignore[no-untyped-call]
