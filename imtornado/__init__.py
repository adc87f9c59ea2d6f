"""A self-hosted instant messenger on Tornado."""

__version__ = "0.1.0"
