"""Files of all kinds: durations, names, one copy for equal results, and uploads that go on after an interruption."""

import peewee
from peewee import BigIntegerField
from playhouse.migrate import SchemaMigrator

from storage.fields import ExactField, number, text
from storage.migration_steps import add_column, add_index, create_tables


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

    create_tables(db, [UploadAlias, PartialUpload])
    add_column(db, "upload", "duration_ms", "BIGINT NOT NULL DEFAULT 0")
    add_column(db, "upload", "result_sha256", "VARCHAR(64) NOT NULL DEFAULT ''")
    add_index(db, "upload", "upload_result_sha256", ["result_sha256"])
    add_column(db, "upload_claim", "file_name", "VARCHAR(1020) NOT NULL DEFAULT ''")
