"""When a conversation's newest message came: a reaction or an edit changes it too, and does not move it up the list."""

import peewee
from playhouse.migrate import SchemaMigrator

from storage.migration_steps import add_column


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    add_column(db, "conversation", "active_at_ms", "BIGINT NOT NULL DEFAULT 0")
    db.execute_sql(  # type: ignore[no-untyped-call]
        "UPDATE conversation SET active_at_ms = coalesce((SELECT x.created_at_ms FROM message x"
        " WHERE x.conversation_id = conversation.id AND x.seq = conversation.last_seq), changed_at_ms)"
    )
