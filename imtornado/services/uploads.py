"""Uploaded files: stored once per content, and seen by whom.

Worker threads only. The bytes arrive in an `arrivals.Arrival`; of a picture only what a worker process made of it
is kept (`imtornado.attachments`), never the bytes themselves.
"""

import hashlib
from pathlib import Path

import msgspec

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import Busy, NotFound
from imtornado.file_records import Content, Upload
from imtornado.kinds import PLAIN
from imtornado.services.blobs import Blobs, BlobType
from imtornado.services.file_names import disposition, is_name, neutral_name, new_name, safe_name
from storage.store import Store

THUMB_MIME = "image/webp"
PRESIGNED_S = 300


class Original(msgspec.Struct, frozen=True):
    """What was sent: its bytes by their hash, what its sender calls it, and the form that he wants (attachments)."""

    sha256: str
    size_bytes: int
    file_name: str = ""
    form: str = ""

    @property
    def key(self) -> str:
        """What the result of these bytes in this form is found by."""
        return hashlib.sha256(f"{self.form} {self.sha256}".encode()).hexdigest() if self.form else self.sha256


class Stored(msgspec.Struct, frozen=True):
    """An upload, how large the file is that is kept of it, and what it is called."""

    upload: Upload
    size_bytes: int
    file_name: str


class Served(msgspec.Struct, frozen=True):
    """A file as it is given out."""

    name: str
    mime: str
    size_bytes: int
    disposition: str


class Elsewhere(msgspec.Struct, frozen=True):
    """One of both: where nginx finds the file, or where anybody does for `PRESIGNED_S` seconds."""

    accel: str = ""
    address: str = ""


class Uploads:
    """The rules of uploads. Any worker thread."""

    def __init__(self, store: Store, config: Config, clock: Clock, blobs: Blobs) -> None:
        self._uploads = store.uploads
        self._accel = config.uploads.accel
        self._presigned = config.uploads.presigned
        self._instant = config.uploads.instant
        self._clock = clock
        self._blobs = blobs

    def probe(self, user_id: int, sha256: str, size_bytes: int) -> Stored | None:
        """The stored file of exactly these bytes, now also this user's; None when unknown, or not `uploads.instant`."""
        if self._instant == "no":
            return None
        upload = self._uploads.claim_known(sha256, size_bytes, user_id, own=self._instant == "own")
        return None if upload is None else self._stored(upload, self._uploads.file_name(upload.name, user_id))

    def known(self, user_id: int, original: Original) -> Stored | None:
        """As `probe`, for somebody who has shown the bytes."""
        name = safe_name(original.file_name)
        upload = self._uploads.claim_known(original.key, original.size_bytes, user_id, name)
        return None if upload is None else self._stored(upload, name)

    def keep(self, user_id: int, original: Original, content: Content, result: Path, thumb: Path) -> Stored:
        """Stores what was made of an upload, or finds that others were faster, or that it is there already."""
        lost = self._lost(original.key, content.result_sha256)
        upload = Upload(
            sha256=original.key,
            name=lost.name if lost else new_name(),
            mime=content.mime,
            size_bytes=original.size_bytes,
            width=content.width,
            height=content.height,
            thumb=(lost.thumb if lost else new_name()) if content.has_thumb else "",
            placeholder=content.placeholder,
            owner_id=user_id,
            created_at_ms=self._clock.now_ms(),
            duration_ms=content.duration_ms,
            result_sha256=content.result_sha256,
        )
        name = safe_name(original.file_name)
        # Files before the row: a row without files would answer every later upload of these bytes with a dead link.
        # Files without a row, left by a crash in between, are found by `CleanUp.sweep`.
        try:
            self._blobs.put(upload.name, result, blob_type(upload.name, upload.mime))
            if upload.thumb:
                self._blobs.put(upload.thumb, thumb, blob_type(upload.thumb, THUMB_MIME))
            claimed = self._uploads.claim(upload, name)
        except BaseException:
            remove(self._blobs, upload)
            raise
        if claimed.name != upload.name:
            remove(self._blobs, upload)
        stored = self._stored(claimed, name)
        if stored is None:  # removed by `CleanUp.collect` at this very moment
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=1000)
        return stored

    def view(self, user_id: int, name: str, *, small: bool = False) -> Served:
        """`small`: its thumbnail, where it has one.

        Raises: NotFound: unknown, another's, guessed and removed look alike.
        """
        upload = self._uploads.visible(name, user_id) if is_name(name) else None
        if upload is not None and small:
            name = upload.thumb or name
        size_bytes = None if upload is None else self._blobs.size_bytes(name)
        if upload is None or size_bytes is None:
            raise NotFound("There is no such file.")
        if name != upload.name:
            return Served(name, THUMB_MIME, size_bytes, blob_type(name, THUMB_MIME).disposition)
        told = "" if upload.mime.startswith("image/") else self._uploads.file_name(name, user_id)
        return Served(name, upload.mime, size_bytes, _disposition(upload.mime, shown_name(upload, told)))

    def elsewhere(self, name: str) -> Elsewhere | None:
        """Who gives out the file instead of us, as the settings say."""
        if self._accel and (path := self._blobs.path_below_root(name)) is not None:
            return Elsewhere(accel=self._accel + path)
        if self._presigned and (address := self._blobs.address(name, PRESIGNED_S)) is not None:
            return Elsewhere(address=address)
        return None

    def read(self, name: str, start: int, length: int) -> bytes:
        """Raises: NotFound when it has been removed meanwhile."""
        try:
            return self._blobs.read(name, start, length)
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error

    def _stored(self, upload: Upload, told_name: str) -> Stored | None:
        """None where a file of it is missing."""
        size_bytes = self._blobs.size_bytes(upload.name)
        if size_bytes is None or (upload.thumb and self._blobs.size_bytes(upload.thumb) is None):
            return None
        return Stored(upload, size_bytes, shown_name(upload, told_name))

    def _lost(self, key: str, result_sha256: str) -> Upload | None:
        """A row whose files are gone, say after a restore of the database alone: it gets them back."""

        def found() -> Upload | None:
            return self._uploads.by_sha256(key) or self._uploads.by_result(result_sha256)

        upload = found()
        if upload is None or self._stored(upload, "") is not None:
            return None
        # Where `CleanUp` takes them away, the row went before: its names must not be used again.
        return upload if found() == upload else None


def shown_name(upload: Upload, told: str) -> str:
    """Pictures are made by us and lose their names, which tell of camera and time; all else keeps its own."""
    return (not upload.mime.startswith("image/") and safe_name(told)) or neutral_name(upload.name, upload.mime)


def blob_type(name: str, mime: str) -> BlobType:
    """How a bucket has to serve it, which knows no users and their names."""
    return BlobType(mime, _disposition(mime, neutral_name(name, mime)))


def remove(blobs: Blobs, upload: Upload) -> None:
    """Removes the file and its thumbnail."""
    blobs.remove(upload.name)
    if upload.thumb:
        blobs.remove(upload.thumb)


def _disposition(mime: str, file_name: str) -> str:
    return disposition("attachment" if mime == PLAIN else "inline", file_name)
