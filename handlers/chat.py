"""The chat socket's door: who may come in, in which dialect. What is said inside is `imtornado.live.chat`."""

import logging
from asyncio import Future
from types import TracebackType
from typing import Any

from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler, WebSocketProtocol

from handlers import caller
from handlers.base import Access, as_im_error
from handlers.context import Context
from handlers.headers import secure
from imtornado.chinese import translated
from imtornado.errors import Busy, CrossSite, ImError, LimitReached, NotLoggedIn
from imtornado.live.connection import Connection
from imtornado.live.upgrade import Upgrade
from imtornado.live.wire import Wire
from imtornado.protocol import encode
from imtornado.records import Opening

log = logging.getLogger(__name__)
SUBPROTOCOL = "im.v1"


class ChatHandler(WebSocketHandler):
    """GET /chat. Everything that waits is done in `prepare`, before the 101: after it nothing may fail."""

    access = Access.SESSION

    def initialize(self, context: Context) -> None:
        self.context = context
        self.language = caller.language(self.request)
        self._opening: Opening
        self._ticket = 0

    async def prepare(self) -> None:
        """Raises: NotLoggedIn (401), CrossSite (403), LimitReached, Busy."""
        caller.require_known_host(self.request, self.context.config.server)
        if (
            "Origin" in self.request.headers
            and caller.is_same_origin(self.request, self.context.config.server) is False
        ):
            raise CrossSite("This call comes from a foreign page.")
        live = self.context.live
        if live.draining:
            raise Busy("The server is about to restart. Connect again in a moment.", retry_after_ms=2000)
        token = self._token()
        self._ticket = live.registry.ticket()
        opening = None
        if token:
            opening = await self.context.workers.database.call(self.context.accounts.opening, token)
        if opening is None:
            raise NotLoggedIn("Please log in.")
        claimed = self.get_query_argument("id", "")
        if claimed and claimed != str(opening.user.user_id):
            raise NotLoggedIn("Please log in.")
        server = self.context.config.server
        if len(live.registry) >= server.max_sockets:
            raise Busy("The server has as many connections as it can serve.", retry_after_ms=5000)
        if len(live.registry.sockets_of_user(opening.user.user_id)) >= server.max_sockets_user:
            raise LimitReached("You are connected too often at once. Close another window or device.")
        self._opening = opening

    def _token(self) -> str:
        """From the header, the original's query, or the cookie; the first one named is the only one looked at."""
        if "Authorization" in self.request.headers:
            return caller.bearer(self.request)
        if "token" in self.request.query_arguments:
            return self.get_query_argument("token")
        return self.get_cookie(caller.COOKIE) or ""

    def check_origin(self, origin: str) -> bool:
        """True: `prepare` has looked at it, with proxies in mind."""
        return True

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        if self.request.headers.get("Sec-WebSocket-Version") != "13":
            return None
        compression = self.context.config.server.compression
        return Upgrade(self, self._wire, self._enter, self.context.live.pumps, compression=compression)

    def _wire(self, subprotocol: str | None, compressed: bool) -> Connection:
        return self.context.live.connection(
            self._opening, v1=subprotocol is not None, language=self.language, compressed=compressed
        )

    def _enter(self, wire: Wire) -> None:
        assert isinstance(wire, Connection)
        self.context.live.chat.enter(wire, self._opening, self._ticket)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "Future[None]":
        """Every answer but the 101, which carries none of these headers and is written by `Upgrade`."""
        secure(self)
        self.set_header("Cache-Control", "no-store")
        return super().finish(chunk)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        failure = as_im_error(status_code, kwargs.get("exc_info"))
        self.set_status(failure.status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(encode({"code": failure.code, "msg": translated(failure, self.language), "data": None}))

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Never the query: it may hold the token."""
        if isinstance(value, ImError):
            log.info("socket refused: %d", value.code)
        elif isinstance(value, HTTPError) and value.status_code < 500:
            log.info("socket refused: %d", value.status_code)
        elif typ is not None and value is not None:
            log.error("socket refused", exc_info=(typ, value, tb))
