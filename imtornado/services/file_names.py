"""Names of files: ours, which say nothing, and those of users, made safe to show and to save under."""

import secrets
import unicodedata
import urllib.parse

NAME_CHARACTERS = 120
NAME_BYTES = 240  # what file systems take is 255
# Characters that Windows takes in no name; / and \ were cut at before.
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
# Controls, formats (among them those that turn the direction of writing), surrogates, private and unassigned ones.
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"com{number}" for number in range(10)), *(f"lpt{number}" for number in range(10)))
)
SUFFIXES = {
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
    "audio/mp4": "m4a",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
}


def new_name() -> str:
    """256 random bits in hex: no two databases compare it differently."""
    return secrets.token_hex(32)


def is_name(text: str) -> bool:
    """True for what `new_name` may have given."""
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)


def neutral_name(name: str, mime: str) -> str:
    """What a browser calls a file of ours when it is saved: "3f9c01d2a7be.jpg"."""
    return f"{name[:12]}.{SUFFIXES.get(mime, 'bin')}"


def safe_name(told: str) -> str:
    """A user's name for his file as it may be shown to others and saved anywhere; "" where nothing is left of it.

    Without folders, controls and what turns the direction of writing; its suffix is kept when it is cut.
    """
    name = told.replace("\\", "/").rpartition("/")[2]
    name = unicodedata.normalize("NFC", name)
    name = "".join(letter for letter in name if unicodedata.category(letter) not in _DROPPED)
    name = " ".join(name.translate(_FORBIDDEN).split()).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:
        stem, dot, suffix = name, "", ""
    room = NAME_CHARACTERS - len(dot) - len(suffix)
    stem = stem[:room]
    while len(f"{stem}{dot}{suffix}".encode()) > NAME_BYTES:
        stem = stem[:-1]
    if stem.partition(".")[0].strip().lower() in _DEVICES:
        stem = f"_{stem}"
    return f"{stem.rstrip()}{dot}{suffix}"


def disposition(kind: str, file_name: str) -> str:
    """The value of Content-Disposition (RFC 6266): an ASCII name for old clients, the whole name for all others."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in file_name)
    value = f'{kind}; filename="{plain}"'
    if plain == file_name:
        return value
    return f"{value}; filename*=UTF-8''{urllib.parse.quote(file_name, safe='')}"
