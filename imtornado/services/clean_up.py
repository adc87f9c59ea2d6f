"""Removing files that nobody needs: every hour, and by `imtornado gc`. Worker threads only."""

from collections.abc import Iterable, Iterator
from itertools import islice

from imtornado.clock import Clock
from imtornado.services.blobs import Blobs
from imtornado.services.uploads import remove
from storage.store import Store

DAY_MS = 86_400_000
BATCH = 500


class CleanUp:
    """What nothing has used for so long, and what no row knows."""

    def __init__(self, store: Store, clock: Clock, blobs: Blobs) -> None:
        self._uploads = store.uploads
        self._clock = clock
        self._blobs = blobs

    def collect(self, older_than_ms: int = DAY_MS) -> int:
        """Removes what nothing uses and nobody has claimed for so long; the number of uploads removed."""
        before_ms = self._clock.now_ms() - older_than_ms
        count = 0
        while unused := self._uploads.unused(before_ms, BATCH):
            # The row goes first, in a transaction that looks again: who claims the same bytes now makes a new copy.
            gone = [upload for upload in unused if self._uploads.forget(upload.name, before_ms)]
            for upload in gone:
                remove(self._blobs, upload)
            count += len(gone)
            if not gone:
                break
        return count

    def sweep(self, older_than_ms: int = DAY_MS) -> int:
        """Removes files that no row knows, left by a crash; their number. Reads the whole storage."""
        count = 0
        for names in _batches(self._blobs.older_names(self._clock.now_ms() - older_than_ms)):
            known = self._uploads.known(names)
            for name in names:
                if name not in known:
                    self._blobs.remove(name)
                    count += 1
        return count


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(names)
    while batch := list(islice(iterator, BATCH)):
        yield batch
