"""Records of uploaded files; what `records` says of all records goes for these too."""

from imtornado.records import Record


class Picture(Record, frozen=True):
    """A picture as it was re-encoded: our type and size in pixels, and `placeholder`, a data: URL of a tiny WebP."""

    mime: str
    width: int
    height: int
    placeholder: str


class Content(Record, frozen=True):
    """What is kept of an upload: the type that its bytes prove, and the SHA-256 of the bytes that are kept.

    `width`, `height` and `placeholder` are 0 and "" for what is no picture or video, `duration_ms` is 0 for what
    has none or does not tell it.
    """

    mime: str
    result_sha256: str
    width: int = 0
    height: int = 0
    placeholder: str = ""
    duration_ms: int = 0
    has_thumb: bool = False


class Upload(Record, frozen=True):
    """A stored file. `name` is random and says nothing; `thumb` is the name of the thumbnail or "".

    `sha256` and `size_bytes` are those of the bytes that were sent; what is kept may be smaller, and another type.
    """

    sha256: str
    name: str
    mime: str
    size_bytes: int
    width: int
    height: int
    thumb: str
    placeholder: str
    owner_id: int
    created_at_ms: int
    duration_ms: int = 0
    result_sha256: str = ""


class Usage(Record, frozen=True):
    """What a user has uploaded."""

    size_bytes: int
    files: int


class PartialUpload(Record, frozen=True):
    """An upload that may go on after an interruption. `sha256` is "" until all `size_bytes` have come."""

    upload_id: str
    user_id: int
    size_bytes: int
    file_name: str
    form: str
    sha256: str
    expires_at_ms: int
