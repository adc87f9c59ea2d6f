"""Uploading in one call, and without the bytes: /attach/upload, /attach/probe."""

import contextlib
import re

import tornado.web

from handlers.attachment import FORMS, Attachment
from handlers.base import Access, BaseHandler
from handlers.context import Context
from handlers.multipart import MultipartParser, Part, boundary_of
from handlers.streaming import WRITE_BYTES, StreamedBody
from imtornado.errors import BadParameter, Busy, MalformedBody
from imtornado.services.arrivals import Arrival
from imtornado.services.uploads import Original

FORM_LIMIT_BYTES = 65_536  # boundaries, heads and fields around the file
FILETYPE_BYTES = 64
URLS = 200  # of one call for signatures

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@tornado.web.stream_request_body
class Upload(StreamedBody, Attachment):
    """The body goes to a temporary file while it arrives; rights and room are checked before its first byte is read."""

    access = Access.SESSION

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self._arrival: Arrival | None = None
        self._part = ""  # the name of the part whose bytes are arriving
        self._has_file = False
        self._file_name = ""
        self._filetype = bytearray()
        self._form_bytes = 0

    async def prepare(self) -> None:
        await super().prepare()
        self._parser = MultipartParser(boundary_of(self.request.headers.get("Content-Type", "")))
        self._arrival = await self.call(self.context.arrivals.begin, self.user_id, self._announced_bytes())

    async def post(self) -> None:
        if not self.has_all():
            return
        arrival = self._arrival
        try:
            self._parser.close()
            if arrival is None or not self._has_file:
                raise BadParameter("This is missing.", field="file")
            await self._write()
            await self.context.workers.files.call(arrival.finish)
            original = Original(arrival.sha256, arrival.size_bytes, self._file_name, self._form())
            stored = await self.store_file(original, arrival.path, arrival.result_path, arrival.thumb_path)
        finally:
            await self.end()
        self.reply_stored(stored)

    def _announced_bytes(self) -> int:
        """The most that the file can have."""
        largest = self.context.arrivals.limits.largest
        length = self.request.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return largest  # in chunks: nobody knows
        announced = int(length[:18])
        return announced if announced <= largest else max(largest, announced - FORM_LIMIT_BYTES)

    async def receive(self, chunk: bytes) -> None:
        for piece in self._parser.feed(chunk):
            if isinstance(piece, Part):
                self._begin_part(piece)
            elif self._part == "file":
                self.buffer += piece
            else:
                self._form_bytes += len(piece)
                if self._part == "filetype" and len(self._filetype) < FILETYPE_BYTES:
                    self._filetype += piece
        if self._form_bytes > FORM_LIMIT_BYTES:
            raise MalformedBody("The fields beside the file are too long.")
        if len(self.buffer) >= WRITE_BYTES:
            await self._write()

    def _begin_part(self, part: Part) -> None:
        if part.name == "file" and self._has_file:
            raise MalformedBody("Send one file at a time.")
        self._part = part.name
        if part.name == "file":
            self._has_file = True
            self._file_name = part.file_name or ""

    def _form(self) -> str:
        return FORMS.get(self._filetype.decode("latin-1").strip(), "")

    async def _write(self) -> None:
        async with self.lock:
            if self.buffer and self._arrival is not None:
                data = bytes(self.buffer)
                self.buffer.clear()
                await self.context.workers.files.call(self._arrival.write, data)

    async def end(self) -> None:
        async with self.lock:
            arrival, self._arrival = self._arrival, None
            if arrival is not None:
                with contextlib.suppress(Busy):  # the server has stopped, and removes the folder as a whole
                    await self.context.workers.files.call(arrival.end)


class Sign(BaseHandler):
    """Addresses of files that work without a cookie, for players; never to be sent to others."""

    access = Access.SESSION

    async def post(self) -> None:
        urls = self.params.texts("urls", URLS, max_length=1024)
        self.reply(await self.call(self.context.signatures.signed, self.user_id, urls))


class Probe(Attachment):
    """Instant upload: the answer without the bytes, where we hold that file. Throttled: it tells what we hold."""

    access = Access.SESSION

    async def post(self) -> None:
        sha256 = self.params.text("sha256", min_length=64, max_length=64).lower()
        if not _SHA256.fullmatch(sha256):
            raise BadParameter("This must be a SHA-256 in hexadecimal.", field="sha256")
        size_bytes = self.params.integer("size")
        self.context.throttle.look_up(self.session_id)
        stored = await self.context.workers.files.call(self.context.uploads.probe, self.user_id, sha256, size_bytes)
        if stored is None:
            self.reply(None)
        else:
            self.reply_stored(stored)
