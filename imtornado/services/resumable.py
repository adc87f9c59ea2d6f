"""Uploads that go on after an interruption (tus 1.0). Worker threads only.

What has arrived lies in a file under `uploads.folder`, whose size is the offset: a killed server loses nothing of it.
The file is locked while somebody writes to it or makes the stored file of it. A row says whose it is, and until when.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
from pathlib import Path

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import BadParameter, Busy, Conflict, NotFound, TooLarge, TooManyRequests
from imtornado.file_records import PartialUpload
from imtornado.kinds import HEAD_BYTES
from imtornado.services.arrivals import Arrivals
from imtornado.services.file_limits import FileLimits
from imtornado.services.file_names import is_name, safe_name
from storage.store import Store

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
UNFINISHED_PER_USER = 20


class PartialFile:
    """The bytes of an upload, locked for one writer. One thread at a time; `close` must follow."""

    def __init__(self, partial: PartialUpload, path: Path, limits: FileLimits) -> None:
        """Raises: Conflict, while another has it."""
        self.partial = partial
        self.path = path
        self._limits = limits
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Conflict("Another request is busy with this upload.") from None

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        return os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Raises: TooLarge, past the announced size or what its kind may have; UnsupportedKind; Busy."""
        offset = self.offset
        if offset + len(data) > self.partial.size_bytes:
            raise TooLarge("The file is larger than announced, or than this server takes.", field="file")
        if offset < HEAD_BYTES:
            head = os.pread(self._descriptor, HEAD_BYTES, 0) + data[: HEAD_BYTES - offset]
            self._limits.require_head(head, self.partial.size_bytes)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            log.exception("an upload cannot be written")
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=60_000) from error

    def sync(self) -> None:
        """What has arrived is on the disk."""
        os.fsync(self._descriptor)

    def sha256(self) -> str:
        """Of the whole file. Raises: Conflict, while bytes are missing."""
        if self.offset != self.partial.size_bytes:
            raise Conflict("This upload is not complete yet.")
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def remove(self) -> None:
        """Closes it too."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Resumable:
    """The rules of resumable uploads. Any worker thread."""

    def __init__(self, store: Store, config: Config, clock: Clock, arrivals: Arrivals) -> None:
        self._rows = store.partial_uploads
        self._clock = clock
        self._arrivals = arrivals
        self._lifetime_ms = config.uploads.unfinished_hours * HOUR_MS
        self._folder = Path(config.uploads.folder).resolve() / ".resumable"

    def create(self, user_id: int, size_bytes: int, file_name: str, form: str) -> PartialUpload:
        """Room for a file of so many bytes. Raises: BadParameter, TooLarge, QuotaExceeded, TooManyRequests."""
        if size_bytes == 0:
            raise BadParameter("The file is empty.", field="file")
        self._arrivals.require_room(user_id, size_bytes)
        if self._rows.usage(user_id).files >= UNFINISHED_PER_USER:
            raise TooManyRequests("Too many uploads at once. Wait until one has ended.", retry_after_ms=60_000)
        expires_at_ms = self._clock.now_ms() + self._lifetime_ms
        name = safe_name(file_name)
        partial = PartialUpload(secrets.token_hex(32), user_id, size_bytes, name, form, "", expires_at_ms)
        self._rows.create(partial)
        return partial

    def find(self, user_id: int, upload_id: str) -> PartialUpload:
        """Raises: NotFound: unknown, another's and expired look alike."""
        partial = self._rows.get(upload_id, user_id) if is_name(upload_id) else None
        if partial is None or partial.expires_at_ms <= self._clock.now_ms():
            raise NotFound("There is no such upload.")
        return partial

    def offset(self, partial: PartialUpload) -> int:
        """How many bytes of it have arrived."""
        if partial.sha256:
            return partial.size_bytes
        try:
            return self._path(partial.upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    def open(self, partial: PartialUpload) -> PartialFile:
        """Raises: Conflict, while another has it, and where all of it was taken already; Busy."""
        if partial.sha256:
            raise Conflict("This upload is complete.")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = PartialFile(partial, self._path(partial.upload_id), self._arrivals.limits)
        except OSError as error:
            log.exception("an upload cannot be written")
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=60_000) from error
        # Whoever had the lock before may have taken the file away.
        row = self._rows.get(partial.upload_id, partial.user_id)
        if row != partial:
            file.remove()
            raise Conflict("Another request is busy with this upload.")
        return file

    def take(self, file: PartialFile, sha256: str) -> None:
        """The stored file is made: only its hash is needed from now on."""
        self._rows.arrived(file.partial.upload_id, sha256)
        file.remove()

    def remove(self, partial: PartialUpload) -> None:
        """Raises: Conflict, while somebody writes to it."""
        if partial.sha256:
            self._rows.remove(partial.upload_id)
            return
        file = self.open(partial)
        self._rows.remove(partial.upload_id)
        file.remove()

    def sweep(self) -> int:
        """Removes those that have expired, and files that no row knows; the number of files. Called at start too."""
        for upload_id in self._rows.expired(self._clock.now_ms()):
            self._rows.remove(upload_id)
        if not self._folder.is_dir():
            return 0
        names = [path.name for path in self._folder.iterdir()]
        known = self._rows.known(names)
        return sum(self._removed(self._folder / name) for name in names if name not in known)

    def _removed(self, path: Path) -> bool:
        """False while somebody still writes to it."""
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            path.unlink()
            return True
        return False

    def _path(self, upload_id: str) -> Path:
        return self._folder / upload_id
