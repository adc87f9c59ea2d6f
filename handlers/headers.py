"""The headers that every answer carries, whatever handler gives it."""

import tornado.web

# Scripts and styles come from us only and no text becomes markup: require-trusted-types-for makes the browser hold
# the client to that. blob: is for pictures chosen but not yet sent, data: for the tiny placeholders.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types vue",
    )
)


def page_policy(files_from: str) -> str:
    """The policy of pages whose pictures and videos may also come from another origin; "" for none."""
    if not files_from:
        return PAGE_POLICY
    return PAGE_POLICY.replace("img-src 'self'", f"img-src 'self' {files_from}").replace(
        "media-src 'self'", f"media-src 'self' {files_from}"
    )


ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def secure(handler: tornado.web.RequestHandler, policy: str = ANSWER_POLICY) -> None:
    """Sets what keeps browsers from guessing, framing, leaking and running. For `set_default_headers`."""
    handler.clear_header("Server")
    handler.set_header("Content-Security-Policy", policy)
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("X-Frame-Options", "DENY")
    handler.set_header("Referrer-Policy", "no-referrer")
    handler.set_header("Cross-Origin-Opener-Policy", "same-origin")
    handler.set_header("Cross-Origin-Resource-Policy", "same-origin")
    handler.set_header("Permissions-Policy", "geolocation=(self), microphone=(self), camera=(self)")
