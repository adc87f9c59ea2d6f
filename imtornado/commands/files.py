"""`imtornado copy-files` and `imtornado gc`: moving the stored files elsewhere, and removing what nobody needs."""

import argparse
import hashlib
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imtornado.clock import Clock
from imtornado.commands.command import Refusal, add_command
from imtornado.commands.progress import Progress
from imtornado.config import Config
from imtornado.file_records import Upload
from imtornado.services.blob_places import blobs_at, open_blobs
from imtornado.services.blobs import Blobs
from imtornado.services.clean_up import CleanUp
from imtornado.services.uploads import THUMB_MIME, blob_type
from storage.backends import open_store
from storage.store import Store

BATCH = 500
PIECE_BYTES = 1_048_576
LEAST_HOURS = 1  # what is younger may belong to an upload that is under way


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    copy = add_command(
        commands, "copy-files", _copy_files, "copy the stored files from one place to another and compare every one"
    )
    place = "a folder, or s3://BUCKET/PREFIX with the endpoint and credentials of the settings"
    copy.add_argument("source", metavar="FROM", help=place)
    copy.add_argument("target", metavar="TO", help=place)
    gc = add_command(commands, "gc", _gc, "remove uploads that nothing uses, and files that no upload knows")
    gc.add_argument(
        "--older-than", type=_hours, default=24, metavar="HOURS", help="leave what is younger (default: %(default)s)"
    )


def _copy_files(config: Config, options: argparse.Namespace) -> None:
    source, target = (blobs_at(place, config.uploads) for place in (options.source, options.target))
    if options.source == options.target:
        raise Refusal("FROM and TO are the same place")
    if not options.source.startswith("s3://") and not Path(options.source).is_dir():
        raise Refusal(f"there is no folder {options.source}")
    with _store(config) as store:
        uploads = [*_all(store)]
        progress = Progress(len(uploads), sys.stderr)
        with _near(options.target) as folder:
            copied, size_bytes, missing = 0, 0, []
            for done, upload in enumerate(uploads, start=1):
                for name, mime in _files(upload):
                    try:
                        size, new = _copied(source, target, name, mime, folder)
                    except FileNotFoundError:
                        missing.append(name)
                        continue
                    copied, size_bytes = copied + new, size_bytes + size
                progress.show(done, f"{done} of {len(uploads)} files, {size_bytes / 1_048_576:.1f} MB")
    print(f"{copied} files copied, {size_bytes / 1_048_576:.1f} MB compared in all")
    if missing:
        names = "\n".join(f"  {name}" for name in missing)
        raise Refusal(f"{len(missing)} files that the database knows are not in {options.source}:\n{names}")


def _copied(source: Blobs, target: Blobs, name: str, mime: str, folder: Path) -> tuple[int, bool]:
    """(its size, whether it had to be copied). Raises: FileNotFoundError, Refusal where the copy differs."""
    wanted, size_bytes = _digest(source, name)
    if target.size_bytes(name) == size_bytes and _digest(target, name) == (wanted, size_bytes):
        return size_bytes, False
    path = folder / secrets.token_hex(16)
    try:
        with path.open("xb") as file:
            for piece in _pieces(source, name):
                file.write(piece)
        target.put(name, path, blob_type(name, mime))
    finally:
        path.unlink(missing_ok=True)
    if _digest(target, name) != (wanted, size_bytes):
        raise Refusal(f"the copy of {name} is not what was read: is the storage damaged?")
    return size_bytes, True


def _digest(blobs: Blobs, name: str) -> tuple[str, int]:
    """(SHA-256, size). Raises: FileNotFoundError."""
    digest, size_bytes = hashlib.sha256(), 0
    for piece in _pieces(blobs, name):
        digest.update(piece)
        size_bytes += len(piece)
    return digest.hexdigest(), size_bytes


def _pieces(blobs: Blobs, name: str) -> Iterator[bytes]:
    start = 0
    while piece := blobs.read(name, start, PIECE_BYTES):
        yield piece
        start += len(piece)
        if len(piece) < PIECE_BYTES:
            return


def _all(store: Store) -> Iterator[Upload]:
    last = ""
    while page := store.uploads.after(last, BATCH):
        yield from page
        last = page[-1].name


def _files(upload: Upload) -> Iterator[tuple[str, str]]:
    """(name, type) of the upload and its thumbnail."""
    yield upload.name, upload.mime
    if upload.thumb:
        yield upload.thumb, THUMB_MIME


def _gc(config: Config, options: argparse.Namespace) -> None:
    blobs = open_blobs(config.uploads)
    with _store(config) as store:
        clean_up = CleanUp(store, store.clock, blobs)
        older_than_ms = options.older_than * 3_600_000
        unused, unknown = clean_up.collect(older_than_ms), clean_up.sweep(older_than_ms)
    print(f"{unused} uploads that nothing used removed, and {unknown} files that no upload knew")


@contextmanager
def _store(config: Config) -> Iterator[Store]:
    store = open_store(
        config.storage.url,
        Clock(),
        auto_migrate=config.storage.auto_migrate,
        unsafe_durability=config.storage.unsafe_durability,
    )
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _near(target: str) -> Iterator[Path]:
    """A folder for copies that are not whole yet; beside a target folder, which takes them by rename."""
    root = None if target.startswith("s3://") else Path(target)
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".copying-", dir=root) as folder:
        yield Path(folder)


def _hours(text: str) -> int:
    if text.isascii() and text.isdigit() and LEAST_HOURS <= int(text) <= 87_600:
        return int(text)
    raise argparse.ArgumentTypeError(f"write a whole number of hours, at least {LEAST_HOURS}")
