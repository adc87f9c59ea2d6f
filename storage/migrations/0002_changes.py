"""Changes of messages: up to which one a member who left had seen, and the texts that he saw last."""

import peewee
from peewee import BigIntegerField, CompositeKey
from playhouse.migrate import SchemaMigrator

from storage.fields import LongField


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

    db.create_tables([EarlierText], safe=False)
    # Not by the migrator: on SQLite it would make the table anew, with a rowid.
    db.execute_sql("ALTER TABLE member ADD COLUMN left_ver BIGINT NOT NULL DEFAULT 0")  # type: ignore[no-untyped-call]
    migrator.migrate(migrator.add_index("hidden", ("conversation_id", "seq")))
