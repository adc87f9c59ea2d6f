"""Column types that mean the same on every database.

A backend's peewee database maps EXACT, LONG, PACKED and KEY in its `field_types`.
"""

import peewee


class ExactField(peewee.CharField):
    """Short text compared byte for byte: case and trailing blanks count (`abcDEF` is not `abcDEF `)."""

    field_type = "EXACT"


class LongField(peewee.TextField):
    """Text of up to 60,000 bytes of any characters."""

    field_type = "LONG"


class PackedField(peewee.Field):
    """Bytes, up to some megabytes."""

    field_type = "PACKED"


class KeyField(peewee.BigIntegerField):
    """A primary key of 64 bits that rows get from us: of a table with large rows, which on SQLite has a rowid."""

    field_type = "KEY"


def number() -> peewee.BigIntegerField:
    """An integer below 2**53, 0 where nothing is said."""
    return peewee.BigIntegerField(default=0, constraints=[peewee.SQL("DEFAULT 0")])


def text(limit: int) -> peewee.CharField:
    """A text of at most `limit` characters; "" is its empty value."""
    return peewee.CharField(max_length=limit, default="")
