"""One's own view of a conversation: deleted, cleared, pinned, muted for oneself alone. /message/*."""

from typing import cast

from handlers.base import Access, BaseHandler
from handlers.message import conversation_of
from imtornado.drafts import Changed

DELETED_AT_ONCE = 100


class Delete(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        kind, dstid = conversation_of(self.params)
        seqs = self.params.integers("seqs", DELETED_AT_ONCE)
        await self.commit(self.context.views.delete(self.user_id, kind, dstid, seqs))
        self.reply()


class Clear(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        kind, dstid = conversation_of(self.params)
        seq = self.params.integer("seq", minimum=0) if self.params.has("seq") else None
        cleared = await self.commit(self.context.views.clear(self.user_id, kind, dstid, seq))
        self.reply({"seq": cast(Changed, cleared).result})


class Pin(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        kind, dstid = conversation_of(self.params)
        await self.commit(self.context.views.pin(self.user_id, kind, dstid, self.params.flag("pinned", True)))
        self.reply()


class Mute(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        kind, dstid = conversation_of(self.params)
        await self.commit(self.context.views.mute(self.user_id, kind, dstid, self.params.flag("muted", True)))
        self.reply()
