"""The whole route table, and the application that serves it."""

from typing import Any

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.routing import URLSpec

from handlers import (
    account,
    attach,
    changes,
    community,
    contact,
    membership,
    message,
    ops,
    resource,
    search,
    tus,
    views,
)
from handlers.base import BaseHandler, UnknownHandler
from handlers.body import BODY_LIMIT_BYTES
from handlers.chat import ChatHandler
from handlers.context import Context
from handlers.pages import page_routes
from handlers.streaming import OversizedHandler
from imtornado.log import ignore_request, log_request
from imtornado.paths import bundled

# JSON routes: (path, handler). Everybody adds his lines here, sorted by noun.
TABLE: tuple[tuple[str, type[BaseHandler]], ...] = (
    ("/user/register", account.RegisterHandler),
    ("/user/login", account.LoginHandler),
    ("/user/logout", account.LogoutHandler),
    ("/user/me", account.MeHandler),
    ("/user/update", account.UpdateHandler),
    ("/user/passwd", account.PasswordHandler),
    ("/user/reset", account.ResetHandler),
    ("/user/sessions", account.SessionsHandler),
    ("/user/revoke", account.RevokeHandler),
    ("/user/find", account.FindHandler),
    ("/contact/addfriend", contact.AddFriend),
    ("/contact/loadfriend", contact.LoadFriend),
    ("/contact/requests", contact.Requests),
    ("/contact/accept", contact.Accept),
    ("/contact/reject", contact.Reject),
    ("/contact/remark", contact.Remark),
    ("/contact/remove", contact.Remove),
    ("/contact/block", contact.Block),
    ("/contact/unblock", contact.Unblock),
    ("/contact/blocked", contact.Blocked),
    ("/contact/createcommunity", community.CreateCommunity),
    ("/contact/loadcommunity", community.LoadCommunity),
    ("/contact/joincommunity", membership.JoinCommunity),
    ("/community/info", community.Info),
    ("/community/members", community.Members),
    ("/community/search", community.Search),
    ("/community/update", community.Update),
    ("/community/announce", community.Announce),
    ("/community/invite", membership.Invite),
    ("/community/requests", membership.Requests),
    ("/community/approve", membership.Approve),
    ("/community/leave", membership.Leave),
    ("/community/kick", membership.Kick),
    ("/community/role", membership.SetRole),
    ("/community/transfer", membership.Transfer),
    ("/community/mute", membership.Mute),
    ("/community/dissolve", membership.Dissolve),
    ("/attach/upload", attach.Upload),
    ("/attach/probe", attach.Probe),
    ("/attach/sign", attach.Sign),
    ("/attach/tus", tus.Creation),
    (r"/attach/tus/(.*)", tus.Part),
    ("/attach/finish", tus.Finish),
    (r"/resource/(.*)", resource.Resource),
    ("/message/send", message.Send),
    ("/message/conversations", message.Conversations),
    ("/message/history", message.History),
    ("/message/changes", changes.Since),
    ("/message/read", message.MarkRead),
    ("/message/readers", message.Readers),
    ("/message/search", search.Search),
    ("/message/recall", changes.Recall),
    ("/message/edit", changes.Edit),
    ("/message/react", changes.React),
    ("/message/delete", views.Delete),
    ("/message/clear", views.Clear),
    ("/message/pin", views.Pin),
    ("/message/mute", views.Mute),
    ("/healthz", ops.HealthHandler),
    ("/readyz", ops.ReadyHandler),
    ("/metrics", ops.MetricsHandler),
)


def routes(context: Context) -> list[URLSpec]:
    """Every route of the server."""
    return [
        URLSpec("/chat", ChatHandler, {"context": context}),  # first: routes are tried in their order
        *(URLSpec(path, handler, {"context": context}) for path, handler in TABLE),
        *(URLSpec(path, handler, arguments) for path, handler, arguments in page_routes(context, bundled("static"))),
    ]


class Application(tornado.web.Application):
    """The routes, with our own answers for unknown addresses and announced oversize, and no query in any log."""

    def __init__(self, context: Context) -> None:
        self._context = context
        super().__init__(
            list(routes(context)),
            default_handler_class=UnknownHandler,
            default_handler_args={"context": context},
            template_path=str(bundled("templates")),
            log_function=log_request if context.config.log.access else ignore_request,
        )

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """A route that takes no stream is never given a body that it would refuse."""
        delegate = super().find_handler(request, **kwargs)
        length = request.headers.get("Content-Length", "0")
        oversized = length.isascii() and length.isdigit() and int(length[:18]) > BODY_LIMIT_BYTES
        if oversized and not delegate.stream_request_body:
            return self.get_handler_delegate(request, OversizedHandler, {"context": self._context})
        return delegate
