"""Cids are indexed in their own order: UUIDv7 made at one time, by whoever, then lie side by side in a large table."""

import peewee
from playhouse.migrate import SchemaMigrator

from storage.migration_steps import add_index, drop_index


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    add_index(db, "message", "message_cid_sender_id", ["cid", "sender_id"], unique=True)
    drop_index(db, "message", "message_sender_id_cid")
