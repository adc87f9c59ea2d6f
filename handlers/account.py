"""/user/…: registering, logging in and out, one's own profile, password and sessions."""

import unicodedata
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from handlers import caller
from handlers.base import Access, BaseHandler
from imtornado import protocol
from imtornado.passwords import MAX_LENGTH, require_strong
from imtornado.resource_urls import unsigned
from imtornado.services.accounts import Device, Grant, Registration, require_mobile

P = ParamSpec("P")
T = TypeVar("T")

SEXES = ("M", "W", "U")
DAY_S = 86_400
MAX_MOBILE_LENGTH = 40  # longer ones are not even looked at; the exact rule is `require_mobile`
MAX_TOKEN_LENGTH = 100


class AccountHandler(BaseHandler):
    """What the routes of this module share."""

    async def hash(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, in the pool for bcrypt."""
        return await self.context.workers.passwords.call(function, *args, **kwargs)

    def address(self) -> str:
        """The caller's IP address."""
        return caller.client_address(self.request, self.context.config.server)

    def device(self) -> Device:
        """Where this call comes from: the `device` that it names, else what the browser says of itself."""
        agent = "".join(
            letter for letter in self.request.headers.get("User-Agent", "") if unicodedata.category(letter)[0] != "C"
        )
        name = self.params.text("device", default=agent[:100], min_length=1, max_length=100, nfc=True)
        return Device(name, self.address())

    def mobile(self) -> str:
        return require_mobile(self.params.text("mobile", max_length=MAX_MOBILE_LENGTH))

    def picture(self) -> str:
        return unsigned(self.params.text("avatar", default="", max_length=1024))

    def reply_grant(self, grant: Grant) -> None:
        """Logged in: the token in the answer for programs, in a cookie that scripts cannot read for browsers."""
        self.set_cookie(
            caller.COOKIE,
            grant.token,
            max_age=self.context.config.accounts.session_days * DAY_S,
            httponly=True,
            samesite="Lax",
            secure=caller.is_secure(self.request, self.context.config.server),
        )
        self.reply(protocol.own_profile(grant.user) | {"token": grant.token})


class RegisterHandler(AccountHandler):
    access = Access.PUBLIC

    async def post(self) -> None:
        registration = Registration(
            mobile=self.mobile(),
            nickname=self.params.text("nickname", default="", min_length=1, max_length=20, nfc=True),
            avatar=self.picture(),
            sex=self.params.choice("sex", SEXES, "U"),
            memo=self.params.text("memo", default="", max_length=140),
        )
        password = self.params.text("passwd", max_length=MAX_LENGTH)
        invite = self.params.text("invite", default="", max_length=MAX_TOKEN_LENGTH)
        device = self.device()
        require_strong(password, registration.mobile, registration.nickname)
        self.context.throttle.register(device.ip)
        accounts = self.context.accounts
        await self.call(accounts.admit, invite)
        password_hash = await self.hash(self.context.passwords.hash, password)
        grant = await self.call(accounts.register, registration, password_hash, invite, device)
        self.context.throttle.logged_in(registration.mobile, device.ip)
        self.reply_grant(grant)


class LoginHandler(AccountHandler):
    access = Access.PUBLIC

    async def post(self) -> None:
        mobile, device = self.mobile(), self.device()
        password = self.params.text("passwd", min_length=1, max_length=MAX_LENGTH)
        self.context.throttle.log_in(mobile, device.ip)
        credentials = await self.call(self.context.accounts.credentials, mobile)
        proven = await self.hash(self.context.passwords.check, password, credentials)
        grant = await self.call(self.context.accounts.log_in, proven, device)
        self.context.throttle.logged_in(mobile, device.ip)
        self.reply_grant(grant)


class LogoutHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        await self.call(self.context.accounts.revoke, self.user_id, self.session_id)
        self.clear_cookie(caller.COOKIE)
        self.reply()


class MeHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        self.reply(protocol.own_profile(self.user))

    get = post


class UpdateHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        columns = {}
        if self.params.has("nickname"):
            columns["nickname"] = self.params.text("nickname", min_length=1, max_length=20, nfc=True)
        if self.params.has("avatar"):
            columns["avatar"] = self.picture()
        if self.params.has("sex"):
            columns["sex"] = self.params.choice("sex", SEXES)
        if self.params.has("memo"):
            columns["memo"] = self.params.text("memo", max_length=140)
        user = await self.call(self.context.accounts.update, self.user_id, columns) if columns else self.user
        self.reply(protocol.own_profile(user))


class PasswordHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        old = self.params.text("old", min_length=1, max_length=MAX_LENGTH)
        new = self.params.text("new", max_length=MAX_LENGTH)
        require_strong(new, self.user.mobile, self.user.nickname, field="new")
        self.context.throttle.prove(self.session_id)
        credentials = await self.call(self.context.accounts.own_credentials, self.user_id)
        proven = await self.hash(self.context.passwords.check, old, credentials)
        password_hash = await self.hash(self.context.passwords.hash, new)
        await self.call(self.context.accounts.set_password, proven, password_hash, self.session_id)
        self.reply()


class ResetHandler(AccountHandler):
    access = Access.PUBLIC

    async def post(self) -> None:
        token = self.params.text("token", min_length=1, max_length=MAX_TOKEN_LENGTH)
        password, device = self.params.text("passwd", max_length=MAX_LENGTH), self.device()
        require_strong(password)
        await self.call(self.context.accounts.require_reset, token)
        password_hash = await self.hash(self.context.passwords.hash, password)
        self.reply_grant(await self.call(self.context.accounts.reset, token, password_hash, device))


class SessionsHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        sessions = await self.call(self.context.accounts.sessions, self.user_id)
        self.reply_rows(protocol.session(session, self.session_id) for session in sessions)

    get = post


class RevokeHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        session_id = self.params.integer("id")
        await self.call(self.context.accounts.revoke, self.user_id, session_id)
        if session_id == self.session_id:
            self.clear_cookie(caller.COOKIE)
        self.reply()


class FindHandler(AccountHandler):
    access = Access.SESSION

    async def post(self) -> None:
        other_id = self.params.integer("id", default=0)
        mobile = "" if other_id else self.mobile()
        self.context.throttle.look_up(self.session_id)
        found = await self.call(self.context.accounts.find, self.user_id, other_id, mobile)
        if found.friend is not None:
            online = self.context.live.presence.state([found.user.user_id])
            shown = protocol.friend(found.friend, *online[found.user.user_id])
        elif found.relation == "self":
            shown = protocol.own_profile(found.user)
        else:
            shown = protocol.profile(found.user)
        self.reply(shown | {"relation": found.relation})

    get = post
