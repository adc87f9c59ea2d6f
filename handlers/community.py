"""Communities as such: made, found, looked at, renamed. Who gets in and out of them is in `membership`."""

from handlers.base import Access, BaseHandler
from handlers.contact import since_ms
from handlers.params import Params
from imtornado import protocol
from imtornado.errors import BadParameter
from imtornado.resource_urls import unsigned

NAME_LENGTH = 60
MEMO_LENGTH = 140
ICON_LENGTH = 200
MAX_CATE = 99
ANNOUNCEMENT_LENGTH = 1000
MEMBER_ROWS = 200
POLICIES = {name: policy for policy, name in protocol.POLICIES.items()}


def name_of(params: Params, name: str = "name", *, default: str | None = None) -> str:
    """A community's name, trimmed and NFC. Raises: BadParameter."""
    return params.text(name, default=default, min_length=1, max_length=NAME_LENGTH, nfc=True)


class CreateCommunity(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community = await self.call(
            self.context.communities.create,
            self.user_id,
            name_of(self.params),
            icon=unsigned(self.params.text("icon", default="", max_length=ICON_LENGTH)),
            cate=self.params.integer("cate", default=0, minimum=0, maximum=MAX_CATE),
            memo=self.params.text("memo", default="", max_length=MEMO_LENGTH),
        )
        self.reply(protocol.community(community))


class LoadCommunity(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        found = await self.call(self.context.communities.list, self.user_id, since_ms(self.params))
        rows = [protocol.community(community) for community in found.communities]
        rows += [{"id": community_id, "removed": True} for community_id in found.removed_ids]
        self.reply_rows(rows, stamp=protocol.stamp(found.now_ms), full=found.full)

    get = post


class Search(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        prefix = name_of(self.params, "q")
        self.context.throttle.look_up(self.session_id)
        found = await self.call(self.context.communities.search, self.user_id, prefix)
        self.reply_rows(map(protocol.community, found))

    get = post


class Info(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        self.reply(protocol.community(await self.call(self.context.communities.info, self.user_id, community_id)))

    get = post


class Members(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        after_id = self.params.integer("after", default=0, minimum=0)
        limit = self.params.integer("limit", default=100, maximum=MEMBER_ROWS)
        members = await self.call(self.context.communities.members, self.user_id, community_id, after_id, limit)
        now_ms = self.context.clock.now_ms()
        self.reply_rows(
            [protocol.member(member, now_ms) for member in members],
            next=members[-1].user.user_id if len(members) == limit else None,
        )

    get = post


class Update(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        columns = self._columns()
        if not columns:
            raise BadParameter("Say what is to change: name, icon, cate, memo or policy.")
        changed = await self.call(self.context.communities.update, self.user_id, community_id, columns)
        self.reply(protocol.community(changed))

    def _columns(self) -> dict[str, object]:
        params = self.params
        columns: dict[str, object] = {}
        if params.has("name"):
            columns["name"] = name_of(params)
        if params.has("icon"):
            columns["icon"] = unsigned(params.text("icon", max_length=ICON_LENGTH))
        if params.has("cate"):
            columns["cate"] = params.integer("cate", minimum=0, maximum=MAX_CATE)
        if params.has("memo"):
            columns["memo"] = params.text("memo", max_length=MEMO_LENGTH)
        if params.has("policy"):
            columns["policy"] = POLICIES[params.choice("policy", tuple(POLICIES))]
        return columns


class Announce(BaseHandler):
    access = Access.SESSION

    async def post(self) -> None:
        community_id = self.params.integer("dstid")
        announcement = self.params.text("announcement", max_length=ANNOUNCEMENT_LENGTH)
        changed = await self.call(self.context.communities.announce, self.user_id, community_id, announcement)
        self.reply(protocol.community(changed))
