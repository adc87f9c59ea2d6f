"""What all ways of uploading have in common: from bytes on the disk to a stored file, and the answer."""

import logging
from pathlib import Path

from handlers.base import BaseHandler
from imtornado.attachments import SQUARE, convert
from imtornado.errors import Busy, UnsupportedKind
from imtornado.processes import ProcessFailed
from imtornado.resource_urls import PREFIX
from imtornado.services.uploads import Original, Stored

log = logging.getLogger(__name__)

# `filetype` is a label in the original; these two ask for a square in two sizes.
FORMS = {"avatar": SQUARE, "icon": SQUARE}


class Attachment(BaseHandler):
    """A subclass has the bytes on the disk, or knows their hash."""

    def reply_stored(self, stored: Stored) -> None:
        upload = stored.upload
        self.reply(
            PREFIX + upload.name,
            file={
                "name": stored.file_name,
                "mime": upload.mime,
                "size": stored.size_bytes,
                "width": upload.width,
                "height": upload.height,
                "duration": upload.duration_ms,
                "placeholder": upload.placeholder,
            },
            thumb=PREFIX + upload.thumb if upload.thumb else "",
        )

    async def store_file(self, original: Original, source: Path, result: Path, thumb: Path) -> Stored:
        """What is kept of the file at `source`; `result` and `thumb` are free paths beside it. Raises: ImError."""
        workers, uploads = self.context.workers, self.context.uploads
        stored = await workers.files.call(uploads.known, self.user_id, original)
        if stored is not None:
            return stored
        paths = str(source), str(result), str(thumb)
        try:
            content = await workers.pictures.call(
                convert, *paths, self.context.config.uploads.max_pixels, form=original.form
            )
            content = self.context.arrivals.limits.admitted(content, original.size_bytes)
            return await workers.files.call(uploads.keep, self.user_id, original, content, result, thumb)
        except ProcessFailed as error:
            log.info("a file of user %d cannot be read: %s", self.user_id, error)
            raise UnsupportedKind("The picture is damaged and cannot be read.", field="file") from error
        except OSError as error:
            log.exception("a file of user %d cannot be written", self.user_id)
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=60_000) from error
