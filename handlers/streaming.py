"""Bodies that are read while they arrive, however long they are."""

import asyncio

from handlers.base import BaseHandler, Context, as_im_error

WRITE_BYTES = 262_144  # gathered before a thread writes them
BODY_WAIT_S = 1800.0  # 100 MiB at 470 kbit/s; slower lines have the resumable upload


class StreamedBody(BaseHandler):
    """A subclass is decorated with `stream_request_body`, takes the bytes in `receive` and lets go in `end`."""

    def initialize(self, context: Context) -> None:
        super().initialize(context)
        self.buffer = bytearray()
        self.lock = asyncio.Lock()  # of the open file: a body that takes too long is ended while a thread still writes
        self.receiving = True  # until all of the body is here
        self._ending: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        connection = self.request.connection
        connection.set_max_body_size(2**63)  # type: ignore[union-attr]  # counted here, with an answer of ours
        connection.set_body_timeout(BODY_WAIT_S)  # type: ignore[union-attr]
        await super().prepare()

    async def data_received(self, chunk: bytes) -> None:
        """Never raises: Tornado would close the connection without an answer."""
        if self._finished:
            return
        try:
            await self.receive(chunk)
        except Exception as error:
            raised = type(error), error, error.__traceback__
            self.log_exception(*raised)
            await self.end()
            self.send_error(as_im_error(500, raised).status, exc_info=raised)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.receiving:
            self._ending = asyncio.ensure_future(self.end())

    async def receive(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises: ImError, which ends the call."""
        raise NotImplementedError

    async def end(self) -> None:
        """Lets go of what is held open. Idempotent."""
        raise NotImplementedError
