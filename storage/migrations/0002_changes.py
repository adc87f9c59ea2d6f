"""Changes of messages: up to which one a member who left had seen, and the texts that he saw last."""

import peewee
from peewee import BigIntegerField, CompositeKey
from playhouse.migrate import SchemaMigrator

from storage.fields import LongField
from storage.migration_steps import add_column, add_index, create_tables


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    class EarlierText(peewee.Model):
        conversation_id = BigIntegerField()
        seq = BigIntegerField()
        ver = BigIntegerField()
        content = LongField(default="")

        class Meta:
            table_name = "earlier_text"
            database = db
            primary_key = CompositeKey("conversation_id", "seq", "ver")
            without_rowid = isinstance(db, peewee.SqliteDatabase)

    create_tables(db, [EarlierText])
    add_column(db, "member", "left_ver", "BIGINT NOT NULL DEFAULT 0")
    add_index(db, "hidden", "hidden_conversation_id_seq", ["conversation_id", "seq"])
