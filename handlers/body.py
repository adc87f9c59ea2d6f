"""Where the parameters of a request stand: in its query, or in a body that is JSON or a form."""

import tornado.escape
from tornado.httputil import HTTPServerRequest

from handlers.params import Params
from imtornado.errors import MalformedBody, TooLarge

# The greatest frame of a message (384 KiB) in its wordiest spelling as a form or JSON stays below this.
BODY_LIMIT_BYTES = 524_288


def params_of(request: HTTPServerRequest) -> Params:
    """Raises: TooLarge, MalformedBody, BadParameter."""
    if request.method in ("GET", "HEAD"):
        return Params.of_form(request.query_arguments)
    if len(request.body) > BODY_LIMIT_BYTES:
        raise TooLarge("The body is too large.")
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return Params.of_json(request.body)
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data") and request.body:
        return Params.of_form(_form_arguments(request))
    return Params.of_form(request.body_arguments)


def _form_arguments(request: HTTPServerRequest) -> dict[str, list[bytes]]:
    """The body read as a form although its type says nothing of one. Raises: MalformedBody."""
    if b"=" not in request.body:
        raise MalformedBody("The body is neither JSON nor a form.")
    try:
        return tornado.escape.parse_qs_bytes(request.body, keep_blank_values=True)
    except ValueError as error:
        raise MalformedBody("The body is neither JSON nor a form.") from error
