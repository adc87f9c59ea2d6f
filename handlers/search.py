"""Finding messages by their words. /message/search."""

from handlers.base import Access, BaseHandler
from handlers.message import conversation_of
from imtornado import chat_protocol

QUERY_LENGTH = 100
PAGE = 20
MAX_PAGE = 50
CURSOR_LENGTH = 48


class Search(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        params = self.params
        text = params.text("q", min_length=1, max_length=QUERY_LENGTH)
        place = conversation_of(params) if params.has("kind") or params.has("dstid") else None
        cursor = params.text("after", default="", max_length=CURSOR_LENGTH)
        limit = params.integer("limit", default=PAGE, maximum=MAX_PAGE)
        self.context.throttle.search(self.session_id)
        page = await self.call(self.context.search.messages, self.user_id, text, place, cursor, limit)
        rows = (chat_protocol.hit(hit.found, hit.excerpt) for hit in page.hits)
        self.reply_rows(rows, page.next_cursor or None, indexing=page.indexing)

    get = post
