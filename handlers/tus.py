"""Uploads that go on after an interruption: the core of tus 1.0 (https://tus.io/protocols/resumable-upload).

POST /attach/tus begins one, HEAD and PATCH /attach/tus/ID ask for its offset and bring more, DELETE gives it up, and
POST /attach/finish gives what /attach/upload would have given.
"""

import base64
import contextlib
import datetime
import email.utils

import tornado.web

from handlers import caller
from handlers.attachment import FORMS, Attachment
from handlers.base import Access, BaseHandler
from handlers.context import Context
from handlers.streaming import WRITE_BYTES, StreamedBody
from imtornado.errors import BadParameter, Busy, Conflict, ImError, TooLarge, UnsupportedKind, VersionNotSpoken
from imtornado.file_records import PartialUpload
from imtornado.services.resumable import PartialFile
from imtornado.services.uploads import Original

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
METADATA_LIMIT = 4096
LENGTH_DIGITS = 15


class Tus(BaseHandler):
    """What every call of the protocol has: its version, and numbers in headers."""

    access = Access.SESSION
    counted_as = "/attach/tus"

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Tus-Resumable", VERSION)
        self.set_header("Tus-Version", VERSION)

    async def prepare(self) -> None:
        if self.request.method == "OPTIONS":  # tells nothing that is not in every HELLO
            caller.require_known_host(self.request, self.context.config.server)
            return
        version = self.request.headers.get("Tus-Resumable", VERSION)
        if version != VERSION:
            raise VersionNotSpoken("This version of tus is not spoken here: {version}.", version=VERSION)
        await super().prepare()

    async def options(self, *_: str) -> None:
        """What is spoken here."""
        self.clear_header("Tus-Resumable")
        self.set_header("Tus-Extension", EXTENSIONS)
        self.set_header("Tus-Max-Size", str(self.context.arrivals.limits.largest))
        self.set_status(204)

    def number(self, header: str) -> int:
        """Raises: BadParameter."""
        text = self.request.headers.get(header, "")
        if not (text.isascii() and text.isdigit() and len(text) <= LENGTH_DIGITS):
            raise BadParameter("The header {header} must be a whole number.", header=header)
        return int(text)

    def describe(self, partial: PartialUpload, offset: int) -> None:
        self.set_header("Upload-Offset", str(offset))
        expires = datetime.datetime.fromtimestamp(partial.expires_at_ms / 1000, datetime.UTC)
        self.set_header("Upload-Expires", email.utils.format_datetime(expires, usegmt=True))

    async def find(self, upload_id: str) -> PartialUpload:
        """Raises: NotFound."""
        return await self.call(self.context.resumable.find, self.user_id, upload_id)


class Creation(Tus):
    """Begins an upload: its size in Upload-Length, name and filetype in Upload-Metadata."""

    async def post(self) -> None:
        told = metadata(self.request.headers.get("Upload-Metadata", ""))
        size_bytes = self.number("Upload-Length")
        form = FORMS.get(told.get("filetype", ""), "")
        create = self.context.resumable.create
        partial = await self.call(create, self.user_id, size_bytes, told.get("filename", ""), form)
        self.describe(partial, 0)
        self.set_header("Location", f"/attach/tus/{partial.upload_id}")
        self.set_status(201)
        self.reply({"id": partial.upload_id})


@tornado.web.stream_request_body
class Part(StreamedBody, Tus):
    """One upload under way."""

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self._file: PartialFile | None = None

    async def prepare(self) -> None:
        await super().prepare()
        if self.request.method == "PATCH":
            await self._open(self.path_args[0])

    async def head(self, upload_id: str) -> None:
        if not self.has_all():
            return
        partial = await self.find(upload_id)
        self.describe(partial, await self.context.workers.files.call(self.context.resumable.offset, partial))
        self.set_header("Upload-Length", str(partial.size_bytes))

    async def patch(self, upload_id: str) -> None:
        if not self.has_all():
            return
        files = self.context.workers.files
        try:
            await self._write()
            if self._file is not None:
                await files.call(self._file.sync)
                self.describe(self._file.partial, await files.call(lambda file: file.offset, self._file))
        finally:
            await self.end()
        self.set_status(204)

    async def delete(self, upload_id: str) -> None:
        if not self.has_all():
            return
        await self.call(self.context.resumable.remove, await self.find(upload_id))
        self.set_status(204)

    async def receive(self, chunk: bytes) -> None:
        if self._file is None:
            raise TooLarge("The body is too large.")  # of a call that takes none
        self.buffer += chunk
        if len(self.buffer) >= WRITE_BYTES:
            await self._write()

    async def end(self) -> None:
        """Keeps what has arrived, also what still waits to be written."""
        with contextlib.suppress(ImError):
            await self._write()
        async with self.lock:
            file, self._file = self._file, None
            if file is None:
                return
            try:
                await self.context.workers.files.call(file.close)
            except Busy:  # the server has stopped
                file.close()

    async def _open(self, upload_id: str) -> None:
        """Raises: UnsupportedKind, BadParameter, NotFound, Conflict where the offset is not what has arrived."""
        kind = self.request.headers.get("Content-Type", "")
        if kind != "application/offset+octet-stream":
            raise UnsupportedKind("Send the bytes as application/offset+octet-stream.")
        offset = self.number("Upload-Offset")
        partial = await self.find(upload_id)
        self._file = await self.call(self.context.resumable.open, partial)
        if offset != await self.context.workers.files.call(lambda file: file.offset, self._file):
            await self.end()
            raise Conflict("The upload goes on at another offset: ask for it with HEAD.")

    async def _write(self) -> None:
        async with self.lock:
            if self.buffer and self._file is not None:
                data = bytes(self.buffer)
                self.buffer.clear()
                await self.context.workers.files.call(self._file.write, data)


class Finish(Attachment):
    """What /attach/upload answers, for an upload whose bytes have all come. Safe to repeat."""

    access = Access.SESSION

    async def post(self) -> None:
        upload_id = self.params.text("id", max_length=64)
        files, resumable = self.context.workers.files, self.context.resumable
        partial = await self.call(resumable.find, self.user_id, upload_id)
        if partial.sha256:
            stored = await files.call(self.context.uploads.known, self.user_id, _original(partial, partial.sha256))
            if stored is None:
                raise Conflict("This upload is complete.")
            self.reply_stored(stored)
            return
        file = await self.call(resumable.open, partial)
        try:
            sha256 = await files.call(file.sha256)
            result, thumb = await files.call(self.context.arrivals.result_paths)
            try:
                stored = await self.store_file(_original(partial, sha256), file.path, result, thumb)
            finally:
                for path in (result, thumb):
                    await files.call(path.unlink, missing_ok=True)
            await self.call(resumable.take, file, sha256)
        finally:
            await files.call(file.close)
        self.reply_stored(stored)


def metadata(header: str) -> dict[str, str]:
    """{key: text} of an Upload-Metadata header: pairs with commas between them, values in base64.

    Raises: BadParameter.
    """
    if len(header) > METADATA_LIMIT:
        raise BadParameter("The header {header} is too long.", header="Upload-Metadata")
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode("utf-8", "replace")
        except ValueError as error:
            raise BadParameter("The header {header} is not right.", header="Upload-Metadata") from error
    return found


def _original(partial: PartialUpload, sha256: str) -> Original:
    return Original(sha256, partial.size_bytes, partial.file_name, partial.form)
