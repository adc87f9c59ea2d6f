"""The tables of the search index; part of `schema.MODELS`."""

import peewee
from peewee import BigIntegerField

from storage.fields import ExactField, KeyField, PackedField, number, text


class SearchPage(peewee.Model):
    """Entries of the texts on a shelf: `search_pages` tells what these are."""

    id = KeyField(primary_key=True)
    entries = PackedField()

    class Meta:
        table_name = "search_page"


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
