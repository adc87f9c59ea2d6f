"""Addresses of stored files, with and without a signature."""

import re

PREFIX = "/resource/"
_WITH_QUERY = re.compile(r"((?:https?://[^/?#]+)?/resource/[0-9a-f]{64})[?#]", re.ASCII | re.IGNORECASE)


def unsigned(url: str) -> str:
    """The address without what follows the name: a signature must never be stored where others read it."""
    match = _WITH_QUERY.match(url)
    return match[1] if match else url
