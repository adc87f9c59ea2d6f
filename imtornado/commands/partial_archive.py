"""An archive that has its name only when it is whole: a backup that failed, was ended or killed leaves none.

While it is written it is called `NAME.partial` and locked, with a copy of the database beside it, `NAME.partial.db`.
Both are removed when the backup fails; what a killed one left goes with the next one into the same folder.
"""

import contextlib
import fcntl
import glob
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple, NoReturn

from imtornado.commands.command import Refusal

SUFFIX = ".partial"
NAMED_BY_US = "imtornado-"  # and the time
ENDINGS = (signal.SIGTERM, signal.SIGHUP)  # by which a service manager and a lost terminal end a command
STATUS = 128  # + the signal's number, as shells say it


class PartialArchive(NamedTuple):
    """`path`, where the archive lies meanwhile, `file` to write it to, and `copy`, where the database may lie."""

    path: Path
    file: IO[bytes]
    copy: Path


@contextmanager
def partial_archive(target: Path) -> Iterator[PartialArchive]:
    """For its owner's eyes; takes the target's name when the block ends well, and is removed otherwise.

    Raises: Refusal where another backup writes the same target, OSError.
    """
    _remove_left(target.parent)
    path = target.with_name(f"{target.name}{SUFFIX}")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, _ended_in_order():
        _lock(descriptor, path, target)
        partial = PartialArchive(path, file, path.with_name(f"{path.name}.db"))
        try:
            file.truncate()
            yield partial
            _remove(*_copies(path))
            file.flush()
            os.fsync(descriptor)
            path.rename(target)
        except BaseException:
            _remove(path, *_copies(path))
            raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(descriptor: int, path: Path, target: Path) -> None:
    """Raises: Refusal where another one has it, or has just come to its end: then the file is its archive."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refusal(f"another backup writes {target}") from None
    is_ours = path.exists() and os.path.samestat(path.stat(), os.fstat(descriptor))
    if target.exists() or not is_ours:
        if is_ours:
            path.unlink()
        raise Refusal(f"another backup has just written {target}, and a backup overwrites nothing")


def _remove_left(folder: Path) -> None:
    """What killed backups have left, by a name that we gave. The kernel has ended their locks, not those of others."""
    for path in sorted(folder.glob(f"{NAMED_BY_US}*.tar{SUFFIX}")):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(*_copies(path), path)
            print(f"removed {path}, left by a backup that was killed", file=sys.stderr)


def _copies(path: Path) -> list[Path]:
    """The database beside it, and what SQLite and we ourselves put beside that."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.db*"))


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Signals that would kill at once end the block by SystemExit."""
    before = {number: signal.signal(number, _exit) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(STATUS + number)
