"""Who is calling, as far as the request's headers tell: host name, origin, address, language, token.

Plain functions, shared by the JSON handlers, the pages and the chat socket.
"""

import ipaddress
import re
import urllib.parse

from tornado.httputil import HTTPServerRequest

from imtornado.config import Server
from imtornado.errors import NotAllowed

COOKIE = "im_session"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@]+)(?::([0-9]{1,5}))?", re.ASCII)


def require_known_host(request: HTTPServerRequest, server: Server) -> None:
    """Refuses a host name that nobody configured: the guard against DNS rebinding, which needs a name of its own.

    Raises: NotAllowed.
    """
    host, _ = _split_host(request.host)
    known = {"localhost", *(_split_host(name)[0] for name in server.hosts)}
    if host not in known and _address(host) is None:
        raise NotAllowed(
            "This server does not answer to the name {host}. Its operator can add it to the setting server.hosts.",
            host=host[:255],
        )


def is_same_origin(request: HTTPServerRequest, server: Server) -> bool | None:
    """What the browser says of the page that made this call; None when it says nothing (no browser, or an old one).

    Sec-Fetch-Site cannot be set by a page and needs no knowledge of our own scheme, so it is asked first.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    scheme = "https" if is_secure(request, server) else "http"
    host, port = _split_host(request.host)
    return _split_origin(origin) == (scheme, host, port or _DEFAULT_PORTS[scheme])


def is_secure(request: HTTPServerRequest, server: Server) -> bool:
    """True when the browser came by TLS, to us or to a trusted proxy."""
    if request.protocol == "https":
        return True
    return (
        _is_trusted(request.remote_ip or "", server)
        and request.headers.get("X-Forwarded-Proto", "").split(",")[-1].strip().lower() == "https"
    )


def client_address(request: HTTPServerRequest, server: Server) -> str:
    """The caller's IP address: the peer, or behind trusted proxies the last address that is not one of them."""
    address = request.remote_ip or ""
    forwarded = [part.strip() for part in ",".join(request.headers.get_list("X-Forwarded-For")).split(",")]
    while _is_trusted(address, server) and forwarded:
        named = forwarded.pop()
        if _address(named) is None:
            break
        address = named
    return address


def is_local(request: HTTPServerRequest) -> bool:
    """True for a caller on this very machine that no proxy stands in front of."""
    address = _address(request.remote_ip or "")
    return address is not None and address.is_loopback and "X-Forwarded-For" not in request.headers


def language(request: HTTPServerRequest) -> str:
    """ "zh" or "en", whichever Accept-Language likes better; "en" when it names neither."""
    best, best_weight = "en", 0.0
    for part in request.headers.get("Accept-Language", "")[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", parameter)
        weight = float(match[1]) if match else 1.0
        primary = tag.strip().lower().split("-")[0]
        if primary in ("en", "zh") and weight > best_weight:
            best, best_weight = primary, weight
    return best


def bearer(request: HTTPServerRequest) -> str:
    """The token of an Authorization header, "" when it carries none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def wants_page(request: HTTPServerRequest) -> bool:
    """True for a browser that opens an address, false for a script that calls."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")


def wants_status_200(request: HTTPServerRequest) -> bool:
    """True for the original's clients, whose scripts look at status 200 only: forms whose Accept names no JSON."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data") and (
        "application/json" not in request.headers.get("Accept", "").lower()
    )


def _split_host(host: str) -> tuple[str, int]:
    """(name in lower case without brackets and final dot, port or 0); ("", 0) for what is no host."""
    match = _HOST.fullmatch(host.strip().lower())
    if match is None:
        return "", 0
    return match[1].strip("[]").removesuffix("."), int(match[2] or 0)


def _split_origin(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port) of a serialized origin, None for "null" and whatever else is none."""
    try:
        parts = urllib.parse.urlsplit(origin.strip().lower())
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or origin.strip().lower() != f"{parts.scheme}://{parts.netloc}":
        return None
    host, port = _split_host(parts.netloc)
    return (parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme]) if host else None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_trusted(text: str, server: Server) -> bool:
    address = _address(text)
    if address is None:
        return False
    return any(address in ipaddress.ip_network(proxy, strict=False) for proxy in server.trusted_proxies)
