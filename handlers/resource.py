"""A stored file, given to whoever may see one of its uses now: /resource/<name>."""

import datetime
import logging
import re
from collections.abc import Awaitable

from tornado.gen import with_timeout
from tornado.iostream import StreamClosedError

from handlers.base import Access, BaseHandler
from handlers.context import Context
from imtornado.errors import ImError, NotFound
from imtornado.resource_urls import PREFIX
from imtornado.services.signatures import SIGNATURE_LENGTH
from imtornado.services.uploads import PRESIGNED_S, Elsewhere, Served

log = logging.getLogger(__name__)

READ_BYTES = 262_144
STALLED_S = 120  # a reader that takes nothing for so long is gone
POLICY = "sandbox; default-src 'none'"
# Rights change (a recall, a kick), so that a browser must ask again from time to time; the bytes never change.
CACHING = "private, max-age=3600"
CDN_CACHING = "public, max-age=3600"  # of a signed address: whoever has it may have the file

_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)


class Resource(BaseHandler):
    """A stored file, to whoever may see one of its uses now."""

    access = Access.SESSION
    counted_as = "/resource/"

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self._viewer_id = 0  # whoever a signature names

    async def identify(self) -> None:
        """By a signature, where there is a valid one, else by the session. Raises: NotLoggedIn."""
        if self.params.has("s"):
            self._viewer_id = await self._signer() or 0
        if not self._viewer_id:
            await super().identify()

    async def get(self, name: str) -> None:
        small = self.params.flag("small", default=False)
        viewer_id = self._viewer_id or self.user_id
        # Not the database's threads: a bucket that does not answer must hold up files only.
        files = self.context.workers.files
        served = await files.call(self.context.uploads.view, viewer_id, name, small=small)
        only_head = self.request.method == "HEAD"
        elsewhere = await files.call(self.context.uploads.elsewhere, served.name)
        if elsewhere is not None and (elsewhere.accel or not only_head):  # a presigned address is for GET only
            self._send_elsewhere(served, elsewhere)
            return
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

    async def _signer(self) -> int | None:
        name = self.request.path.removeprefix(PREFIX)
        signature = self.params.text("s", max_length=SIGNATURE_LENGTH)
        numbers = self.params.integer("u"), self.params.integer("e")
        return await self.call(self.context.signatures.user_of, name, *numbers, signature)

    def _send_elsewhere(self, served: Served, elsewhere: Elsewhere) -> None:
        if elsewhere.accel:
            self._describe(served, f'"{served.name[:32]}"')
            self.clear_header("Etag")  # nginx has its own
            self.clear_header("Accept-Ranges")
            self.set_header("Content-Type", served.mime)
            self.set_header("X-Accel-Redirect", elsewhere.accel)
        else:
            # Shorter than the address lives: what a browser kept must still work.
            self.set_header("Cache-Control", f"private, max-age={PRESIGNED_S // 5}")
            self.set_header("Vary", "Cookie, Authorization")
            self.redirect(elsewhere.address)

    def _describe(self, served: Served, tag: str) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Disposition", served.disposition)
        if self._viewer_id and self.context.config.uploads.base_url:
            self.set_header("Cache-Control", CDN_CACHING)
            self.set_header("Cross-Origin-Resource-Policy", "cross-origin")  # our pages are not the CDN's
        else:
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
