"""The search index, how far it is, and who works at it."""

import peewee
from peewee import BigIntegerField, CompositeKey, SmallIntegerField
from playhouse.migrate import SchemaMigrator

from storage.fields import ExactField, number, text
from storage.migration_steps import create_tables


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    rowless = isinstance(db, peewee.SqliteDatabase)

    class SearchEntry(peewee.Model):
        shelf = BigIntegerField()
        token = BigIntegerField()
        slot = SmallIntegerField()

        class Meta:
            table_name = "search_entry"
            database = db
            primary_key = CompositeKey("shelf", "token", "slot")
            without_rowid = rowless

    class SearchProgress(peewee.Model):
        conversation_id = BigIntegerField(primary_key=True)
        first_seq = number()
        seq = number()
        ver = number()

        class Meta:
            table_name = "search_progress"
            database = db
            without_rowid = rowless

    class Job(peewee.Model):
        name = ExactField(max_length=40, primary_key=True)
        holder = text(40)
        until_ms = number()
        position = number()
        version = number()

        class Meta:
            table_name = "job"
            database = db
            without_rowid = rowless

    create_tables(db, [SearchEntry, SearchProgress, Job])
