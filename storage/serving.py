"""Who works on a database: one server at a time on an SQLite file, any number on MySQL, and none while it is copied.

Of two servers on one file each would miss on its live side what the other does. Command-line tools need no such lock:
what they change reaches the server through the database.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from storage.backends import open_database, sqlite_path
from storage.database import UnfitDatabase, Use


class InUse(UnfitDatabase):
    """Somebody else works on the database in a way that bears no company; the text says who."""


@contextmanager
def serving(url: str, *, purpose: str = "a server") -> Iterator[None]:
    """Held by a server as long as it lives, and by whoever wants none meanwhile; the kernel ends it with its holder.

    Nothing for a backend that many nodes share. The folder exists. Raises: InUse, BadParameter.
    """
    path = sqlite_path(url)
    if path is None:
        yield
        return
    path = path.resolve()  # by whichever name it is called
    try:
        descriptor = os.open(f"{path}.serving", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InUse(f"{path}.serving, the lock of the database, cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"{path} is in use by {_holder(descriptor)}") from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def require_unused(url: str) -> None:
    """Raises: InUse where somebody is connected to a MySQL database; SQLite has `serving`. Busy."""
    if sqlite_path(url) is not None:
        return
    with closing(open_database(url)) as database:
        database.check_server(Use.READ)
        with database.reading() as connection:
            others = connection.execute(
                "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            ).fetchone()[0]
    if others:
        raise InUse(
            f"{others} connections to the MySQL database are open: stop the servers that use it, wherever they run, "
            "and other programs"
        )


def _holder(descriptor: int) -> str:
    """What the holder says of himself."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return os.pread(descriptor, 200, 0).decode() or "a server"
    return "a server"
