"""What becomes of a message after it was sent: recall, edit, reactions, and what changed since. /message/*."""

from typing import cast

from handlers.base import Access, BaseHandler
from handlers.message import MAX_PAGE, PAGE, conversation_of
from handlers.params import MAX_ID
from imtornado import chat_protocol
from imtornado.drafts import Change, Changed
from imtornado.frames import FRAME_BYTES, Frame, check_message
from imtornado.services.change_rules import EMOJI_BYTES, Altered


class _Alter(BaseHandler):
    """A change of a message: counted as a message of the session, and answered after the commit."""

    access = Access.SESSION
    prompt = True

    async def post(self) -> None:
        changed = await self.commit(self.change())
        altered = cast(Altered, cast(Changed, changed).result)
        self.reply({"seq": altered.seq, "ver": altered.ver, "dup": altered.dup})

    def change(self) -> Change:
        """Raises: ImError."""
        raise NotImplementedError


class Recall(_Alter):
    def change(self) -> Change:
        kind, dstid = conversation_of(self.params)
        seq = self.params.integer("seq")
        self.context.throttle.send(self.session_id)
        return self.context.changes.recall(self.user_id, kind, dstid, seq)


class Edit(_Alter):
    def change(self) -> Change:
        kind, dstid = conversation_of(self.params)
        seq = self.params.integer("seq")
        content = self.params.text("content", max_length=FRAME_BYTES)
        check_message(Frame(cmd=kind, dstid=dstid, content=content), self.context.config.messages.max_content_bytes)
        self.context.throttle.send(self.session_id)
        return self.context.changes.edit(self.user_id, kind, dstid, seq=seq, content=content)


class React(_Alter):
    def change(self) -> Change:
        kind, dstid = conversation_of(self.params)
        seq, emoji = self.params.integer("seq"), self.params.text("emoji", min_length=1, max_length=EMOJI_BYTES)
        on = self.params.flag("on", True)
        self.context.throttle.send(self.session_id)
        return self.context.changes.react(self.user_id, kind, dstid, seq=seq, emoji=emoji, on=on)


class Since(BaseHandler):
    """/message/changes"""

    access = Access.SESSION

    async def post(self) -> None:
        params = self.params
        kind, dstid = conversation_of(params)
        since = params.integer("since", minimum=0, maximum=MAX_ID)
        limit = params.integer("limit", default=PAGE, maximum=MAX_PAGE)
        page = await self.call(self.context.changes.since, self.user_id, kind, dstid, since, limit)
        more = page.ver if page.ver < page.last_ver else None
        self.reply_rows(map(chat_protocol.change, page.changes), more, ver=page.ver)

    get = post
