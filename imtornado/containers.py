"""Recordings and videos: what is in them, and without what they tell beside sound and pictures.

For worker processes: the bytes are a stranger's. Sound and pictures themselves are neither read nor changed, and
little of a file is in memory at once.
"""

import struct
from collections.abc import Callable
from typing import BinaryIO

from imtornado import matroska, mp4, ogg
from imtornado.tracks import Tracks


def clean(file: BinaryIO) -> Tracks | None:
    """Takes people, places, devices, programs and dates from an MP4, QuickTime, WebM, Matroska or Ogg file, in place.

    `file` is open for reading and writing. None for all other files and for damaged ones, which may be half changed.
    """
    file.seek(0)
    cleaner = _cleaner(file.read(12))
    if cleaner is None:
        return None
    try:
        return cleaner(file)
    except (struct.error, LookupError, ValueError):
        return None


def _cleaner(head: bytes) -> Callable[[BinaryIO], Tracks | None] | None:
    if head.startswith(b"OggS"):
        return ogg.clean
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return matroska.clean
    return mp4.clean if head[4:8] == b"ftyp" else None
