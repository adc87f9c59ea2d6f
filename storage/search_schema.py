"""The tables of the search index; part of `schema.MODELS`."""

import peewee
from peewee import BigIntegerField, CompositeKey, SmallIntegerField

from storage.fields import ExactField, number, text


class SearchEntry(peewee.Model):
    """The text in a slot of a shelf has the token: `search_entries` tells what these are."""

    shelf = BigIntegerField()
    token = BigIntegerField()
    slot = SmallIntegerField()

    class Meta:
        table_name = "search_entry"
        primary_key = CompositeKey("shelf", "token", "slot")


class SearchProgress(peewee.Model):
    """From and up to which message, and up to which change, a conversation is in the search index."""

    conversation_id = BigIntegerField(primary_key=True)
    first_seq = number()
    seq = number()
    ver = number()

    class Meta:
        table_name = "search_progress"


class Job(peewee.Model):
    """Work of one process at a time: who does it, until when he is waited for, and how far it is."""

    name = ExactField(max_length=40, primary_key=True)
    holder = text(40)
    until_ms = number()
    position = number()
    version = number()
