"""`imtornado backup`: the database at one moment and the files that it speaks of, in one archive, while servers run."""

import argparse
import contextlib
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import imtornado
from imtornado.clock import Clock
from imtornado.commands.archive import PIECE_BYTES, ArchiveWriter, packed
from imtornado.commands.command import Refusal, add_command
from imtornado.commands.manifest import (
    DATABASE,
    FILES,
    FORMAT,
    HEAD,
    MANIFEST,
    PROOF,
    Entry,
    Head,
    Manifest,
    Rows,
    proof_of,
)
from imtornado.commands.partial_archive import NAMED_BY_US, PartialArchive, partial_archive
from imtornado.commands.progress import Progress
from imtornado.config import Config
from imtornado.protocol import encode, rfc3339
from imtornado.services.blob_places import open_blobs
from imtornado.services.blobs import Blobs
from storage.backends import open_database, open_store, sqlite_path
from storage.migrate import applied
from storage.snapshots import digests, snapshot
from storage.sql_store import SqlStore
from storage.sqlite import Sqlite
from storage.store import Store

KEPT_MS = 3_600_000  # nothing is forgotten for so long without our saying so again
AGAIN_S = 300.0
BATCH = 500
SUFFIXES = (".tar", ".tar.gz")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    backup = add_command(
        commands,
        "backup",
        _backup,
        "write the database and the uploaded files into one archive; servers may run meanwhile",
    )
    backup.add_argument(
        "target",
        type=Path,
        metavar="TO",
        help="a new file NAME.tar or NAME.tar.gz, or a folder for one named by the time",
    )
    backup.add_argument(
        "--files",
        choices=("yes", "no"),
        help="put the uploaded files into the archive (default: yes for those in a folder, no for those in S3, which "
        "are then listed by name)",
    )
    backup.epilog = (
        "Everything that was acknowledged before the backup began is in it. The archive appears under its name when it "
        "is complete and on the disk. It holds private messages and the means to impersonate users: keep it like the "
        "database. Its size, and that of the database for a while, must be free beside it. `imtornado restore --check` "
        "proves that an archive is whole."
    )


def _backup(config: Config, options: argparse.Namespace) -> None:
    path = sqlite_path(config.storage.url)
    if path is not None and not path.is_file():
        raise Refusal(f"there is no database at {path}; name the settings of the server with --config or --set")
    target = _target(options.target)
    with_files = options.files == "yes" or (options.files is None and not config.uploads.store)
    start = time.monotonic()
    try:
        with partial_archive(target) as partial:
            manifest = _write(config, partial, with_files=with_files, compress=target.suffix == ".gz")
        size_bytes = target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refusal(f"the backup could not be written to {target.parent}: {reason}. Nothing is left of it") from error
    print(
        f"{target}: {manifest.tables['message'].rows:,} messages, {manifest.file_count:,} files, "
        f"{size_bytes / 1_048_576:.1f} MB in {time.monotonic() - start:.0f} s"
    )
    if manifest.left_out:
        print(f"{len(manifest.left_out):,} files are listed and not in it (--files yes puts them in)")
    if manifest.missing:
        names = "\n".join(f"  {name}" for name in manifest.missing)
        raise Refusal(
            f"the backup is complete but for {len(manifest.missing)} files that are not there any more:\n{names}"
        )


def _target(place: Path) -> Path:
    if place.is_dir():
        place /= time.strftime(f"{NAMED_BY_US}%Y%m%d-%H%M%S.tar", time.gmtime())
    if not place.name.endswith(SUFFIXES):
        raise Refusal(f"name a folder, or a file that ends with {' or '.join(SUFFIXES)}")
    if place.exists():
        raise Refusal(f"{place} exists, and a backup overwrites nothing")
    if not place.parent.is_dir():
        raise Refusal(f"there is no folder {place.parent}")
    return place


def _write(config: Config, partial: PartialArchive, *, with_files: bool, compress: bool) -> Manifest:
    copy = partial.copy
    unsafe = config.storage.unsafe_durability
    now_s = int(time.time())
    head = Head(FORMAT, imtornado.__version__, rfc3339(now_s * 1000), config.storage.url.partition(":")[0])
    store = open_store(config.storage.url, Clock(), auto_migrate=False, unsafe_durability=unsafe)
    with closing(store), _files_kept(store) as keep:
        with closing(open_database(config.storage.url, unsafe_durability=unsafe, patient=True)) as database:
            snapshot(database, copy, lambda steps: _row_progress(steps, keep))
        tables = {name: Rows(*digest) for name, digest in digests(copy, keep).items()}
        with closing(Sqlite(copy)) as database:
            snapped = SqlStore(database, Clock())
            schema, names = applied(database), list(_names(snapped))
        with packed(partial.file, compress=compress) as stream:
            writer = ArchiveWriter(stream, now_s)
            entries: dict[str, Entry] = {}
            _add(writer, entries, HEAD, encode(head))
            size_bytes = copy.stat().st_size
            with copy.open("rb") as source:
                sha256 = writer.add(DATABASE, size_bytes, _kept_up(iter(lambda: source.read(PIECE_BYTES), b""), keep))
            entries[DATABASE] = Entry(sha256, size_bytes)
            missing = _add_files(writer, entries, open_blobs(config.uploads), names if with_files else [], keep)
            left_out = () if with_files else tuple(names)
            manifest = Manifest(head, schema, snapped.epoch, tables, entries, left_out, missing)
            text = encode(manifest)
            _add(writer, {}, MANIFEST, text)
            _add(writer, {}, PROOF, proof_of(text))
            writer.close()
    return manifest


@contextmanager
def _files_kept(store: Store) -> Iterator[Callable[[], None]]:
    """Nothing that a snapshot speaks of is removed meanwhile, by no server; to be called now and then."""
    holder, again_at, kept_until_ms = secrets.token_hex(8), float("-inf"), 0

    def keep() -> None:
        nonlocal again_at, kept_until_ms
        if time.monotonic() < again_at:
            return
        now_ms = store.clock.now_ms()
        if kept_until_ms and now_ms >= kept_until_ms:
            raise Refusal("the backup stood still for an hour: files may have been removed meanwhile. Begin again")
        store.uploads.keep_all(holder, now_ms + KEPT_MS)
        again_at, kept_until_ms = time.monotonic() + AGAIN_S, now_ms + KEPT_MS

    keep()
    try:
        yield keep
    finally:
        with contextlib.suppress(Exception):  # it ends by itself
            store.uploads.keep_all(holder, 0)


def _row_progress(steps: int, keep: Callable[[], None]) -> Callable[[str, int], None]:
    progress = Progress(steps, sys.stderr)

    def told(table: str, done: int) -> None:
        keep()
        progress.show(done, f"{done:,} of {steps:,} rows read and compared, {table}")

    return told


def _names(store: Store) -> Iterator[str]:
    """Of all files: uploads and their thumbnails."""
    last = ""
    while page := store.uploads.after(last, BATCH):
        for upload in page:
            yield upload.name
            if upload.thumb:
                yield upload.thumb
        last = page[-1].name


def _add(writer: ArchiveWriter, entries: dict[str, Entry], name: str, data: bytes) -> None:
    entries[name] = Entry(writer.add(name, len(data), [data]), len(data))


def _add_files(
    writer: ArchiveWriter, entries: dict[str, Entry], blobs: Blobs, names: list[str], keep: Callable[[], None]
) -> tuple[str, ...]:
    """Names of those that are not there."""
    missing, size_bytes = [], 0
    progress = Progress(len(names), sys.stderr)
    for done, name in enumerate(names, start=1):
        found = blobs.size_bytes(name)
        if found is None:
            missing.append(name)
        else:
            sha256 = writer.add(FILES + name, found, _kept_up(_pieces(blobs, name, found), keep))
            entries[FILES + name] = Entry(sha256, found)
            size_bytes += found
        progress.show(done, f"{done} of {len(names)} files, {size_bytes / 1_048_576:.1f} MB")
    return tuple(missing)


def _kept_up(pieces: Iterator[bytes], keep: Callable[[], None]) -> Iterator[bytes]:
    """The pieces, however slowly they are written."""
    for piece in pieces:
        keep()
        yield piece


def _pieces(blobs: Blobs, name: str, size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, PIECE_BYTES):
        yield blobs.read(name, start, min(PIECE_BYTES, size_bytes - start))
