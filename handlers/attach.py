"""Uploads and what is given out of them: /attach/*, /resource/<name>."""

import asyncio
import contextlib
import datetime
import logging
import re
from collections.abc import Awaitable

import tornado.web
from tornado.gen import with_timeout
from tornado.iostream import StreamClosedError

from handlers.base import Access, BaseHandler, Context, as_im_error
from handlers.multipart import MultipartParser, Part, boundary_of
from imtornado.errors import BadParameter, Busy, ImError, MalformedBody, NotFound, UnsupportedKind
from imtornado.images import convert
from imtornado.processes import ProcessFailed
from imtornado.services.uploads import Arrival, Served, Stored

log = logging.getLogger(__name__)

PREFIX = "/resource/"
FORM_LIMIT_BYTES = 65_536  # boundaries, heads and fields around the file
WRITE_BYTES = 262_144  # gathered before a thread writes them
READ_BYTES = 262_144
BODY_WAIT_S = 600.0  # 10 MiB at 140 kbit/s
STALLED_S = 120  # a reader that takes nothing for so long is gone
POLICY = "sandbox; default-src 'none'"
# Rights change (a recall, a kick), so that a browser must ask again from time to time; the bytes never change.
CACHING = "private, max-age=3600"

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Attachment(BaseHandler):
    """What an upload and a probe have in common: the answer."""

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
                "placeholder": upload.placeholder,
            },
            thumb=PREFIX + upload.thumb,
        )


@tornado.web.stream_request_body
class Upload(Attachment):
    """The body goes to a temporary file while it arrives; rights and room are checked before its first byte is read."""

    access = Access.SESSION

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self._arrival: Arrival | None = None
        self._buffer = bytearray()
        self._part = ""  # the name of the part whose bytes are arriving
        self._has_file = False
        self._form_bytes = 0
        self._receiving = True
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        connection = self.request.connection
        connection.set_max_body_size(2**63)  # type: ignore[union-attr]  # counted here, with an answer of ours
        connection.set_body_timeout(BODY_WAIT_S)  # type: ignore[union-attr]
        await super().prepare()
        self._parser = MultipartParser(boundary_of(self.request.headers.get("Content-Type", "")))
        uploads = self.context.uploads
        self._arrival = await self.call(uploads.begin, self.user_id, self._announced_bytes())

    async def data_received(self, chunk: bytes) -> None:
        """Never raises: Tornado would close the connection without an answer."""
        if self._finished:
            return
        try:
            await self._receive(chunk)
        except Exception as error:
            raised = type(error), error, error.__traceback__
            self.log_exception(*raised)
            await self._end()
            self.send_error(as_im_error(500, raised).status, exc_info=raised)

    async def post(self) -> None:
        self._receiving = False
        arrival = self._arrival
        try:
            self._parser.close()
            if arrival is None or not self._has_file:
                raise BadParameter("This is missing.", field="file")
            await self._write()
            stored = await self._stored(arrival)
        finally:
            await self._end()
        self.reply_stored(stored)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self._receiving:
            self._ending = asyncio.ensure_future(self._end())

    def _announced_bytes(self) -> int:
        """The most that the file can have."""
        largest = self.context.config.uploads.max_bytes
        length = self.request.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return largest  # in chunks: nobody knows
        announced = int(length[:18])
        return announced if announced <= largest else max(largest, announced - FORM_LIMIT_BYTES)

    async def _receive(self, chunk: bytes) -> None:
        for piece in self._parser.feed(chunk):
            if isinstance(piece, Part):
                self._begin_part(piece)
            elif self._part == "file":
                self._buffer += piece
            else:
                self._form_bytes += len(piece)
        if self._form_bytes > FORM_LIMIT_BYTES:
            raise MalformedBody("The fields beside the file are too long.")
        if len(self._buffer) >= WRITE_BYTES:
            await self._write()

    def _begin_part(self, part: Part) -> None:
        if part.name == "file" and self._has_file:
            raise MalformedBody("Send one file at a time.")
        self._part = part.name
        self._has_file |= part.name == "file"

    async def _write(self) -> None:
        if self._buffer and self._arrival is not None:
            data = bytes(self._buffer)
            self._buffer.clear()
            await self.context.workers.files.call(self._arrival.write, data)

    async def _stored(self, arrival: Arrival) -> Stored:
        """What is kept of the arrival. Raises: ImError."""
        workers, uploads = self.context.workers, self.context.uploads
        await workers.files.call(arrival.finish)
        stored = await self.call(uploads.known, self.user_id, arrival.sha256, arrival.size_bytes)
        if stored is not None:
            return stored
        paths = str(arrival.path), str(arrival.picture_path), str(arrival.thumb_path)
        try:
            picture = await workers.pictures.call(convert, *paths, self.context.config.uploads.max_pixels)
            return await self.call(uploads.keep, arrival, picture)
        except ProcessFailed as error:
            log.info("a picture of user %d cannot be read: %s", self.user_id, error)
            raise UnsupportedKind("The picture is damaged and cannot be read.", field="file") from error
        except OSError as error:
            log.exception("a picture of user %d cannot be written", self.user_id)
            raise Busy("The file could not be stored. Try again later.", retry_after_ms=60_000) from error

    async def _end(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            with contextlib.suppress(Busy):  # the server has stopped, and removes the folder as a whole
                await self.context.workers.files.call(arrival.end)


class Probe(Attachment):
    """Instant upload: the answer without the bytes, where we hold that file. Throttled: it tells what we hold."""

    access = Access.SESSION

    async def post(self) -> None:
        sha256 = self.params.text("sha256", min_length=64, max_length=64).lower()
        if not _SHA256.fullmatch(sha256):
            raise BadParameter("This must be a SHA-256 in hexadecimal.", field="sha256")
        size_bytes = self.params.integer("size")
        self.context.throttle.look_up(self.session_id)
        stored = await self.call(self.context.uploads.probe, self.user_id, sha256, size_bytes)
        if stored is None:
            self.reply(None)
        else:
            self.reply_stored(stored)


class Resource(BaseHandler):
    """A stored file, to whoever may see one of its uses now."""

    access = Access.SESSION
    counted_as = "/resource/"

    async def get(self, name: str) -> None:
        served = await self.call(self.context.uploads.view, self.user_id, name)
        tag = f'"{served.name[:32]}"'
        wanted = self.request.headers.get("Range") if self.request.headers.get("If-Range", tag) == tag else None
        span = byte_range(wanted, served.size_bytes)
        if _lists(self.request.headers.get("If-None-Match", ""), tag):
            self._describe(served, tag)
            self.set_status(304)
            return
        if span is None:
            self.set_header("Content-Range", f"bytes */{served.size_bytes}")
            self.set_status(416)
            return
        start, end = span
        only_head = self.request.method == "HEAD"
        # Before the headers, so that a file removed at this moment is a 404.
        first = b"" if only_head else await self._read(served.name, start, end)
        self._describe(served, tag)
        self.set_header("Content-Type", served.mime)
        self.set_header("Content-Length", end - start)
        if wanted is not None and (end - start, start) != (served.size_bytes, 0):
            self.set_header("Content-Range", f"bytes {start}-{end - 1}/{served.size_bytes}")
            self.set_status(206)
        if not only_head:
            await self._send(served.name, first, start, end)

    head = get

    def _describe(self, served: Served, tag: str) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Disposition", f'inline; filename="{served.file_name}"')
        self.set_header("Cache-Control", CACHING)
        self.set_header("Vary", "Cookie, Authorization")
        self.set_header("Etag", tag)
        self.set_header("Accept-Ranges", "bytes")

    async def _send(self, name: str, first: bytes, start: int, end: int) -> None:
        """Sends the bytes as the reader takes them; one that goes away leaves nothing open."""
        chunk = first
        try:
            while True:
                self.write(chunk)
                await _at_most(STALLED_S, self.flush())
                start += len(chunk)
                if start >= end:
                    return
                chunk = await self._read(name, start, end)
        except (StreamClosedError, TimeoutError, ImError) as error:
            # The headers are out: only closing tells the reader that this is not the whole file.
            log.info("%s%s… was cut off: %s", PREFIX, name[:8], type(error).__name__)
            self.request.connection.close()  # type: ignore[union-attr]

    async def _read(self, name: str, start: int, end: int) -> bytes:
        """Never empty before `end`. Raises: NotFound."""
        chunk = await self.context.workers.files.call(
            self.context.uploads.read, name, start, min(READ_BYTES, end - start)
        )
        if not chunk and start < end:
            raise NotFound("There is no such file.")
        return chunk


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """(start, end after the last) of the bytes to send, None for a range outside of the file (RFC 9110 section 14.1.2).

    Several ranges, and what is no range at all, count as no header: the whole file.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header is not None else None
    if match is None or not (match[1] or match[2]):
        return 0, size_bytes
    if not match[1]:
        start, end = max(0, size_bytes - int(match[2])), size_bytes
    else:
        start, end = int(match[1]), min(size_bytes, int(match[2]) + 1 if match[2] else size_bytes)
        if match[2] and int(match[2]) < int(match[1]):
            return 0, size_bytes
    return (start, end) if start < end else None


def _lists(header: str, tag: str) -> bool:
    """True when the If-None-Match header names the tag."""
    return header.strip() == "*" or tag in (entry.strip().removeprefix("W/") for entry in header.split(","))


async def _at_most(seconds: int, sent: Awaitable[None]) -> None:
    # Not asyncio.wait_for: it would cancel the stream's own future.
    await with_timeout(datetime.timedelta(seconds=seconds), sent, quiet_exceptions=StreamClosedError)
