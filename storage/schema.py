"""The schema as peewee models; `tests/storage/test_migrations.py` holds the migrations equal to it.

The hot paths use prepared SQL, these models serve migrations and tools. Times are epoch milliseconds, 0 = never.
Tables read by their primary key only are WITHOUT ROWID on SQLite (the migrations say so).
"""

import peewee
from peewee import AutoField, BigIntegerField, CompositeKey, ForeignKeyField

from storage.fields import ExactField, LongField, number, text
from storage.search_schema import Job, SearchEntry, SearchProgress


class Meta(peewee.Model):
    """Facts about the database itself: `epoch`, its uuid."""

    name = ExactField(max_length=40, primary_key=True)
    value = text(255)


class Counter(peewee.Model):
    """Numbers that are never given twice: message, session, event."""

    name = ExactField(max_length=40, primary_key=True)
    value = number()


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


class Conversation(peewee.Model):
    """`key` as `records.conversation_key`; seqs below `first_seq` have expired.

    `active_at_ms` is the time of the newest message, `changed_at_ms` that of any change.
    """

    id = AutoField()
    kind = number()
    key = ExactField(max_length=64, unique=True)
    first_seq = number()
    last_seq = number()
    ver = number()
    changed_at_ms = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])
    active_at_ms = number()


class Community(peewee.Model):
    """A dissolved one has no name; plain members are silenced until `silenced_until_ms`, those who come later too."""

    id = AutoField()
    conversation_id = BigIntegerField(unique=True, null=True)
    name = ExactField(max_length=240, unique=True, null=True)
    owner = ForeignKeyField(User)
    icon = text(1024)
    cate = number()
    memo = text(1000)
    announcement = text(4000)
    policy = number()
    silenced_until_ms = number()
    member_count = number()
    created_at_ms = number()
    dissolved_at_ms = number()


class JoinRequest(peewee.Model):
    community = ForeignKeyField(Community, index=False)
    user = ForeignKeyField(User)
    memo = text(1000)
    created_at_ms = number()

    class Meta:
        table_name = "join_request"
        primary_key = CompositeKey("community", "user")


class Member(peewee.Model):
    """A user's place in a conversation, kept after he left: his window is [joined_seq, left_seq].

    `left_ver` is the conversation's ver at his leaving: changes after it are not his to see.
    """

    user_id = BigIntegerField()
    conversation_id = BigIntegerField()
    role = number()
    may_send = number()
    silenced_until_ms = number()
    joined_seq = number()
    left_seq = BigIntegerField(null=True)
    read_seq = number()
    sent_seq = number()
    cleared_seq = number()
    pinned = number()
    muted = number()
    changed_at_ms = number()
    left_ver = number()

    class Meta:
        primary_key = CompositeKey("user_id", "conversation_id")
        indexes = ((("conversation_id", "user_id"), False),)


class Message(peewee.Model):
    """One row a message, whatever the size of the group. `cid` is NULL where the client knows none."""

    conversation_id = BigIntegerField()
    seq = BigIntegerField()
    id = number()
    sender_id = number()
    cid = ExactField(max_length=64, null=True)
    media = number()
    content = LongField(default="")
    pic = text(1024)
    url = text(1024)
    memo = text(1000)
    amount = number()
    reply_seq = number()
    file = LongField(default="")
    event = LongField(default="")
    mention = text(1024)
    created_at_ms = number()
    edited_at_ms = number()
    gone = number()

    class Meta:
        primary_key = CompositeKey("conversation_id", "seq")
        indexes = ((("cid", "sender_id"), True),)  # cids of one time lie side by side, whoever made them


class Change(peewee.Model):
    """A recall, edit or reaction of an existing message."""

    conversation_id = BigIntegerField()
    ver = BigIntegerField()
    kind = text(20)
    seq = number()
    actor_id = number()
    data = LongField(default="")
    created_at_ms = number()

    class Meta:
        primary_key = CompositeKey("conversation_id", "ver")
        indexes = ((("conversation_id", "seq"), False),)


class EarlierText(peewee.Model):
    """What a message said before the edit `ver`; kept only for members who had left by then."""

    conversation_id = BigIntegerField()
    seq = BigIntegerField()
    ver = BigIntegerField()
    content = LongField(default="")

    class Meta:
        table_name = "earlier_text"
        primary_key = CompositeKey("conversation_id", "seq", "ver")


class Reaction(peewee.Model):
    conversation_id = BigIntegerField()
    seq = BigIntegerField()
    user_id = BigIntegerField()
    emoji = ExactField(max_length=64)
    created_at_ms = number()

    class Meta:
        primary_key = CompositeKey("conversation_id", "seq", "user_id", "emoji")


class Hidden(peewee.Model):
    """A message that a user deleted for himself."""

    user_id = BigIntegerField()
    conversation_id = BigIntegerField()
    seq = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("user_id", "conversation_id", "seq")
        indexes = ((("conversation_id", "seq"), False),)


class Mention(peewee.Model):
    """Who is named in which message: what `mentioned` of a conversation is looked up in."""

    user_id = BigIntegerField()
    conversation_id = BigIntegerField()
    seq = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("user_id", "conversation_id", "seq")


class Event(peewee.Model):
    id = BigIntegerField(primary_key=True)
    user_id = number()
    community_id = number()
    kind = text(40)
    data = LongField(default="")
    created_at_ms = BigIntegerField(default=0, index=True, constraints=[peewee.SQL("DEFAULT 0")])

    class Meta:
        indexes = ((("user_id", "created_at_ms"), False),)


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


MODELS: tuple[type[peewee.Model], ...] = (
    Meta,
    Counter,
    User,
    Session,
    Ticket,
    Contact,
    ContactRequest,
    Block,
    Conversation,
    Community,
    JoinRequest,
    Member,
    Message,
    Change,
    EarlierText,
    Reaction,
    Hidden,
    Mention,
    Event,
    Upload,
    UploadAlias,
    PartialUpload,
    UploadClaim,
    FileUse,
    SearchEntry,
    SearchProgress,
    Job,
)
