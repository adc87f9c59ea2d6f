"""What the frames of a client mean, and what a connection gets at its beginning and its end."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from imtornado.config import Config
from imtornado.drafts import MessageDraft, Outcome, ReadDraft, Stored
from imtornado.errors import BadParameter, ImError, NotLoggedIn, TooLarge, TooManyRequests
from imtornado.frames import (
    FRAME_BYTES,
    PRESENCE_IDS,
    Cmd,
    Frame,
    ack,
    check_message,
    decode,
    frame,
    quoted,
    websocket_frame,
)
from imtornado.live.connection import Connection
from imtornado.live.events import end_if_revoked
from imtornado.live.liveness import Liveness
from imtornado.live.outbox import Close
from imtornado.live.presence import Presence
from imtornado.live.read_marks import ReadMarks
from imtornado.live.registry import Registry
from imtornado.live.signals import Signals
from imtornado.live.watching import Watching
from imtornado.live.writer import Pending, Writer
from imtornado.protocol import MAX_ID, encode, rfc3339, stamp
from imtornado.records import Event, Kind, Opening
from storage.store import Store

log = logging.getLogger(__name__)

STRIKES = 100  # frames that break the contract before a socket is closed for it
FLOOD_STRIKES = 300  # messages refused for their rate before a socket is closed for it
WELCOME = websocket_frame(b"welcome!")


class Chat:
    """Loop only. Told by connections of what they hear, by the delivery of what became of their drafts."""

    def __init__(
        self,
        store: Store,
        config: Config,
        *,
        writer: Writer,
        registry: Registry,
        presence: Presence,
        liveness: Liveness,
        signals: Signals,
        watching: Watching,
    ) -> None:
        self._store = store
        self._config = config
        self._registry = registry
        self._presence = presence
        self._liveness = liveness
        self._signals = signals
        self._watching = watching
        self._writer = writer
        self._taken: dict[int, Callable[[Connection, Frame], None]] = {
            Cmd.READ: self._read,
            Cmd.TYPING: signals.typing,
            Cmd.PRESENCE: self._watch,
            Cmd.SIGNAL: signals.signal,
        }
        self._read_marks = ReadMarks(asyncio.get_running_loop())

    # A connection's beginning and end

    def enter(self, connection: Connection, opening: Opening, ticket: int) -> None:
        """Registers a socket whose communities were read after `ticket`; from its first frame on it misses nothing.

        Raises: NotLoggedIn when its session ended meanwhile, Busy when the ticket is too old.
        """
        missed = [event for event in self._registry.missed(ticket) if event.user_id == opening.user.user_id]
        self._registry.add(connection, opening.community_ids)
        try:
            for event in missed:
                self._catch_up(connection, event)
        except NotLoggedIn:
            self._registry.remove(connection)
            raise
        self._liveness.watch(connection)
        self._presence.moved(connection.user_id)
        connection.send(self._hello(connection) if connection.v1 else WELCOME)

    def _catch_up(self, connection: Connection, event: Event) -> None:
        data = msgspec.json.decode(event.data)
        if event.kind == "community.joined":
            self._registry.join(event.user_id, data["dstid"])
        elif event.kind in ("community.left", "community.kicked"):
            self._registry.part(event.user_id, data["dstid"])
        end_if_revoked(connection, event, data)
        if connection.closing:
            raise NotLoggedIn("Log in first.")

    def _hello(self, connection: Connection) -> bytes:
        config, now_ms = self._config, self._store.clock.now_ms()
        return frame(
            Cmd.HELLO,
            userid=connection.user_id,
            session=connection.session_id,
            epoch=self._store.epoch,
            stamp=stamp(self._store.settled_ms()),
            heartbeat_s=config.server.heartbeat_s,
            time=rfc3339(now_ms),
            limits={
                "content_bytes": config.messages.max_content_bytes,
                "frame_bytes": FRAME_BYTES,
                "unacked": config.messages.unacked,
                "per_minute": config.security.messages_per_minute,
                "recall_s": config.messages.recall_s,
                "upload_bytes": config.uploads.max_bytes,
                "voice_bytes": config.uploads.max_voice_bytes,
                "video_bytes": config.uploads.max_video_bytes,
                "file_bytes": config.uploads.max_file_bytes,
            },
        )

    def ended(self, connection: Connection, code: int) -> None:
        self._watching.forget(connection)
        self._signals.forget(connection)
        if self._registry.remove(connection):
            self._presence.moved(connection.user_id)
        log.debug("%s ended with %d", connection, code)

    # Frames

    def received(self, connection: Connection, payload: bytes) -> None:
        """One frame. What is wrong with it is told in an ERROR; the socket stays open unless that goes on and on."""
        try:
            got = decode(payload)
        except ImError as failure:
            cid, rid = quoted(payload)
            self._refuse(connection, failure, cid=cid, rid=rid)
            return
        try:
            if got.cmd == Kind.SINGLE or got.cmd == Kind.COMMUNITY:
                self._message(connection, got)
            else:
                self._other(connection, got)
        except ImError as failure:
            self._refuse(connection, failure, cid=got.cid, rid=got.rid)

    def _message(self, connection: Connection, got: Frame) -> None:
        check_message(got, self._config.messages.max_content_bytes)
        if connection.v1 and not got.cid:
            raise BadParameter("cid is needed: 1 to 64 printable ASCII characters, new for every message.", field="cid")
        _check_rid(got.rid)
        if self._config.security.throttle and (wait_s := connection.take(self._config.security.messages_per_minute)):
            raise TooManyRequests("Too many messages. Slow down.", retry_after_ms=int(wait_s * 1000) + 1)
        self._submit(connection, message_draft(connection.user_id, got, connection.v1), got.rid)

    def _submit(self, connection: Connection, draft: MessageDraft | ReadDraft, rid: str = "") -> None:
        """Hands a draft to the writer. A socket with many open ones is not read until half are answered."""
        connection.unacked += 1
        if connection.unacked >= self._config.messages.unacked:
            connection.hold()
        self._writer.submit(Pending(draft, connection, rid))

    def _other(self, connection: Connection, got: Frame) -> None:
        _check_rid(got.rid)
        take = self._taken.get(got.cmd)
        if got.cmd == Cmd.HEART:
            if connection.v1:
                connection.send(frame(Cmd.HEART, rid=got.rid) if got.rid else frame(Cmd.HEART))
        elif take is not None and connection.v1:
            take(connection, got)
        else:
            raise BadParameter("This cmd is unknown.", field="cmd")

    def _read(self, connection: Connection, got: Frame) -> None:
        if got.kind not in (Kind.SINGLE, Kind.COMMUNITY) or not 0 < got.dstid <= MAX_ID or not 0 <= got.seq <= MAX_ID:
            raise BadParameter("READ takes kind, dstid and seq.", field="seq")
        draft = ReadDraft(connection.user_id, got.kind, got.dstid, got.seq)
        self._read_marks.take(draft, lambda marked: self._submit(connection, marked, got.rid))

    def _watch(self, connection: Connection, got: Frame) -> None:
        if len(got.userids) > PRESENCE_IDS or not all(0 < user_id <= MAX_ID for user_id in got.userids):
            raise BadParameter("PRESENCE takes at most {limit} userids.", field="userids", limit=PRESENCE_IDS)
        self._watching.ask(connection, got.userids)

    # Answers

    def answered(self, connection: Connection, pending: Pending, outcome: Outcome) -> None:
        """What became of a draft of this connection. After a Busy the true outcome may follow."""
        if not pending.answered:
            connection.unacked -= 1
            if connection.held and connection.unacked * 2 <= self._config.messages.unacked:
                connection.go_on()
        if connection.v1:
            self._tell(connection, pending, outcome)
        if connection.leaving and not connection.unacked:
            connection.leave()

    def _tell(self, connection: Connection, pending: Pending, outcome: Outcome) -> None:
        draft = pending.draft
        if isinstance(outcome, Stored):
            assert isinstance(draft, MessageDraft)
            createat = rfc3339(outcome.created_at_ms)
            connection.send(
                ack(draft.cid, pending.rid, outcome.message_id, seq=outcome.seq, createat=createat, dup=outcome.dup)
            )
        elif isinstance(outcome, ImError):
            cid = draft.cid if isinstance(draft, MessageDraft) else ""
            connection.refuse(outcome, cid=cid, rid=pending.rid)

    def _refuse(self, connection: Connection, failure: ImError, *, cid: str = "", rid: str = "") -> None:
        flood = isinstance(failure, TooManyRequests)
        if isinstance(failure, BadParameter | TooLarge | TooManyRequests):
            connection.strikes += 1
        if connection.strikes > (FLOOD_STRIKES if flood else STRIKES):
            log.info("%s closed: %s", connection, failure)
            connection.close(Close.FLOODING if flood else Close.CONTRACT_BROKEN, "too many refused frames")
        else:
            connection.refuse(failure, cid=cid, rid=rid)


def message_draft(sender_id: int, got: Frame, keep_cid: bool = True) -> MessageDraft:
    """The draft of a checked message frame; the sender is whoever the session says."""
    return MessageDraft(
        sender_id=sender_id,
        kind=got.cmd,
        dstid=got.dstid,
        cid=got.cid if keep_cid else "",
        media=got.media,
        content=got.content,
        pic=got.pic,
        url=got.url,
        memo=got.memo,
        amount=got.amount,
        reply_seq=got.reply,
        file=encode(got.file).decode() if got.file is not None else "",
        mention=got.mention,
    )


def _check_rid(rid: str) -> None:
    if len(rid) > 64:
        raise BadParameter("rid is longer than 64 characters.", field="rid")
