"""The tables of uploaded files; part of `schema.MODELS`."""

import peewee
from peewee import BigIntegerField, CompositeKey

from storage.fields import ExactField, number, text


class Upload(peewee.Model):
    """A stored file, by the SHA-256 of the bytes that were uploaded first."""

    sha256 = ExactField(max_length=64, primary_key=True)
    name = ExactField(max_length=128, unique=True)
    mime = text(100)
    size_bytes = number()
    width = number()
    height = number()
    thumb = ExactField(max_length=128, default="", index=True)
    placeholder = text(4000)
    owner_id = number()
    created_at_ms = number()
    duration_ms = number()
    result_sha256 = ExactField(max_length=64, default="", index=True)


class UploadAlias(peewee.Model):
    """Other bytes of which the same file was made."""

    sha256 = ExactField(max_length=64, primary_key=True)
    size_bytes = number()
    name = ExactField(max_length=128, index=True)

    class Meta:
        table_name = "upload_alias"


class PartialUpload(peewee.Model):
    """An upload that may go on after an interruption; `sha256` once all of it has come."""

    id = ExactField(max_length=64, primary_key=True)
    user_id = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])
    size_bytes = number()
    file_name = text(1020)
    form = text(20)
    sha256 = ExactField(max_length=64, default="")
    expires_at_ms = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])

    class Meta:
        table_name = "partial_upload"


class UploadClaim(peewee.Model):
    """Somebody uploaded these bytes and may use the file; `file_name` is what it was called where he has it."""

    name = ExactField(max_length=128)
    user_id = BigIntegerField()
    created_at_ms = number()
    file_name = text(1020)

    class Meta:
        table_name = "upload_claim"
        primary_key = CompositeKey("name", "user_id")
        indexes = ((("user_id", "created_at_ms"), False),)


class FileUse(peewee.Model):
    """Where a file stands: in a message (conversation_id, seq), a profile or a community; the others are 0."""

    name = ExactField(max_length=128)
    conversation_id = number()
    seq = number()
    user_id = number()
    community_id = number()

    class Meta:
        table_name = "file_use"
        primary_key = CompositeKey("name", "conversation_id", "seq", "user_id", "community_id")
