"""Uploaded files: who may send how much, stored once per content, seen by whom, and removed when nobody needs them.

Worker threads only. The bytes arrive in an `Arrival`; what is kept of them is what a
worker process made of it (`imtornado.images`), never the bytes themselves.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import BadParameter, Busy, NotFound, QuotaExceeded, TooLarge, TooManyRequests
from imtornado.records import Picture, Upload
from imtornado.services.blobs import Blobs, Folder, IncomingFile, IncomingFolder
from storage.store import Store

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
ARRIVALS_PER_USER = 6  # as many connections as a browser opens
BATCH = 500
THUMB_MIME = "image/webp"
SUFFIXES = {"image/jpeg": "jpg", "image/webp": "webp"}


class Stored(msgspec.Struct, frozen=True):
    """An upload, and how large the file is that is kept of it."""

    upload: Upload
    size_bytes: int

    @property
    def file_name(self) -> str:
        return file_name(self.upload.name, self.upload.mime)


class Served(msgspec.Struct, frozen=True):
    """A file as it is given out: `file_name` is ours, never a client's."""

    name: str
    mime: str
    size_bytes: int
    file_name: str


class Arrival:
    """A file on its way in. One thread at a time; `end` must follow, whatever happens."""

    def __init__(
        self, user_id: int, reserved_bytes: int, folder: IncomingFolder, on_end: "Callable[[Arrival], None]"
    ) -> None:
        self.user_id = user_id
        self.reserved_bytes = reserved_bytes
        self.picture_path = folder.new_path()
        self.thumb_path = folder.new_path()
        self._file = IncomingFile(folder.new_path())
        self._on_end = on_end

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def sha256(self) -> str:
        return self._file.sha256

    @property
    def size_bytes(self) -> int:
        return self._file.size_bytes

    def write(self, data: bytes) -> None:
        """Raises: TooLarge, past what was announced; Busy, where the disk is full."""
        if self.size_bytes + len(data) > self.reserved_bytes:
            raise TooLarge("The file is larger than announced, or than this server takes.", field="file")
        try:
            self._file.write(data)
        except OSError as error:
            log.exception("an upload cannot be written")
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=60_000) from error

    def finish(self) -> None:
        """All bytes are here. Raises: BadParameter for none."""
        self._file.close()
        if self.size_bytes == 0:
            raise BadParameter("The file is empty.", field="file")

    def end(self) -> None:
        """Frees its room in the quota, removes what has arrived and what was made of it. Idempotent."""
        self._file.discard()
        self.picture_path.unlink(missing_ok=True)
        self.thumb_path.unlink(missing_ok=True)
        self._on_end(self)


class Uploads:
    """The rules of uploads. Any worker thread."""

    def __init__(self, store: Store, config: Config, clock: Clock) -> None:
        self._uploads = store.uploads
        self._settings = config.uploads
        self._clock = clock
        self._root = Path(config.uploads.folder).resolve()
        self._blobs: Blobs = Folder(self._root)
        self._incoming: IncomingFolder | None = None
        self._arrivals: dict[int, list[Arrival]] = {}  # {user_id: those under way}, so that quotas hold for them too
        self._lock = threading.Lock()

    def open(self) -> None:
        """Removes what a killed process left half-received. Called at start; the first upload does it too."""
        with self._lock:
            self._arriving_folder()

    def begin(self, user_id: int, announced_bytes: int) -> Arrival:
        """Room for a file of at most so many bytes.

        Raises: TooLarge; QuotaExceeded (`uploads.user_bytes` in 24 hours); TooManyRequests (too many at once).
        """
        if announced_bytes > self._settings.max_bytes:
            raise TooLarge(
                "The file is too large: at most {megabytes} MB are taken.",
                field="file",
                megabytes=f"{self._settings.max_bytes / 1_048_576:.3g}",
            )
        used_bytes = self._uploads.used_bytes(user_id, self._clock.now_ms() - DAY_MS)
        with self._lock:
            others = self._arrivals.get(user_id, [])
            if len(others) >= ARRIVALS_PER_USER:
                raise TooManyRequests("Too many uploads at once. Wait until one has ended.", retry_after_ms=2000)
            used_bytes += sum(other.reserved_bytes for other in others)
            if used_bytes + announced_bytes > self._settings.user_bytes:
                raise QuotaExceeded("You have uploaded as much as one day allows. Try again later.", field="file")
            arrival = Arrival(user_id, announced_bytes, self._arriving_folder(), self._ended)
            self._arrivals.setdefault(user_id, []).append(arrival)
            return arrival

    def probe(self, user_id: int, sha256: str, size_bytes: int) -> Stored | None:
        """The stored file of exactly these bytes, now also this user's; None when unknown, or not `uploads.instant`."""
        return self.known(user_id, sha256, size_bytes) if self._settings.instant else None

    def known(self, user_id: int, sha256: str, size_bytes: int) -> Stored | None:
        """As `probe`, for somebody who has shown the bytes."""
        upload = self._uploads.claim_known(sha256, size_bytes, user_id)
        return None if upload is None else self._stored(upload)

    def keep(self, arrival: Arrival, picture: Picture) -> Stored:
        """Stores what was made of an arrival, or finds that others were faster with the same bytes."""
        lost = self._lost(arrival.sha256)
        upload = Upload(
            sha256=arrival.sha256,
            name=lost.name if lost else new_name(),
            mime=picture.mime,
            size_bytes=arrival.size_bytes,
            width=picture.width,
            height=picture.height,
            thumb=lost.thumb if lost else new_name(),
            placeholder=picture.placeholder,
            owner_id=arrival.user_id,
            created_at_ms=self._clock.now_ms(),
        )
        # Files before the row: a row without files would answer every later upload of these bytes with a dead link.
        # Files without a row, left by a crash in between, are found by `sweep`.
        try:
            self._blobs.put(upload.name, arrival.picture_path)
            self._blobs.put(upload.thumb, arrival.thumb_path)
            claimed = self._uploads.claim(upload)
        except BaseException:
            self._remove(upload)
            raise
        if claimed.name != upload.name:
            self._remove(upload)
        stored = self._stored(claimed)
        if stored is None:  # removed by `collect` at this very moment
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=1000)
        return stored

    def view(self, user_id: int, name: str) -> Served:
        """Raises: NotFound: unknown, another's, guessed and removed look alike."""
        upload = self._uploads.visible(name, user_id) if is_name(name) else None
        size_bytes = None if upload is None else self._blobs.size_bytes(name)
        if upload is None or size_bytes is None:
            raise NotFound("There is no such file.")
        mime = upload.mime if name == upload.name else THUMB_MIME
        return Served(name, mime, size_bytes, file_name(name, mime))

    def read(self, name: str, start: int, length: int) -> bytes:
        """Raises: NotFound when it has been removed meanwhile."""
        try:
            return self._blobs.read(name, start, length)
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error

    def collect(self, older_than_ms: int = DAY_MS) -> int:
        """Removes what nothing uses and nobody has claimed for so long; the number of uploads removed."""
        before_ms = self._clock.now_ms() - older_than_ms
        count = 0
        while unused := self._uploads.unused(before_ms, BATCH):
            # The row goes first, in a transaction that looks again: who claims the same bytes now makes a new copy.
            gone = [upload for upload in unused if self._uploads.forget(upload.name, before_ms)]
            for upload in gone:
                self._remove(upload)
            count += len(gone)
            if not gone:
                break
        return count

    def sweep(self, older_than_ms: int = DAY_MS) -> int:
        """Removes files that no row knows, left by a crash; their number. Reads the whole folder."""
        count = 0
        for names in _batches(self._blobs.older_names(self._clock.now_ms() - older_than_ms)):
            known = self._uploads.known(names)
            for name in names:
                if name not in known:
                    self._blobs.remove(name)
                    count += 1
        return count

    def close(self) -> None:
        """Removes what is still arriving."""
        with self._lock:
            if self._incoming is not None:
                self._incoming.close()
                self._incoming = None

    def _arriving_folder(self) -> IncomingFolder:
        if self._incoming is None:
            self._incoming = IncomingFolder(self._root)
        return self._incoming

    def _ended(self, arrival: Arrival) -> None:
        with self._lock:
            under_way = self._arrivals.get(arrival.user_id, [])
            if arrival in under_way:
                under_way.remove(arrival)
            if not under_way:
                self._arrivals.pop(arrival.user_id, None)

    def _stored(self, upload: Upload) -> Stored | None:
        """None where a file of it is missing."""
        size_bytes = self._blobs.size_bytes(upload.name)
        if size_bytes is None or self._blobs.size_bytes(upload.thumb) is None:
            return None
        return Stored(upload, size_bytes)

    def _lost(self, sha256: str) -> Upload | None:
        """A row whose files are gone, say after a restore of the database alone: it gets them back."""
        upload = self._uploads.by_sha256(sha256)
        if upload is None or self._stored(upload) is not None:
            return None
        # Where `collect` takes them away, the row went before: its names must not be used again.
        return upload if self._uploads.by_sha256(sha256) == upload else None

    def _remove(self, upload: Upload) -> None:
        self._blobs.remove(upload.name)
        if upload.thumb:
            self._blobs.remove(upload.thumb)


def new_name() -> str:
    """256 random bits in hex: no two databases compare it differently."""
    return secrets.token_hex(32)


def is_name(text: str) -> bool:
    """True for what `new_name` may have given."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)


def file_name(name: str, mime: str) -> str:
    """What a browser calls the file when it is saved: "3f9c01d2a7be.jpg"."""
    return f"{name[:12]}.{SUFFIXES.get(mime, 'bin')}"


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(names)
    while batch := list(islice(iterator, BATCH)):
        yield batch
