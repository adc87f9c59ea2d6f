"""Friends: /contact/*, but for the communities that the original design keeps under the same prefix."""

from handlers.base import Access, BaseHandler
from handlers.params import Params
from imtornado import protocol
from imtornado.records import User

MEMO_LENGTH = 140
MOBILE_LENGTH = 20
REMARK_LENGTH = 20
STAMP_LENGTH = 20
UNSEEN = (False, 0)  # online, last seen


def since_ms(params: Params) -> int | None:
    """The time behind `since`, None when it was not sent. Raises: BadParameter."""
    text = params.text("since", default="", max_length=STAMP_LENGTH)
    return protocol.parse_stamp(text) if text else None


class AddFriend(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        other_id = self.params.integer("dstid", default=0)
        memo = self.params.text("memo", default="", max_length=MEMO_LENGTH)
        contacts = self.context.contacts
        if other_id:
            self.context.throttle.look_up(self.session_id)
            self._reply(*await self.call(contacts.add, self.user_id, other_id, memo))
        else:
            mobile = self.params.text("dstname", min_length=1, max_length=MOBILE_LENGTH)
            self.context.throttle.look_up(self.session_id)
            self._reply(*await self.call(contacts.add_by_mobile, self.user_id, mobile, memo))

    def _reply(self, other: User, friends: bool) -> None:
        self.reply(protocol.profile(other) | {"status": "friend" if friends else "requested"})


class LoadFriend(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        found = await self.call(self.context.contacts.friends, self.user_id, since_ms(self.params))
        online = self.context.live.presence.state(found.seen_ids)
        rows = [protocol.friend(friend, *online.get(friend.user.user_id, UNSEEN)) for friend in found.friends]
        rows += [{"id": user_id, "removed": True} for user_id in found.removed_ids]
        self.reply_rows(rows, stamp=protocol.stamp(found.now_ms), full=found.full)

    get = post


class Requests(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        requests = await self.call(self.context.contacts.requests, self.user_id)
        self.reply_rows(map(protocol.contact_request, requests))

    get = post


class Accept(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.contacts.accept, self.user_id, self.params.integer("dstid"))
        self.reply()


class Reject(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.contacts.reject, self.user_id, self.params.integer("dstid"))
        self.reply()


class Remark(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        friend_id = self.params.integer("dstid")
        remark = self.params.text("remark", max_length=REMARK_LENGTH, nfc=True)
        await self.call(self.context.contacts.remark, self.user_id, friend_id, remark)
        self.reply()


class Remove(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.contacts.remove, self.user_id, self.params.integer("dstid"))
        self.reply()


class Block(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        target_id = self.params.integer("dstid")
        self.context.throttle.look_up(self.session_id)
        await self.call(self.context.contacts.block, self.user_id, target_id)
        self.reply()


class Unblock(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.contacts.unblock, self.user_id, self.params.integer("dstid"))
        self.reply()


class Blocked(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        self.reply_rows(map(protocol.profile, await self.call(self.context.contacts.blocked, self.user_id)))

    get = post
