"""`imtornado restore`: a server's database and files from an archive of `imtornado backup`.

The database comes last and in one step. Until then there is none (SQLite), or one that no server takes (MySQL), and
the same command begins anew.
"""

import argparse
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from imtornado.clock import Clock
from imtornado.commands.archive import DamagedArchive, members
from imtornado.commands.command import Refusal, add_command
from imtornado.commands.manifest import DATABASE, FILES, Manifest, check, proved
from imtornado.commands.progress import Progress
from imtornado.config import Config
from imtornado.services.blob_places import open_blobs
from imtornado.services.blobs import Blobs
from imtornado.services.uploads import THUMB_MIME, blob_type
from storage.backends import open_database, sqlite_path
from storage.copying import clear, is_empty, is_unfinished, opened, release
from storage.database import Database
from storage.serving import require_unused, serving
from storage.snapshots import put_in_place, renew
from storage.sql_store import SqlStore
from storage.sqlite import Sqlite

BATCH = 500
MARK = ".restoring"  # in the folder of the files, as long as a restore has not come to its end
FAR_MS = 2**53


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    restore = add_command(
        commands, "restore", _restore, "make an empty database and folder, those of the settings, from a backup"
    )
    restore.add_argument("archive", type=Path, metavar="FILE", help="an archive of `imtornado backup`")
    restore.add_argument("--check", action="store_true", help="only prove that the archive is whole; touch nothing")
    restore.add_argument(
        "--replace",
        action="store_true",
        help="also where there are data: an SQLite database is renamed first, a MySQL one is lost, files stay",
    )
    restore.add_argument(
        "--end-sessions",
        action="store_true",
        help="everybody has to log in again; else who was logged in then is again",
    )
    restore.epilog = (
        "The settings decide on kind and place of the database and of the files; they may be others than those of the "
        "backup. A restore that was interrupted begins anew when the same command is given again. Clients notice that "
        "the database is another one and fetch everything again."
    )


def _restore(config: Config, options: argparse.Namespace) -> None:
    start = time.monotonic()
    manifest = _checked(options.archive)
    if options.check:
        _tell(manifest, f"{options.archive} is whole: it holds")
        return
    blobs = open_blobs(config.uploads)
    try:
        _put(config, options, manifest, blobs)
    except DamagedArchive as error:
        raise Refusal(f"{options.archive} was changed while it was read: {error}") from error
    except (OSError, sqlite3.Error) as error:
        reason = f"{error.filename or ''} {error.strerror}".strip() if isinstance(error, OSError) else error
        raise Refusal(f"the restore stopped: {reason}. The same command begins anew") from error
    _tell(manifest, f"restored in {time.monotonic() - start:.0f} s:")
    _tell_absent(manifest, blobs)


def _put(config: Config, options: argparse.Namespace, manifest: Manifest, blobs: Blobs) -> None:
    """Files first, and the database when all are there. Raises: Refusal, DamagedArchive, OSError, sqlite3.Error."""
    url, root = config.storage.url, Path(config.uploads.folder).resolve()
    path, mark = sqlite_path(url), root / MARK
    require_unused(url)
    with ExitStack() as stack:
        database = open_database(url, unsafe_durability=config.storage.unsafe_durability, patient=True)
        target = stack.enter_context(closing(database))
        stack.enter_context(serving(url, purpose="imtornado restore"))
        if not options.replace:
            _require_empty(target, blobs, mark)
        root.mkdir(parents=True, exist_ok=True)
        mark.touch(mode=0o600)
        beside = root if path is None else path.resolve().parent
        for place in {beside, root}:
            for left in place.glob(f"{MARK}?*"):  # by one that was killed
                shutil.rmtree(left)
        folder, arriving = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=MARK, dir=place))) for place in (beside, root)
        )
        copy = folder / DATABASE
        _unpack(options, manifest, copy, blobs, arriving)
        if path is not None:
            target.close()
            replaced = put_in_place(copy, path.resolve(), f"replaced-{datetime.now(UTC):%Y%m%d-%H%M%S}")
            if replaced is not None:
                print(f"the database that was there is {replaced} now")
        else:
            clear(target)
            with closing(Sqlite(copy)) as source, opened(source, target) as copying:
                steps = copying.steps()
                progress = Progress(steps, sys.stderr)
                copying.run(lambda table, done: progress.show(done, f"{done:,} of {steps:,} rows restored, {table}"))
            release(target)
        mark.unlink()


def _require_empty(target: Database, blobs: Blobs, mark: Path) -> None:
    """What an interrupted restore has left counts as nothing. Raises: Refusal."""
    if not (is_unfinished(target) or is_empty(target)):
        raise Refusal("the database has data already; name an empty one, or say --replace")
    if not mark.exists() and next(iter(blobs.older_names(FAR_MS)), None) is not None:
        raise Refusal("there are uploaded files already; name an empty place for them, or say --replace")


def _checked(archive: Path) -> Manifest:
    try:
        size_bytes = archive.stat().st_size
    except OSError as error:
        raise Refusal(f"{archive} cannot be read: {error.strerror}") from error
    progress = Progress(size_bytes, sys.stderr)
    return check(archive, lambda read, name: progress.show(min(read, size_bytes - 1), f"checking {name[:40]}"))


def _tell(manifest: Manifest, what: str) -> None:
    messages = manifest.tables["message"].rows if "message" in manifest.tables else 0
    print(
        f"{what} {messages:,} messages and {manifest.file_count:,} files, backed up {manifest.head.created} "
        f"from {manifest.head.source} by imtornado {manifest.head.imtornado}"
    )


def _tell_absent(manifest: Manifest, blobs: Blobs) -> None:
    names = (*manifest.left_out, *manifest.missing)
    absent = [name for name in names if blobs.size_bytes(name) is None]
    if names:
        print(f"{len(names):,} files were not in the backup; {len(absent):,} of them are not in the storage either")


def _unpack(options: argparse.Namespace, manifest: Manifest, copy: Path, blobs: Blobs, arriving: Path) -> None:
    """Puts the files into their place and the database, ready to be served, to `copy`."""
    mimes: dict[str, str] = {}
    progress = Progress(manifest.file_count, sys.stderr)
    done = 0
    for member in members(options.archive):
        if member.name == DATABASE:
            _write(copy, proved(member, manifest))
            renew(copy, end_sessions=options.end_sessions)
            mimes = _mimes(copy)
        elif member.name.startswith(FILES):
            name = member.name.removeprefix(FILES)
            _write(arriving / name, proved(member, manifest))
            blobs.put(name, arriving / name, blob_type(name, mimes.get(name, THUMB_MIME)))
            done += 1
            progress.show(done, f"{done} of {manifest.file_count} files")


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)


def _mimes(copy: Path) -> dict[str, str]:
    """{name: type} of the uploads; thumbnails are all of one type."""
    found: dict[str, str] = {}
    with closing(Sqlite(copy)) as database:
        store, last = SqlStore(database, Clock()), ""
        while page := store.uploads.after(last, BATCH):
            found |= {upload.name: upload.mime for upload in page}
            last = page[-1].name
    return found
