"""What kind of file some bytes are, by the bytes alone: a name and a Content-Type are a stranger's words."""

from enum import Enum

HEAD_BYTES = 4096  # enough of a file's beginning to tell
PLAIN = "application/octet-stream"

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
_STILL_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MEDIA_BRANDS = (b"iso", b"mp4", b"m4a", b"m4v", b"m4b", b"avc1", b"dash", b"qt  ", b"msnv", b"3gp", b"mmp4", b"f4v")
_EBML = b"\x1a\x45\xdf\xa3"  # RFC 8794
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BLANK = b" \t\r\n\f\v\0"


class FileKind(Enum):
    PICTURE = "a picture, to be made anew"
    HEIF = "a picture that is not made anew, but must not tell where it was taken"
    MEDIA = "a recording or a video"
    MARKUP = "HTML, SVG or XML: what a browser may run"
    OTHER = "anything else"


def kind_of(head: bytes) -> FileKind:
    """The kind of a file that begins with `head`; a MEDIA may still prove to be none (`containers`)."""
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return FileKind.PICTURE
    if head[4:8] == b"ftyp":
        brand = head[8:12].lower()
        if brand in _STILL_BRANDS:
            return FileKind.PICTURE
        if brand in _HEIF_BRANDS:
            return FileKind.HEIF
        return FileKind.MEDIA if brand.startswith(_MEDIA_BRANDS) else FileKind.OTHER
    if head.startswith((_EBML, b"OggS")):
        return FileKind.MEDIA
    return FileKind.MARKUP if _is_markup(head) else FileKind.OTHER


def _is_markup(head: bytes) -> bool:
    """As browsers guess (WHATWG MIME Sniffing, section 7.1), and more: any text whose first sign opens a tag."""
    while head.startswith(_MARKS):
        head = head[2:].removeprefix(b"\xbf")
    # Without NULs, UTF-16 is read as the letters it holds.
    text = head.replace(b"\0", b"").lstrip(_BLANK)
    return text[:1] == b"<" and (text[1:2].isalpha() or text[1:2] in (b"!", b"?", b"/"))
