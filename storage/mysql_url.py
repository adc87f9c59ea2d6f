"""What a `mysql://` URL says: `mysql://user:password@host:3306/name`, `mysql://user@localhost/name?unix_socket=/path`.

The parts are percent-decoded. Nothing here puts the URL or the password into a text that somebody may see.
"""

from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from imtornado.errors import BadParameter

SCHEME = "mysql"
PORT = 3306
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
OPTIONS = frozenset({"unix_socket", "ssl_ca", "answer_s"})
ANSWER_S = 1.5  # for one answer of the server: whoever waits for a call is told within 2 s


class Address(NamedTuple):
    """Where the database is, and as whom it is used. `unix_socket` and `ssl_ca` are paths or "".

    `answer_s` is how long one answer may take.
    """

    host: str
    port: int
    user: str
    password: bytes
    name: str
    unix_socket: str
    ssl_ca: str
    answer_s: float

    def __repr__(self) -> str:
        """For logs and errors: everything but the password."""
        place = self.unix_socket or f"{self.host}:{self.port}"
        return f"{self.user}@{place}/{self.name}"

    @property
    def driver_options(self) -> dict[str, Any]:
        """Of `pymysql.connect`. Over a network TLS is used where the server offers it, and must be with `ssl_ca`."""
        options: dict[str, Any] = {"user": self.user, "password": self.password, "charset": "utf8mb4"}
        if self.unix_socket:
            return {**options, "unix_socket": self.unix_socket, "ssl_disabled": True}
        options |= {"host": self.host, "port": self.port}
        if self.ssl_ca:
            return {**options, "ssl_ca": self.ssl_ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
        return {**options, "ssl_disabled": True} if self.host in LOCAL else options


def parse(url: str) -> Address:
    """Raises: BadParameter, whose text never holds the URL: there may be a password in it."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        port = parts.port or PORT
        answer_s = float(options.get("answer_s", ANSWER_S))
    except ValueError:
        raise _malformed() from None
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != SCHEME or not name or "/" in name or not parts.username or parts.fragment:
        raise _malformed()
    if not options.keys() <= OPTIONS or not all(options.values()):
        raise _malformed()
    if not 0.1 <= answer_s <= 3600:
        raise _malformed()
    if not parts.hostname and "unix_socket" not in options:
        raise _malformed()
    return Address(
        host=parts.hostname or "localhost",
        port=port,
        user=unquote(parts.username),
        password=_password(parts),
        name=name,
        unix_socket=options.get("unix_socket", ""),
        ssl_ca=options.get("ssl_ca", ""),
        answer_s=answer_s,
    )


def _password(parts: SplitResult) -> bytes:
    # As bytes, because the driver would take a text for Latin-1.
    return unquote(parts.password or "").encode()


def _malformed() -> BadParameter:
    return BadParameter(
        "Write mysql://user:password@host:3306/name, or with ?unix_socket=/path or ?ssl_ca=/path at its end; special"
        " characters as %40 for @, %3A for :, %2F for /.",
        field="storage.url",
    )
