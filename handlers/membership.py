"""Who is in a community, and with which rank: joining, inviting, leaving, ranks, silence, the end."""

from handlers.base import Access, BaseHandler
from handlers.community import name_of
from imtornado import protocol
from imtornado.records import Role

MEMO_LENGTH = 140
TOKEN_LENGTH = 100
INVITED_AT_ONCE = 50
LINK_HOURS = 168
MAX_LINK_HOURS = 8760
MAX_SILENCE_S = 31_536_000
ROLES = {"admin": Role.ADMIN, "member": Role.MEMBER}


class JoinCommunity(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        params, admissions = self.params, self.context.communities.admissions
        memo = params.text("memo", default="", max_length=MEMO_LENGTH)
        token = params.text("invite", default="", max_length=TOKEN_LENGTH)
        community_id = params.integer("dstid", default=0)
        name = "" if token or community_id else name_of(params, "dstname")
        self.context.throttle.look_up(self.session_id)
        if token:
            community, inside = await self.call(admissions.join_by_link, self.user_id, token)
        elif community_id:
            community, inside = await self.call(admissions.join, self.user_id, community_id, memo)
        else:
            community, inside = await self.call(admissions.join_by_name, self.user_id, name, memo)
        self.reply(protocol.community(community) | {"status": "joined" if inside else "requested"})


class Invite(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        admissions = self.context.communities.admissions
        if not self.params.has("link"):
            friend_ids = self.params.integers("userids", INVITED_AT_ONCE)
            added, requested = await self.call(admissions.invite, self.user_id, community_id, friend_ids)
            self.reply({"added": added, "requested": requested})
        elif self.params.flag("link", True):
            hours = self.params.integer("hours", default=LINK_HOURS, maximum=MAX_LINK_HOURS)
            self.context.throttle.look_up(self.session_id)
            token, expires_at_ms = await self.call(admissions.create_link, self.user_id, community_id, hours)
            expires = protocol.rfc3339(expires_at_ms)
            self.reply({"link": f"/join#{token}", "token": token, "expires": expires})
        else:
            await self.call(admissions.revoke_links, self.user_id, community_id)
            self.reply()


class Requests(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        admissions = self.context.communities.admissions
        requests = await self.call(admissions.requests, self.user_id, self.params.integer("dstid"))
        self.reply_rows(map(protocol.join_request, requests))

    get = post


class Approve(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id, asker_id = self.params.integer("dstid"), self.params.integer("memberid")
        approve = self.params.flag("approve", True)
        admissions = self.context.communities.admissions
        await self.call(admissions.answer, self.user_id, community_id, asker_id, approve=approve)
        self.reply()


class Leave(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.communities.memberships.leave, self.user_id, self.params.integer("dstid"))
        self.reply()


class Kick(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id, member_id = self.params.integer("dstid"), self.params.integer("memberid")
        await self.call(self.context.communities.memberships.kick, self.user_id, community_id, member_id)
        self.reply()


class SetRole(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id, member_id = self.params.integer("dstid"), self.params.integer("memberid")
        role = ROLES[self.params.choice("role", tuple(ROLES))]
        await self.call(self.context.communities.memberships.set_role, self.user_id, community_id, member_id, role)
        self.reply()


class Transfer(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id, member_id = self.params.integer("dstid"), self.params.integer("memberid")
        await self.call(self.context.communities.memberships.transfer, self.user_id, community_id, member_id)
        self.reply()


class Mute(BaseHandler):
    """Silences one member, or without `memberid` all plain members."""

    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        member_id = self.params.integer("memberid") if self.params.has("memberid") else None
        seconds = self.params.integer("seconds", minimum=0, maximum=MAX_SILENCE_S)
        await self.call(self.context.communities.memberships.silence, self.user_id, community_id, member_id, seconds)
        self.reply()


class Dissolve(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.communities.memberships.dissolve, self.user_id, self.params.integer("dstid"))
        self.reply()
