"""The schema as peewee models; `tests/storage/test_migrations.py` holds the migrations equal to it.

The hot paths use prepared SQL, these models serve migrations and tools. Times are epoch milliseconds, 0 = never.
Tables read by their primary key only are WITHOUT ROWID on SQLite (the migrations say so).
"""

import peewee
from peewee import AutoField, BigIntegerField, CompositeKey, ForeignKeyField

from storage.fields import ExactField, LongField, number, text
from storage.file_schema import FileUse, PartialUpload, Upload, UploadAlias, UploadClaim
from storage.people_schema import Block, Contact, ContactRequest, Session, Ticket, User
from storage.search_schema import Job, SearchPage, SearchProgress


class Meta(peewee.Model):
    """Facts about the database itself: `epoch`, its uuid."""

    name = ExactField(max_length=40, primary_key=True)
    value = text(255)


class Counter(peewee.Model):
    """Numbers that are never given twice: message, session, event."""

    name = ExactField(max_length=40, primary_key=True)
    value = number()


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
    SearchPage,
    SearchProgress,
    Job,
)
