"""Messages without a socket: sending for bots, reading for everybody. /message/*."""

import msgspec

from handlers.base import Access, BaseHandler
from handlers.contact import since_ms
from handlers.params import Params
from imtornado import chat_protocol, protocol
from imtornado.drafts import Read, ReadDraft, Stored
from imtornado.errors import BadParameter, MalformedBody
from imtornado.frames import FRAME_BYTES, File, Frame, check_message, decode
from imtornado.live.chat import message_draft
from imtornado.records import Kind

PAGE = 50
MAX_PAGE = 200
CURSOR_LENGTH = 40


def conversation_of(params: Params) -> tuple[Kind, int]:
    """The conversation that `kind` and `dstid` name. Raises: BadParameter."""
    kind = params.integer("kind")
    if kind not in (Kind.SINGLE, Kind.COMMUNITY):
        raise BadParameter("kind is 10 for a single chat or 11 for a community.", field="kind")
    return Kind(kind), params.integer("dstid")


class Send(BaseHandler):
    access = Access.SESSION
    prompt = True

    async def post(self) -> None:
        """As a frame on the socket; 200 only after the commit."""
        assert self.session is not None
        got = self._frame()
        if got.cmd not in (Kind.SINGLE, Kind.COMMUNITY):
            raise BadParameter("cmd is 10 for a single chat or 11 for a community.", field="cmd")
        check_message(got, self.context.config.messages.max_content_bytes)
        if not got.cid:
            raise BadParameter("cid is needed: 1 to 64 printable ASCII characters, new for every message.", field="cid")
        self.context.throttle.send(self.session.session_id)
        stored = await self.commit(message_draft(self.user_id, got))
        assert isinstance(stored, Stored)
        self.reply(
            {
                "cid": got.cid,
                "id": stored.message_id,
                "seq": stored.seq,
                "createat": protocol.rfc3339(stored.created_at_ms),
                "dup": stored.dup,
            }
        )

    def _frame(self) -> Frame:
        if self.params.is_form:
            return _frame_of_form(self.params)
        if not self.request.body.strip():
            raise MalformedBody("The body must be a JSON object.")
        return decode(self.request.body)


def _frame_of_form(params: Params) -> Frame:
    file = params.text("file", default="", max_length=2000)
    try:
        described = msgspec.json.decode(file, type=File) if file else None
    except msgspec.DecodeError:
        raise BadParameter("file holds a text that is not the JSON of a file.", field="file") from None
    return Frame(
        cmd=params.integer("cmd"),
        dstid=params.integer("dstid"),
        media=params.integer("media", default=1),
        content=params.text("content", default="", max_length=FRAME_BYTES),
        cid=params.text("cid", default="", max_length=64),
        pic=params.text("pic", default="", max_length=1024),
        url=params.text("url", default="", max_length=1024),
        memo=params.text("memo", default="", max_length=1000),
        amount=params.integer("amount", default=0, minimum=0),
        reply=params.integer("reply", default=0, minimum=0),
        mention=params.integers("mention", 50) if params.has("mention") else (),
        file=described,
    )


class Conversations(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        page = await self.call(
            self.context.messages.conversations,
            self.user_id,
            self.params.text("after", default="", max_length=CURSOR_LENGTH),
            since_ms(self.params),
            self.params.integer("limit", default=PAGE, maximum=MAX_PAGE),
        )
        rows = map(chat_protocol.conversation, page.rows)
        self.reply_rows(rows, page.next_cursor or None, stamp=protocol.stamp(page.now_ms))

    get = post


class History(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        params = self.params
        page = await self.call(
            self.context.messages.history,
            self.user_id,
            *conversation_of(params),
            before=params.integer("before") if params.has("before") else None,
            after=params.integer("after", minimum=0) if params.has("after") else None,
            limit=params.integer("limit", default=PAGE, maximum=MAX_PAGE),
        )
        rows = (chat_protocol.history_row(record, page.reactions.get(record.seq, ())) for record in page.messages)
        self.reply_rows(rows, first=page.first, last=page.last, ver=page.ver, expired=page.expired)

    get = post


class MarkRead(BaseHandler):
    access = Access.SESSION
    prompt = True

    async def post(self) -> None:
        kind, dstid = conversation_of(self.params)
        read = await self.commit(ReadDraft(self.user_id, kind, dstid, self.params.integer("seq", minimum=0)))
        assert isinstance(read, Read)
        self.reply({"seq": read.seq})


class Readers(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        dstid, seq = self.params.integer("dstid"), self.params.integer("seq")
        user_ids = await self.call(self.context.messages.readers, self.user_id, dstid, seq)
        self.reply_rows({"userid": user_id} for user_id in user_ids)

    get = post
