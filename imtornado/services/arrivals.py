"""Files on their way in: who may send how much at once and in a day. Worker threads only."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.errors import BadParameter, Busy, QuotaExceeded, TooLarge, TooManyRequests
from imtornado.kinds import HEAD_BYTES
from imtornado.services.file_limits import FileLimits, require_size
from imtornado.services.incoming import IncomingFile, IncomingFolder
from storage.store import Store

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
ARRIVALS_PER_USER = 6  # as many connections as a browser opens


class Arrival:
    """A file on its way in. One thread at a time; `end` must follow, whatever happens."""

    def __init__(
        self,
        user_id: int,
        reserved_bytes: int,
        *,
        limits: FileLimits,
        folder: IncomingFolder,
        on_end: "Callable[[Arrival], None]",
    ) -> None:
        self.user_id = user_id
        self.reserved_bytes = reserved_bytes
        self.result_path = folder.new_path()
        self.thumb_path = folder.new_path()
        self._file = IncomingFile(folder.new_path())
        self._limits = limits
        self._limit_bytes = reserved_bytes
        self._head = b""
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
        """Raises: TooLarge (past what was announced or its kind may have), UnsupportedKind, Busy (the disk is full)."""
        require_size(self._limits.largest, self.size_bytes + len(data))
        if self.size_bytes + len(data) > self.reserved_bytes:
            raise TooLarge("The file is larger than announced, or than this server takes.", field="file")
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
            self._limit_bytes = self._limits.require_head(self._head, self.size_bytes + len(data))
        require_size(self._limit_bytes, self.size_bytes + len(data))
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
        self.result_path.unlink(missing_ok=True)
        self.thumb_path.unlink(missing_ok=True)
        self._on_end(self)


class Arrivals:
    """Room for files on their way in. Any worker thread."""

    def __init__(self, store: Store, config: Config, clock: Clock) -> None:
        self._uploads = store.uploads
        self._partial = store.partial_uploads
        self._settings = config.uploads
        self._clock = clock
        self.limits = FileLimits(config.uploads)
        self._root = Path(config.uploads.folder).resolve()
        self._incoming: IncomingFolder | None = None
        self._under_way: dict[int, list[Arrival]] = {}  # {user_id: those that count in his quota already}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Removes what a killed process left half-received. Called at start; the first upload does it too."""
        with self._lock:
            self._folder()

    def begin(self, user_id: int, announced_bytes: int) -> Arrival:
        """Room for a file of at most so many bytes.

        Raises: TooLarge; QuotaExceeded (`uploads.user_bytes`, `uploads.user_files` in 24 hours); TooManyRequests
        (too many at once).
        """
        require_size(self.limits.largest, announced_bytes)
        used_bytes, used_files = self._used(user_id)
        with self._lock:
            others = self._under_way.get(user_id, [])
            if len(others) >= ARRIVALS_PER_USER:
                raise TooManyRequests("Too many uploads at once. Wait until one has ended.", retry_after_ms=2000)
            used_bytes += sum(other.reserved_bytes for other in others)
            self._require_room(used_bytes + announced_bytes, used_files + len(others) + 1)
            arrival = Arrival(user_id, announced_bytes, limits=self.limits, folder=self._folder(), on_end=self._ended)
            self._under_way.setdefault(user_id, []).append(arrival)
            return arrival

    def require_room(self, user_id: int, announced_bytes: int) -> None:
        """Raises: TooLarge, QuotaExceeded, for an upload that is to come in pieces."""
        require_size(self.limits.largest, announced_bytes)
        used_bytes, used_files = self._used(user_id)
        with self._lock:
            others = self._under_way.get(user_id, [])
            used_bytes += sum(other.reserved_bytes for other in others)
            self._require_room(used_bytes + announced_bytes, used_files + len(others) + 1)

    def result_paths(self) -> tuple[Path, Path]:
        """Paths of files that this process alone knows, removed with it."""
        with self._lock:
            return self._folder().new_path(), self._folder().new_path()

    def close(self) -> None:
        """Removes what is still arriving."""
        with self._lock:
            if self._incoming is not None:
                self._incoming.close()
                self._incoming = None

    def _used(self, user_id: int) -> tuple[int, int]:
        stored = self._uploads.usage(user_id, self._clock.now_ms() - DAY_MS)
        partial = self._partial.usage(user_id)
        return stored.size_bytes + partial.size_bytes, stored.files + partial.files

    def _require_room(self, size_bytes: int, files: int) -> None:
        if size_bytes > self._settings.user_bytes or files > self._settings.user_files:
            raise QuotaExceeded("You have uploaded as much as one day allows. Try again later.", field="file")

    def _folder(self) -> IncomingFolder:
        if self._incoming is None:
            self._incoming = IncomingFolder(self._root)
        return self._incoming

    def _ended(self, arrival: Arrival) -> None:
        with self._lock:
            under_way = self._under_way.get(arrival.user_id, [])
            if arrival in under_way:
                under_way.remove(arrival)
            if not under_way:
                self._under_way.pop(arrival.user_id, None)
