"""What is relayed and never stored: TYPING and SIGNAL. Both ask the same right to write that a message would need."""

import time
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from imtornado.errors import BadParameter, Busy, ImError, TooLarge, TooManyRequests
from imtornado.frames import SIGNAL_BYTES, Cmd, Frame, frame
from imtornado.live.allowance import Allowance
from imtornado.live.connection import Connection
from imtornado.live.outbox import Ephemeral
from imtornado.live.registry import Registry
from imtornado.live.rights import Rights
from imtornado.protocol import MAX_ID
from imtornado.records import Kind

TYPING_GAP_S = 1.0  # one a second for each conversation of a socket
TYPING_PER_MINUTE = 120  # of a socket, however many conversations it names
SIGNALS_PER_MINUTE = 600  # of a socket: setting up a call takes a burst of some dozens
LARGE_COMMUNITY = 200  # sockets: where more listen, nobody is told who types


class Signals:
    """Loop only. Nothing here reaches the disk, and what cannot be delivered now is gone."""

    def __init__(self, registry: Registry, rights: Rights, *, throttle: bool) -> None:
        self._registry = registry
        self._rights = rights
        self._throttle = throttle
        self._typed: OrderedDict[tuple[Connection, int, int], float] = OrderedDict()  # the last second's, oldest first
        self._typing: dict[Connection, Allowance] = {}
        self._signals: dict[Connection, Allowance] = {}

    def forget(self, connection: Connection) -> None:
        """The socket is gone."""
        self._typing.pop(connection, None)
        self._signals.pop(connection, None)

    def typing(self, connection: Connection, got: Frame) -> None:
        """Passed on at most once a second for each conversation, the rest is dropped without a word.

        Raises: BadParameter.
        """
        if got.kind not in (Kind.SINGLE, Kind.COMMUNITY) or not 0 < got.dstid <= MAX_ID:
            raise BadParameter("TYPING takes kind and dstid.", field="dstid")
        if not self._may_type(connection, got):
            return

        kind, dstid, rid = got.kind, got.dstid, got.rid  # a frame that waits would hold all of its bytes

        def answered(reason: ImError | None) -> None:
            if reason is None:
                data = frame(Cmd.TYPING, kind=kind, dstid=dstid, userid=connection.user_id)
                self._relay(connection, Ephemeral(data), self._others(connection.user_id, kind, dstid))
            elif not isinstance(reason, Busy):  # under load it is what goes first
                connection.refuse(reason, rid=rid)

        self._rights.ask(connection.user_id, kind, dstid, answered)

    def _may_type(self, connection: Connection, got: Frame) -> bool:
        now, typed = time.monotonic(), self._typed
        while typed and next(iter(typed.values())) <= now - TYPING_GAP_S:
            typed.popitem(last=False)
        place = (connection, got.kind, got.dstid)
        if place in typed or self._typing.setdefault(connection, Allowance()).take(TYPING_PER_MINUTE):
            return False
        typed[place] = now
        return True

    def _others(self, user_id: int, kind: int, dstid: int) -> Iterable[Connection]:
        """Who sees somebody type: the other side, never his own devices."""
        if kind == Kind.SINGLE:
            return self._registry.sockets_of_user(dstid) if dstid != user_id else ()
        sockets = self._registry.sockets_in_community(dstid)
        if len(sockets) > LARGE_COMMUNITY:
            return ()
        return [connection for connection in sockets if connection.user_id != user_id]

    def signal(self, connection: Connection, got: Frame) -> None:
        """Call set-up, for all devices of the peer; signals of one socket to one peer keep their order.

        Raises: BadParameter, TooLarge, TooManyRequests.
        """
        if got.kind != Kind.SINGLE or not 0 < got.dstid <= MAX_ID:
            raise BadParameter("SIGNAL takes kind 10, dstid and data.", field="kind")
        _check_data(got.data)
        if self._throttle:
            wait_s = self._signals.setdefault(connection, Allowance()).take(SIGNALS_PER_MINUTE)
            if wait_s:
                raise TooManyRequests("Too many signals. Slow down.", retry_after_ms=int(wait_s * 1000) + 1)

        dstid, rid = got.dstid, got.rid
        data = frame(Cmd.SIGNAL, kind=int(Kind.SINGLE), dstid=dstid, userid=connection.user_id, data=got.data)

        def answered(reason: ImError | None) -> None:
            if reason is None:
                self._relay(connection, data, self._registry.sockets_of_user(dstid))
            else:
                connection.refuse(reason, rid=rid)

        self._rights.ask(connection.user_id, Kind.SINGLE, dstid, answered)

    def _relay(self, source: Connection, data: bytes, receivers: Iterable[Connection]) -> None:
        for connection in receivers:
            if connection.v1 and connection is not source:
                connection.send(data)


def _check_data(data: msgspec.Raw) -> None:
    """Any JSON that every client can read. Raises: BadParameter, TooLarge."""
    size = len(bytes(data))
    if size > SIGNAL_BYTES:
        raise TooLarge("data is longer than {limit} bytes.", field="data", limit=SIGNAL_BYTES)
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise BadParameter("SIGNAL takes kind 10, dstid and data.", field="data") from None
