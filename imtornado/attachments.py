"""What is kept of an uploaded file, whatever it is: pictures made anew, recordings without what they tell, all else as
it came.

`convert` is run in a worker process (`imtornado.processes`): the bytes are a stranger's.
"""

import hashlib
import shutil
import struct
from pathlib import Path

from imtornado import containers, heif, images
from imtornado.errors import UnsupportedKind
from imtornado.file_records import Content
from imtornado.kinds import HEAD_BYTES, PLAIN, FileKind, kind_of
from imtornado.tracks import Tracks

SQUARE = "square"  # the form of avatars and icons


def convert(source: str, result_path: str, thumb_path: str, max_pixels: int, form: str = "") -> Content:
    """Writes what is kept of the file, and the thumbnail of a picture, to the two paths.

    With the form `SQUARE` only pictures are taken, and cut to squares. Raises: UnsupportedKind, TooLarge, OSError.
    """
    with Path(source).open("rb") as file:
        kind = kind_of(file.read(HEAD_BYTES))
    if kind is FileKind.PICTURE or form == SQUARE:
        picture = images.convert(source, result_path, thumb_path, max_pixels, square=form == SQUARE)
        return Content(
            picture.mime, _sha256(result_path), picture.width, picture.height, picture.placeholder, has_thumb=True
        )
    if kind is FileKind.MARKUP:
        raise UnsupportedKind("Web pages and SVG drawings are not taken. Send them inside a ZIP file.", field="file")
    shutil.copyfile(source, result_path)
    if kind is FileKind.HEIF:
        _without_places(result_path)
    found = _cleaned(result_path) if kind is FileKind.MEDIA else None
    if found is None and kind is FileKind.MEDIA:
        shutil.copyfile(source, result_path)  # it may be half cleaned
    if found is None:
        return Content(PLAIN, _sha256(result_path))
    return Content(
        found.mime, _sha256(result_path), width=found.width, height=found.height, duration_ms=found.duration_ms
    )


def _without_places(path: str) -> None:
    """Raises: UnsupportedKind: what cannot be read cannot be cleaned."""
    try:
        with Path(path).open("r+b") as file:
            heif.blank_metadata(file)
    except (struct.error, ValueError) as error:
        raise UnsupportedKind("The picture is damaged and cannot be read.", field="file") from error


def _cleaned(path: str) -> Tracks | None:
    """What the recording holds; None for what is none after all."""
    with Path(path).open("r+b") as file:
        return containers.clean(file)


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
