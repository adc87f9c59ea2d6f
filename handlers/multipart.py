"""A multipart/form-data body, taken apart while it arrives (RFC 7578, RFC 2046 section 5.1).

No I/O and no copies of whole parts: whoever feeds the parser decides where the bytes go.
"""

import re
from enum import Enum, auto

import msgspec

from imtornado.errors import MalformedBody

HEADER_LIMIT_BYTES = 8192  # of one part; a file name of 255 characters takes at most 3 KB
PREAMBLE_LIMIT_BYTES = 1024  # browsers send none

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70})(?=[\s;]|$))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """The head of a part; its bytes follow. `file_name` is None for a plain field."""

    name: str
    file_name: str | None


Piece = Part | bytes


class _State(Enum):
    PREAMBLE = auto()
    DELIMITER = auto()  # the rest of the line after a boundary
    HEADERS = auto()
    BODY = auto()
    END = auto()


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names. Raises: MalformedBody."""
    if content_type.split(";")[0].strip().lower() != "multipart/form-data":
        raise MalformedBody("Send the file as multipart/form-data.")
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise MalformedBody("The multipart body names no boundary.")
    return (match[1] or match[2]).encode("latin-1", "replace")


class MultipartParser:
    """Feed it the body in pieces of any size; it gives heads of parts and their bytes, in order."""

    def __init__(self, boundary: bytes, *, max_parts: int = 16) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first boundary has no line before it
        self._state = _State.PREAMBLE
        self._parts_left = max_parts

    def feed(self, data: bytes) -> list[Piece]:
        """What is certain after these bytes. Raises: MalformedBody; nothing may be fed after that."""
        if self._state is _State.END:
            return []  # an epilogue says nothing
        self._buffer += data
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def close(self) -> None:
        """To be called at the end of the body. Raises: MalformedBody where it is cut off."""
        if self._state is not _State.END:
            raise MalformedBody("The multipart body ends in the middle.")

    def _step(self, pieces: list[Piece]) -> bool:
        """Takes what it can from the buffer; False when more bytes are needed or none are wanted."""
        match self._state:
            case _State.PREAMBLE | _State.BODY:
                return self._up_to_delimiter(pieces)
            case _State.DELIMITER:
                return self._after_delimiter()
            case _State.HEADERS:
                return self._headers(pieces)
            case _State.END:
                self._buffer.clear()
                return False

    def _up_to_delimiter(self, pieces: list[Piece]) -> bool:
        position = self._buffer.find(self._delimiter)
        # Its beginning may stand at the end of what has come so far.
        certain = position if position >= 0 else len(self._buffer) - len(self._delimiter) + 1
        if certain > 0:
            if self._state is _State.BODY:
                pieces.append(bytes(memoryview(self._buffer)[:certain]))
            elif certain > PREAMBLE_LIMIT_BYTES:
                raise MalformedBody("The multipart body does not begin with its boundary.")
        if position >= 0:
            del self._buffer[: position + len(self._delimiter)]
            self._state = _State.DELIMITER
            return True
        if certain > 0 and self._state is _State.BODY:
            del self._buffer[:certain]
        return False

    def _after_delimiter(self) -> bool:
        line_end = self._buffer.find(b"\r\n")
        if self._buffer.startswith(b"--"):
            self._state = _State.END
            return True
        if line_end < 0:
            if len(self._buffer) > HEADER_LIMIT_BYTES:
                raise MalformedBody("The multipart body is damaged.")
            return False
        if self._buffer[:line_end].strip(b" \t"):
            raise MalformedBody("The multipart body is damaged.")
        if self._parts_left == 0:
            raise MalformedBody("The multipart body has too many parts.")
        self._parts_left -= 1
        del self._buffer[: line_end + 2]
        self._state = _State.HEADERS
        return True

    def _headers(self, pieces: list[Piece]) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end > HEADER_LIMIT_BYTES or (end < 0 and len(self._buffer) > HEADER_LIMIT_BYTES):
            raise MalformedBody("A part of the multipart body has headers that are too long.")
        if end < 0:
            return False
        pieces.append(_part(bytes(self._buffer[:end])))
        del self._buffer[: end + 4]
        self._state = _State.BODY
        return True


def _part(headers: bytes) -> Part:
    """Raises: MalformedBody where the part has no name."""
    for line in headers.decode("utf-8", "replace").split("\r\n"):
        header, _, value = line.partition(":")
        if header.strip().lower() == "content-disposition" and value.strip().lower().startswith("form-data"):
            found = {match[1].lower(): _unquoted(match[2], match[3]) for match in _PARAMETER.finditer(value)}
            if "name" in found:
                return Part(found["name"], found.get("filename"))
    raise MalformedBody("A part of the multipart body has no name.")


def _unquoted(quoted: str | None, token: str) -> str:
    # Browsers write %22 for a quotation mark, curl \"; a lone backslash is a letter (old Windows paths).
    return token if quoted is None else quoted.replace('\\"', '"').replace("\\\\", "\\")
