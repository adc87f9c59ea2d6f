"""From an accepted draft to its ACK and its fan-out: each message is encoded once, whoever gets it."""

from collections.abc import Callable, Iterable

from msgspec import UNSET, Raw

from imtornado.change_records import MessageChange
from imtornado.chat_protocol import WireMessage, WireText, change, change_of_nothing_seen, message
from imtornado.drafts import Changed, MessageDraft, Outcome, Read, ReadDraft, Stored
from imtornado.frames import Cmd, frame, websocket_frame
from imtornado.live.connection import Connection
from imtornado.live.registry import Registry
from imtornado.live.writer import Pending
from imtornado.protocol import encode, rfc3339
from imtornado.records import Event, Kind


class Delivery:
    """Takes outcomes from the writer in the order of their commits. Loop only; no await, so nothing comes between."""

    def __init__(self, registry: Registry, apply: Callable[[Event], None]) -> None:
        self._registry = registry
        self._apply = apply
        self.messages = 0  # fanned out
        self.frames = 0  # queued for sockets

    def deliver(self, pending: Pending, outcome: Outcome) -> None:
        """Answers the source, then tells everybody else whom the outcome concerns."""
        pending.source.answered(pending, outcome)
        pending.answered = True
        kind = outcome.__class__
        if kind is Stored:
            if not outcome.dup:  # type: ignore[union-attr]
                self._fan_out(pending, outcome)  # type: ignore[arg-type]
        elif isinstance(outcome, Changed):
            self._tell_changed(outcome)
        elif isinstance(outcome, Read) and outcome.moved and isinstance(pending.draft, ReadDraft):
            self._tell_read(pending.draft, outcome)

    def _tell_changed(self, changed: Changed) -> None:
        """Who came hears the line that says so, and so does who left: it is the first or last of his window."""
        for event in changed.events:
            if event.kind == "community.joined":
                self._apply(event)
        for line in changed.lines:
            self._send(websocket_frame(encode(message(line))), self._members(line.kind, line.dstid, line.sender_id))
        for made in changed.changes:
            self._tell_change(made)
        for event in changed.events:
            self._apply(event)  # the second time nothing happens

    def _fan_out(self, pending: Pending, stored: Stored) -> None:
        draft = pending.draft
        assert isinstance(draft, MessageDraft)
        data = websocket_frame(encode(_wire(draft, stored)))
        registry, source = self._registry, pending.source
        self.messages += 1
        if draft.kind == Kind.COMMUNITY:
            self._send(data, registry.sockets_in_community(draft.dstid), source)
        else:
            self._send(data, registry.sockets_of_user(draft.dstid), source)
            if draft.sender_id != draft.dstid:
                self._send(data, registry.sockets_of_user(draft.sender_id), source)

    def _send(self, data: bytes, receivers: Iterable[Connection], source: object = None) -> None:
        """The innermost loop of a fan-out: `Wire.send` unrolled."""
        count = 0
        for connection in receivers:
            if connection is source or connection.closing:
                continue
            if not connection.queue:
                connection.schedule()
            connection.queue.append(data)
            count += 1
        self.frames += count

    def _members(self, kind: int, dstid: int, user_id: int) -> Iterable[Connection]:
        """The sockets of everybody in the conversation that `user_id` calls (kind, dstid)."""
        registry = self._registry
        if kind == Kind.COMMUNITY:
            return registry.sockets_in_community(dstid)
        if dstid == user_id:
            return registry.sockets_of_user(user_id)
        return (*registry.sockets_of_user(dstid), *registry.sockets_of_user(user_id))

    def _tell_change(self, made: MessageChange) -> None:
        """CHANGE to all devices of all members, the actor's too: he acted by HTTP."""
        data = frame(Cmd.CHANGE, **change(made))
        bare = frame(Cmd.CHANGE, **change_of_nothing_seen(made)) if made.blind else data
        for connection in self._members(made.kind, made.dstid, made.actor_id):
            if connection.v1:
                connection.send(bare if connection.user_id in made.blind else data)

    def _tell_read(self, draft: ReadDraft, read: Read) -> None:
        """READ to my own devices, and to the other side of a single chat, unless a block or the end stands between."""
        data = frame(Cmd.READ, kind=draft.kind, dstid=draft.dstid, userid=draft.user_id, seq=read.seq)
        readers = list(self._registry.sockets_of_user(draft.user_id))
        if draft.kind == Kind.SINGLE and draft.dstid != draft.user_id and not read.quiet:
            readers += self._registry.sockets_of_user(draft.dstid)
        for connection in readers:
            if connection.v1:
                connection.send(data)


def _wire(draft: MessageDraft, stored: Stored) -> WireMessage | WireText:
    if not (draft.url or draft.pic or draft.memo or draft.amount or draft.reply_seq or draft.mention or draft.file):
        # fmt: off
        return WireText(
            stored.message_id, draft.sender_id, draft.kind, draft.dstid, draft.media, stored.seq,
            rfc3339(stored.created_at_ms), draft.content, draft.cid,
        )
        # fmt: on
    return WireMessage(
        id=stored.message_id,
        userid=draft.sender_id,
        cmd=draft.kind,
        dstid=draft.dstid,
        media=draft.media,
        seq=stored.seq,
        createat=rfc3339(stored.created_at_ms),
        content=draft.content,
        pic=draft.pic,
        url=draft.url,
        memo=draft.memo,
        amount=draft.amount,
        cid=draft.cid,
        reply=draft.reply_seq,
        mention=draft.mention,
        file=Raw(draft.file.encode()) if draft.file else UNSET,
    )
