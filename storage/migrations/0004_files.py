"""Files of all kinds: durations, names, one copy for equal results, and uploads that go on after an interruption."""

import peewee
from peewee import BigIntegerField
from playhouse.migrate import SchemaMigrator

from storage.fields import ExactField, number, text


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    class UploadAlias(peewee.Model):
        sha256 = ExactField(max_length=64, primary_key=True)
        size_bytes = number()
        name = ExactField(max_length=128, index=True)

        class Meta:
            table_name = "upload_alias"
            database = db
            without_rowid = isinstance(db, peewee.SqliteDatabase)

    class PartialUpload(peewee.Model):
        id = ExactField(max_length=64, primary_key=True)
        user_id = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])
        size_bytes = number()
        file_name = text(1020)
        form = text(20)
        sha256 = ExactField(max_length=64, default="")
        expires_at_ms = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])

        class Meta:
            table_name = "partial_upload"
            database = db
            without_rowid = isinstance(db, peewee.SqliteDatabase)

    db.create_tables([UploadAlias, PartialUpload], safe=False)
    migrator.migrate(
        migrator.add_column("upload", "duration_ms", number()),
        migrator.add_column("upload", "result_sha256", ExactField(max_length=64, default="")),
        migrator.add_index("upload", ("result_sha256",)),
    )
    # Not by the migrator: on SQLite it would make the table anew, with a rowid.
    db.execute_sql("ALTER TABLE upload_claim ADD COLUMN file_name VARCHAR(1020) NOT NULL DEFAULT ''")  # type: ignore[no-untyped-call]
