"""How large which kind of file may be."""

import msgspec

from imtornado.config import Uploads as Settings
from imtornado.errors import TooLarge, UnsupportedKind
from imtornado.file_records import Content
from imtornado.kinds import PLAIN, FileKind, kind_of


class FileLimits:
    """`uploads.max_…` by kind; 0 takes none of that kind."""

    def __init__(self, settings: Settings) -> None:
        self._picture = settings.max_bytes
        self._voice = settings.max_voice_bytes
        self._video = settings.max_video_bytes
        self._other = settings.max_file_bytes

    @property
    def largest(self) -> int:
        """Bytes of a file whose kind nobody knows yet."""
        return max(self._picture, self._voice, self._video, self._other)

    def require_head(self, head: bytes, size_bytes: int) -> int:
        """The limit of a file that begins like this. Raises: TooLarge where it has more; UnsupportedKind."""
        match kind_of(head):
            case FileKind.MARKUP:
                raise UnsupportedKind(
                    "Web pages and SVG drawings are not taken. Send them inside a ZIP file.", field="file"
                )
            case FileKind.PICTURE:
                limit_bytes = self._picture
            case FileKind.MEDIA:
                # It may still prove to be a file of another kind.
                limit_bytes = max(self._voice, self._video, self._other)
            case FileKind.HEIF | FileKind.OTHER:
                limit_bytes = self._other
        require_size(limit_bytes, size_bytes)
        return limit_bytes

    def admitted(self, content: Content, size_bytes: int) -> Content:
        """As it is kept, what was made of so large a file: a recording above its limit, say a song, is an attachment.

        Raises: TooLarge, UnsupportedKind.
        """
        kind = content.mime.partition("/")[0]
        if kind == "audio" and 0 < self._voice < size_bytes <= self._other:
            return msgspec.structs.replace(content, mime=PLAIN, duration_ms=0)
        limits = {"image": self._picture, "audio": self._voice, "video": self._video}
        require_size(limits.get(kind, self._other), size_bytes)
        return content


def require_size(limit_bytes: int, size_bytes: int) -> None:
    """Raises: TooLarge; UnsupportedKind where nothing of this kind is taken."""
    if limit_bytes == 0:
        raise UnsupportedKind("This server takes no files of this kind.", field="file")
    if size_bytes > limit_bytes:
        raise TooLarge(
            "The file is too large: at most {megabytes} MB are taken.",
            field="file",
            megabytes=f"{limit_bytes / 1_048_576:.3g}",
        )
