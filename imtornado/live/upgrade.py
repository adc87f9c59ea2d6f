"""From Tornado's HTTP connection to a wire of our own (RFC 6455 section 4.2.2).

Tornado's WebSocket protocol object reads a frame with three awaits and writes one with a future and a task.
It is used for the handshake only; after the 101 the socket belongs to a pump, and handler and request are let
go: they would cost more memory than the connection.
"""

import logging
from collections.abc import Callable

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol13, _WebSocketParams

from imtornado.errors import ImError
from imtornado.live.deflate import ACCEPTED, accepts
from imtornado.live.pumps import Pumps
from imtornado.live.wire import Wire

log = logging.getLogger(__name__)


class Upgrade(WebSocketProtocol13):
    """Does the handshake, then hands the stream to a pump.

    `open_wire` makes a wire for (subprotocol, whether it is compressed); `enter` makes it known and may refuse it.
    """

    def __init__(
        self,
        handler: WebSocketHandler,
        open_wire: Callable[[str | None, bool], Wire],
        enter: Callable[[Wire], None],
        pumps: Pumps,
        *,
        compression: bool = False,
    ) -> None:
        super().__init__(handler, mask_outgoing=False, params=_WebSocketParams())
        self._open_wire = open_wire
        self._enter = enter
        self._pumps = pumps
        self._compression = compression

    async def accept_connection(self, handler: WebSocketHandler) -> None:
        """All awaiting was done before. A client that has left is never registered."""
        request = handler.request
        key = request.headers.get("Sec-WebSocket-Key", "")
        if not key or not request.headers.get("Host"):
            handler.set_status(400)
            handler.finish("A WebSocket handshake names Host and Sec-WebSocket-Key.")
            return
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        subprotocol = handler.select_subprotocol(offered)
        stream = getattr(request.connection, "stream", None)
        if stream is None or stream.closed():
            return
        answer = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {self.compute_accept_value(key)}",
        ]
        if subprotocol:
            answer.append(f"Sec-WebSocket-Protocol: {subprotocol}")
        compressed = self._compression and accepts(request.headers.get("Sec-WebSocket-Extensions", ""))
        if compressed:
            answer.append(f"Sec-WebSocket-Extensions: {ACCEPTED}")
        handler.detach()  # from here on the stream is ours, and Tornado writes no answer
        handler.ws_connection = None
        handler.ui = None  # type: ignore[assignment]  # the circle that would leave handler and request to the collector
        try:
            stream.write("\r\n".join((*answer, "", "")).encode())
            await self._pumps.drive(stream, self._open_wire(subprotocol, compressed), self._enter)
        except StreamClosedError:
            pass
        except ImError as failure:
            log.info("a socket ended at its upgrade: %s", failure)
