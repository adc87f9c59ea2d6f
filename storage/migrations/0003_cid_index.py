"""Cids are indexed in their own order: UUIDv7 made at one time, by whoever, then lie side by side in a large table."""

import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    migrator.migrate(
        migrator.add_index("message", ("cid", "sender_id"), unique=True),
        migrator.drop_index("message", "message_sender_id_cid"),
    )
