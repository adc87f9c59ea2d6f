"""The first schema. Frozen: it does not follow `storage.schema`, later migrations do."""

import uuid
from typing import Any

import peewee
from peewee import SQL, BigIntegerField
from playhouse.migrate import SchemaMigrator

from storage.fields import ExactField, LongField
from storage.migration_steps import create_tables

Columns = dict[str, Any]


def _number(**options: Any) -> BigIntegerField:
    return BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")], **options)


def _text(limit: int) -> peewee.CharField:
    return peewee.CharField(max_length=limit, default="")


def _to(model: type[peewee.Model], *, index: bool = True) -> peewee.ForeignKeyField:
    return peewee.ForeignKeyField(model, index=index)


def _exact(limit: int, **options: Any) -> ExactField:
    return ExactField(max_length=limit, **options)


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    rowless = isinstance(db, peewee.SqliteDatabase)
    models: list[type[peewee.Model]] = []

    def table(name: str, columns: Columns, primary: str = "", indexes: tuple[Any, ...] = ()) -> type[peewee.Model]:
        """`primary` names the columns of a composite key: such a table is WITHOUT ROWID on SQLite."""
        options: Columns = {"table_name": name, "database": db, "indexes": indexes}
        if primary:
            options |= {"primary_key": peewee.CompositeKey(*primary.split()), "without_rowid": rowless}
        model = type(name, (peewee.Model,), {**columns, "Meta": type("Meta", (), options)})
        models.append(model)
        return model

    meta = table("meta", {"name": _exact(40, primary_key=True), "value": _text(255)})
    counter = table("counter", {"name": _exact(40, primary_key=True), "value": _number()})
    user = table(
        "user",
        {
            "id": peewee.AutoField(),
            "mobile": _exact(20, unique=True),
            "password_hash": _text(100),
            "nickname": _text(80),
            "avatar": _text(1024),
            "sex": _text(1),
            "memo": _text(1000),
            "is_admin": _number(),
            "created_at_ms": _number(),
            "updated_at_ms": _number(),
            "disabled_at_ms": _number(),
        },
    )
    table(
        "session",
        {
            "id": BigIntegerField(primary_key=True),
            "user": _to(user),
            "token_sha256": _exact(64, unique=True),
            "device": _text(255),
            "ip": _text(64),
            "created_at_ms": _number(),
            "seen_at_ms": _number(),
            "expires_at_ms": _number(),
        },
    )
    table(
        "ticket",
        {
            "token_sha256": _exact(64, primary_key=True),
            "purpose": _text(40),
            "subject_id": _number(),
            "created_by": _number(),
            "created_at_ms": _number(),
            "expires_at_ms": _number(),
            "used_at_ms": _number(),
        },
        indexes=((("purpose", "subject_id"), False),),
    )
    table(
        "contact",
        {
            "owner": _to(user, index=False),
            "friend": _to(user),
            "remark": _text(80),
            "created_at_ms": _number(),
            "changed_at_ms": _number(),
        },
        primary="owner friend",
    )
    table(
        "contact_request",
        {
            "asker": _to(user, index=False),
            "target": _to(user),
            "memo": _text(1000),
            "ignored": _number(),
            "created_at_ms": _number(),
        },
        primary="asker target",
    )
    table(
        "block",
        {"owner": _to(user, index=False), "target": _to(user), "created_at_ms": _number()},
        primary="owner target",
    )
    table(
        "conversation",
        {
            "id": peewee.AutoField(),
            "kind": _number(),
            "key": _exact(64, unique=True),
            "first_seq": _number(),
            "last_seq": _number(),
            "ver": _number(),
            "changed_at_ms": _number(index=True),
        },
    )
    community = table(
        "community",
        {
            "id": peewee.AutoField(),
            "conversation_id": BigIntegerField(unique=True, null=True),
            "name": _exact(240, unique=True, null=True),
            "owner": _to(user),
            "icon": _text(1024),
            "cate": _number(),
            "memo": _text(1000),
            "announcement": _text(4000),
            "policy": _number(),
            "silenced_until_ms": _number(),
            "member_count": _number(),
            "created_at_ms": _number(),
            "dissolved_at_ms": _number(),
        },
    )
    table(
        "join_request",
        {
            "community": _to(community, index=False),
            "user": _to(user),
            "memo": _text(1000),
            "created_at_ms": _number(),
        },
        primary="community user",
    )
    table(
        "member",
        {
            "user_id": BigIntegerField(),
            "conversation_id": BigIntegerField(),
            "role": _number(),
            "may_send": _number(),
            "silenced_until_ms": _number(),
            "joined_seq": _number(),
            "left_seq": BigIntegerField(null=True),
            "read_seq": _number(),
            "sent_seq": _number(),
            "cleared_seq": _number(),
            "pinned": _number(),
            "muted": _number(),
            "changed_at_ms": _number(),
        },
        primary="user_id conversation_id",
        indexes=((("conversation_id", "user_id"), False),),
    )
    table(
        "message",
        {
            "conversation_id": BigIntegerField(),
            "seq": BigIntegerField(),
            "id": _number(),
            "sender_id": _number(),
            "cid": _exact(64, null=True),
            "media": _number(),
            "content": LongField(default=""),
            "pic": _text(1024),
            "url": _text(1024),
            "memo": _text(1000),
            "amount": _number(),
            "reply_seq": _number(),
            "file": LongField(default=""),
            "event": LongField(default=""),
            "mention": _text(1024),
            "created_at_ms": _number(),
            "edited_at_ms": _number(),
            "gone": _number(),
        },
        primary="conversation_id seq",
        indexes=((("sender_id", "cid"), True),),
    )
    table(
        "change",
        {
            "conversation_id": BigIntegerField(),
            "ver": BigIntegerField(),
            "kind": _text(20),
            "seq": _number(),
            "actor_id": _number(),
            "data": LongField(default=""),
            "created_at_ms": _number(),
        },
        primary="conversation_id ver",
        indexes=((("conversation_id", "seq"), False),),
    )
    place = {"conversation_id": BigIntegerField, "seq": BigIntegerField, "user_id": BigIntegerField}
    table(
        "reaction",
        {**{name: field() for name, field in place.items()}, "emoji": _exact(64), "created_at_ms": _number()},
        primary="conversation_id seq user_id emoji",
    )
    table("hidden", {name: field() for name, field in place.items()}, primary="user_id conversation_id seq")
    table("mention", {name: field() for name, field in place.items()}, primary="user_id conversation_id seq")
    table(
        "event",
        {
            "id": BigIntegerField(primary_key=True),
            "user_id": _number(),
            "community_id": _number(),
            "kind": _text(40),
            "data": LongField(default=""),
            "created_at_ms": _number(index=True),
        },
        indexes=((("user_id", "created_at_ms"), False),),
    )
    table(
        "upload",
        {
            "sha256": _exact(64, primary_key=True),
            "name": _exact(128, unique=True),
            "mime": _text(100),
            "size_bytes": _number(),
            "width": _number(),
            "height": _number(),
            "thumb": _exact(128, default="", index=True),
            "placeholder": _text(4000),
            "owner_id": _number(),
            "created_at_ms": _number(),
        },
    )
    table(
        "upload_claim",
        {"name": _exact(128), "user_id": BigIntegerField(), "created_at_ms": _number()},
        primary="name user_id",
        indexes=((("user_id", "created_at_ms"), False),),
    )
    table(
        "file_use",
        {
            "name": _exact(128),
            "conversation_id": _number(),
            "seq": _number(),
            "user_id": _number(),
            "community_id": _number(),
        },
        primary="name conversation_id seq user_id community_id",
    )
    create_tables(db, models)
    if meta.get_or_none(name="epoch") is None:
        meta.create(name="epoch", value=str(uuid.uuid4()))
    for name in ("message", "session", "event"):
        if counter.get_or_none(name=name) is None:
            counter.create(name=name, value=0)
