"""The tables of accounts, log-ins and who knows whom; part of `schema.MODELS`."""

import peewee
from peewee import AutoField, BigIntegerField, CompositeKey, ForeignKeyField

from storage.fields import ExactField, number, text


class User(peewee.Model):
    id = AutoField()
    mobile = ExactField(max_length=20, unique=True)
    password_hash = text(100)
    nickname = text(80)
    avatar = text(1024)
    sex = text(1)
    memo = text(1000)
    is_admin = number()
    created_at_ms = number()
    updated_at_ms = number()
    disabled_at_ms = number()


class Session(peewee.Model):
    id = BigIntegerField(primary_key=True)
    user = ForeignKeyField(User)
    token_sha256 = ExactField(max_length=64, unique=True)
    device = text(255)
    ip = text(64)
    created_at_ms = number()
    seen_at_ms = number()
    expires_at_ms = number()


class Ticket(peewee.Model):
    token_sha256 = ExactField(max_length=64, primary_key=True)
    purpose = text(40)
    subject_id = number()
    created_by = number()
    created_at_ms = number()
    expires_at_ms = number()
    used_at_ms = number()

    class Meta:
        indexes = ((("purpose", "subject_id"), False),)


class Contact(peewee.Model):
    """`owner` has `friend` in his list; a friendship is the pair of both directions."""

    owner = ForeignKeyField(User, index=False)
    friend = ForeignKeyField(User)
    remark = text(80)
    created_at_ms = number()
    changed_at_ms = number()

    class Meta:
        primary_key = CompositeKey("owner", "friend")


class ContactRequest(peewee.Model):
    """`ignored`: the target had blocked the asker, who must not notice."""

    asker = ForeignKeyField(User, index=False)
    target = ForeignKeyField(User)
    memo = text(1000)
    ignored = number()
    created_at_ms = number()

    class Meta:
        table_name = "contact_request"
        primary_key = CompositeKey("asker", "target")


class Block(peewee.Model):
    owner = ForeignKeyField(User, index=False)
    target = ForeignKeyField(User)
    created_at_ms = number()

    class Meta:
        primary_key = CompositeKey("owner", "target")
