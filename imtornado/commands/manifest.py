"""What a backup says of itself, and the proof that it is true.

The archive holds, in this order: `imtornado-backup.json` (Head), `im.db` (the database as an SQLite file, whatever it
came from), `files/NAME` (uploads), `manifest.json` (Manifest) and `manifest.json.sha256`. The manifest names the hash
of everything before it, and without the last two an archive is not whole.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from imtornado.commands.archive import DamagedArchive, Member, members
from imtornado.commands.command import Refusal

FORMAT = 1
HEAD, DATABASE, FILES = "imtornado-backup.json", "im.db", "files/"
MANIFEST, PROOF = "manifest.json", "manifest.json.sha256"


class Head(msgspec.Struct, frozen=True):
    """By whom and when it was made, of what kind of database."""

    format: int
    imtornado: str
    created: str  # RFC 3339
    source: str  # sqlite, mysql


class Entry(msgspec.Struct, frozen=True, array_like=True):
    sha256: str
    size_bytes: int


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """What a table holds (`storage.tables.Digest`)."""

    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    head: Head
    schema: tuple[str, ...]  # migrations that the database has
    epoch: str
    tables: dict[str, Rows]
    entries: dict[str, Entry]  # {name in the archive: …} of all before the manifest
    left_out: tuple[str, ...] = ()  # names of uploads that the database knows and the archive was not to hold
    missing: tuple[str, ...] = ()  # those that were not there

    @property
    def file_count(self) -> int:
        return sum(name.startswith(FILES) for name in self.entries)


def check(path: Path, told: Callable[[int, str], None]) -> Manifest:
    """The manifest of an archive of which every byte is as it was written; `told`: (bytes read, what of).

    Raises: Refusal.
    """
    try:
        return _checked(path, told)
    except (DamagedArchive, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} is damaged or no backup: {error}") from error
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from error


def _checked(path: Path, told: Callable[[int, str], None]) -> Manifest:
    entries: dict[str, Entry] = {}
    read, text, proof, last = 0, b"", b"", ""
    for member in members(path):
        if not entries and member.name != HEAD:
            raise DamagedArchive(f"it begins with {member.name}")
        digest, kept = hashlib.sha256(), []
        for piece in member.pieces:
            digest.update(piece)
            read += len(piece)
            told(read, member.name)
            if member.name in (HEAD, MANIFEST, PROOF):
                kept.append(piece)
        last = member.name
        if member.name == HEAD:
            _require_known(msgspec.json.decode(b"".join(kept), type=Head))
        if member.name == MANIFEST:
            text = b"".join(kept)
        elif member.name == PROOF:
            proof = b"".join(kept)
        elif member.name in entries or text:
            raise DamagedArchive(f"{member.name} is in the wrong place")
        else:
            entries[member.name] = Entry(digest.hexdigest(), member.size_bytes)
    if last != PROOF or proof != proof_of(text):
        raise DamagedArchive("its manifest is not as it was written")
    manifest = msgspec.json.decode(text, type=Manifest)
    wrong = sorted(
        name for name in manifest.entries.keys() | entries if manifest.entries.get(name) != entries.get(name)
    )
    if wrong:
        raise DamagedArchive(f"{', '.join(wrong[:5])} is not as it was written")
    return manifest


def _require_known(head: Head) -> None:
    if head.format > FORMAT:
        raise Refusal(f"this backup was made by imtornado {head.imtornado}: install that version to restore it")


def proof_of(manifest: bytes) -> bytes:
    """As sha256sum prints and checks it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def proved(member: Member, manifest: Manifest) -> Iterator[bytes]:
    """The pieces of a member, checked once more when all have been given. Raises: DamagedArchive."""
    digest = hashlib.sha256()
    for piece in member.pieces:
        digest.update(piece)
        yield piece
    if manifest.entries[member.name] != Entry(digest.hexdigest(), member.size_bytes):
        raise DamagedArchive(f"{member.name} has changed since it was checked")
