"""What every HTTP handler stands on: the checks before a call, the way into a worker thread, the one way to reply."""

import logging
import math
from collections.abc import Callable, Iterable
from enum import Enum
from http import HTTPStatus
from time import monotonic
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, TypeVar

import msgspec
import tornado.web

from handlers import caller
from handlers.body import params_of
from handlers.context import Context
from handlers.headers import secure
from handlers.params import Params
from imtornado.chinese import translated
from imtornado.drafts import Changed, Draft, Read, Stored
from imtornado.errors import (
    Code,
    CrossSite,
    ImError,
    Internal,
    MalformedBody,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    TooLarge,
)
from imtornado.live.writer import Pending, Waiter
from imtornado.records import Session, User

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

TOKEN_LENGTH = 200  # a longer one cannot be ours: it is not worth hashing


class Access(Enum):
    """Who may call a route."""

    PUBLIC = "anybody"
    SESSION = "whoever is logged in"
    ADMIN = "administrators"


class BaseHandler(tornado.web.RequestHandler):
    """A JSON route. A subclass names its `access` and writes `post`; a read adds `get = post`.

    Before `post` runs, the Host, the origin, the body, the session and the original's `userid` have been checked.
    """

    access: ClassVar[Access]
    prompt: ClassVar[bool] = False  # a message or a change of one: whoever sends it has an answer within 2 s
    counted_as: ClassVar[str] = ""  # label in the metrics, where the path is up to the caller

    def initialize(self, context: Context) -> None:
        self.context = context
        self.arrived_at = monotonic()
        busy_after_s = context.config.messages.busy_after_ms / 1000 if self.prompt else math.inf
        self.due_at = self.arrived_at + busy_after_s  # Busy is said then, whatever took the time
        self.language = caller.language(self.request)
        self.params = Params({}, form=False)
        self.session: Session | None = None
        self._user: User | None = None

    def set_default_headers(self) -> None:
        secure(self)
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:
        """Raises: ImError for a call that must not reach the handler's method."""
        caller.require_known_host(self.request, self.context.config.server)
        self._require_method()
        self._require_not_cross_site()
        self.params = params_of(self.request)
        if self.access is Access.PUBLIC:
            return
        await self.identify()
        self.require_own(self.params)
        if self.access is Access.ADMIN and not self.user.is_admin:
            raise NotAllowed("Only an administrator may do this.")

    async def identify(self) -> None:
        """Finds the session and its user. Raises: NotLoggedIn, CrossSite."""
        token, by_cookie = self._token()
        found = await self.context.live.sessions.identify(token, self.due_at) if token else None
        if found is None:
            raise NotLoggedIn("Please log in.")
        if by_cookie and not self._is_safe() and self._same_origin() is None:
            raise CrossSite("A call by cookie must say where it comes from: send Origin, or use a bearer token.")
        self.session, self._user = found

    @property
    def user(self) -> User:
        """Raises: NotLoggedIn."""
        if self._user is None:
            raise NotLoggedIn("Please log in.")
        return self._user

    @property
    def user_id(self) -> int:
        """Raises: NotLoggedIn."""
        return self.user.user_id

    @property
    def session_id(self) -> int:
        """Raises: NotLoggedIn."""
        if self.session is None:
            raise NotLoggedIn("Please log in.")
        return self.session.session_id

    def require_own(self, params: Params) -> None:
        """Holds the original's `userid` and `ownerid` to the session's user. Raises: NotAllowed, BadParameter."""
        for name in ("userid", "ownerid"):
            if params.has(name) and params.integer(name, default=self.user_id, minimum=0) != self.user_id:
                raise NotAllowed("You can act for yourself only.", field=name)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns or raises, from a database thread. Raises: Busy."""
        return await self.context.workers.database.call_until(self.due_at, function, *args, **kwargs)

    async def commit(self, draft: Draft) -> Changed | Read | Stored:
        """The draft's outcome, after its commit; no thread waits for it. Raises: the ImError that it is."""
        waiter = Waiter()
        self.context.live.writer.submit(Pending(draft, waiter, arrived_at=self.arrived_at))
        return await waiter.outcome()

    def reply(self, data: object = None, **beside: object) -> None:
        """Ends the call with `data` in the envelope, and `beside` next to it."""
        self._envelope({"code": Code.OK, "msg": "", "data": data, **beside})

    def reply_rows(self, rows: Iterable[object], next: object = None, **beside: object) -> None:  # noqa: A002 (the wire's word)
        """Ends the call with a list; `next` is the cursor of the following page."""
        self._envelope({"code": Code.OK, "msg": "", "rows": list(rows), "next": next, **beside})

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The one place that turns whatever was raised into a reply."""
        error = as_im_error(status_code, kwargs.get("exc_info"))
        self.set_status(200 if caller.wants_status_200(self.request) else error.status)
        if error.retry_after_ms > 0:
            self.set_header("Retry-After", str(-(-error.retry_after_ms // 1000)))
        data = {"field": error.field} if error.field else None
        self._envelope({"code": error.code, "msg": translated(error, self.language), "data": data})

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """A client's mistake is worth a line of INFO, ours an ERROR; never the query, which may hold a token."""
        method, path = self.request.method, self.request.path[:200]
        if isinstance(value, ImError) and not isinstance(value, Internal):
            log.info("%s %r refused: %d %s", method, path, value.code, value.field)
        elif isinstance(value, tornado.web.HTTPError) and value.status_code < 500:
            log.info("%s %r refused: %d", method, path, value.status_code)
        elif typ is not None and value is not None:
            log.error("%s %r failed", method, path, exc_info=(typ, value, tb))

    def on_finish(self) -> None:
        route = self.counted_as or self.request.path
        self.context.metrics.answered(route, self.get_status(), self.request.request_time())

    def compute_etag(self) -> str | None:
        """None: an answer that must not be stored needs no tag."""
        return None

    def _envelope(self, envelope: dict[str, object]) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        if self.context.is_draining():
            self.set_header("Connection", "close")  # the caller's next request is for the next server
        self.finish(msgspec.json.encode(envelope))

    def _same_origin(self) -> bool | None:
        return caller.is_same_origin(self.request, self.context.config.server)

    def _is_safe(self) -> bool:
        return self.request.method in ("GET", "HEAD")

    def _require_method(self) -> None:
        name = (self.request.method or "").lower()
        if getattr(type(self), name, None) is getattr(tornado.web.RequestHandler, name, None):
            raise MethodNotAllowed("This address does not take this method.")

    def _require_not_cross_site(self) -> None:
        """Even a public write: a foreign page must not log its visitor in as somebody else."""
        if self._is_safe() or caller.bearer(self.request):
            return
        if self._same_origin() is False:
            raise CrossSite("This call comes from a foreign page.")

    def _token(self) -> tuple[str, bool]:
        """(token or "", whether the browser added it by itself). A token that is named is the only one looked at."""
        if "Authorization" in self.request.headers:
            token, by_cookie = caller.bearer(self.request), False
        elif not self._is_safe() and "token" in self.request.body_arguments:
            token, by_cookie = self.params.text("token", max_length=TOKEN_LENGTH), False
        else:
            token, by_cookie = self.get_cookie(caller.COOKIE) or "", True
        return (token if len(token) <= TOKEN_LENGTH else ""), by_cookie


class UnknownHandler(BaseHandler):
    """Any address that no route knows."""

    access = Access.PUBLIC
    counted_as = "unknown"

    async def prepare(self) -> None:
        caller.require_known_host(self.request, self.context.config.server)
        raise NotFound("There is nothing at this address.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if caller.wants_page(self.request):
            self.set_status(as_im_error(status_code, kwargs.get("exc_info")).status)
            self.render("missing.html", lang=self.language)
        else:
            super().write_error(status_code, **kwargs)


def as_im_error(status_code: int, raised: tuple[object, BaseException, object] | None) -> ImError:
    """The error to tell the caller: what was raised if it is ours, else what Tornado's status means."""
    if raised is not None and isinstance(raised[1], ImError):
        return raised[1]
    match status_code:
        case HTTPStatus.BAD_REQUEST:
            return MalformedBody("The request could not be read.")
        case HTTPStatus.FORBIDDEN:
            return NotAllowed("You may not do this.")
        case HTTPStatus.NOT_FOUND:
            return NotFound("There is nothing at this address.")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowed("This address does not take this method.")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge("The body is too large.")
        case _:
            return Internal("Something went wrong on our side.")
