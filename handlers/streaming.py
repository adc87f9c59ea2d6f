"""Bodies that are read while they arrive, however long they are."""

import asyncio
from typing import Any

import tornado.web

from handlers import caller
from handlers.base import Access, BaseHandler, as_im_error
from handlers.context import Context
from imtornado.errors import TooLarge

WRITE_BYTES = 262_144  # gathered before a thread writes them
BODY_WAIT_S = 1800.0  # 100 MiB at 470 kbit/s; slower lines have the resumable upload
# Whoever is refused while he sends reads the answer only when he has sent all: so much more is taken and dropped
# before the connection is closed, which throws away what he has not read yet (RFC 9112 section 9.6).
LINGER_BYTES = 16_777_216
LINGER_S = 30.0
SILENT_S = 5.0  # without a byte


class StreamedBody(BaseHandler):
    """A subclass is decorated with `stream_request_body`, takes the bytes in `receive` and lets go in `end`.

    Its method begins with `if not self.has_all(): return`.
    """

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self.buffer = bytearray()
        self.lock = asyncio.Lock()  # of the open file: a body that takes too long is ended while a thread still writes
        self._receiving = True  # until all of the body is here
        self._received_bytes = 0
        self._answered_at = -1  # `_received_bytes` when the answer went out before the end of the body
        self._answered_s = 0.0  # when, by the loop's clock
        self._patience: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        self.take_any_length()
        await super().prepare()

    def take_any_length(self) -> None:
        """Lets go of Tornado's bounds, which close the connection; called before the body is read."""
        connection = self.request.connection
        connection.set_max_body_size(2**63)  # type: ignore[union-attr]  # counted here, with an answer of ours
        connection.set_body_timeout(BODY_WAIT_S)  # type: ignore[union-attr]

    async def data_received(self, chunk: bytes) -> None:
        """Never raises: Tornado would close the connection without an answer."""
        self._received_bytes += len(chunk)
        if self._answered_at >= 0:
            if self._received_bytes - self._answered_at >= LINGER_BYTES or not self._is_more_coming():
                self._conclude()
            else:
                self._wait()
            return
        if self._finished:
            return
        try:
            await self.receive(chunk)
        except Exception as error:
            raised = type(error), error, error.__traceback__
            self.log_exception(*raised)
            await self.end()
            self.send_error(as_im_error(500, raised).status, exc_info=raised)

    def has_all(self) -> bool:
        """True when all of the body was taken; False where it was refused meanwhile, and the call is over."""
        self._receiving = False
        if self._answered_at >= 0:
            self._conclude()
            return False
        return True

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "asyncio.Future[None]":
        """Sends the answer at once; while the body goes on, the connection stays open for a while."""
        if self._answered_at >= 0 and not self._finished:  # send_error makes sure a second time
            return _done()
        if not self._receiving or self._finished or not isinstance(chunk, bytes) or not self._is_more_coming():
            return super().finish(chunk)
        self._answered_at = self._received_bytes
        self.set_header("Connection", "close")
        self.set_header("Content-Length", str(len(chunk)))
        self.write(chunk)
        self._answered_s = asyncio.get_running_loop().time()
        self._wait()
        return self.flush()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._conclude()
        if self._receiving:
            self._ending = asyncio.ensure_future(self.end())

    async def receive(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises: ImError, which ends the call."""
        raise NotImplementedError

    async def end(self) -> None:
        """Lets go of what is held open. Idempotent."""
        raise NotImplementedError

    def _is_more_coming(self) -> bool:
        headers = self.request.headers
        if "Expect" in headers and self._received_bytes == 0:
            return False  # he waits for our word, and sends nothing after a refusal
        length = headers.get("Content-Length", "")
        if length.isascii() and length.isdigit():
            return self._received_bytes < int(length[:18])
        return "Transfer-Encoding" in headers

    def _wait(self) -> None:
        """For the next byte."""
        if self._patience is not None:
            self._patience.cancel()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_at(min(loop.time() + SILENT_S, self._answered_s + LINGER_S), self._conclude)

    def _conclude(self) -> None:
        """Ends a call that was answered before the end of its body; the connection closes with it."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._answered_at >= 0 and not self._finished:
            super().finish()


@tornado.web.stream_request_body
class OversizedHandler(StreamedBody):
    """Stands in for the called route when the body is announced as too large: refused before it is read."""

    access = Access.PUBLIC
    counted_as = "oversized"

    async def prepare(self) -> None:
        self.take_any_length()
        caller.require_known_host(self.request, self.context.config.server)
        raise TooLarge("The body is too large.")

    async def receive(self, chunk: bytes) -> None:
        """Nothing is kept."""

    async def end(self) -> None:
        """Nothing is held."""


def _done() -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
