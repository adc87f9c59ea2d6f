"""What to do about a connection that could not be opened: a sentence behind the server's or the driver's own words."""

from collections.abc import Callable

from pymysql.constants import CR, ER

from storage.mysql_errors import number_of, timed_out
from storage.mysql_url import Address

PASSWORD_EXPIRED = frozenset({1820, 1862})
ACCOUNT_LOCKED = frozenset({3118, 4151})  # MySQL, MariaDB
TLS_REQUIRED = frozenset({3159})  # MySQL; MariaDB says that access is denied
INIT_CONNECT_FAILED = 1184


def advice(error: BaseException, address: Address) -> str:
    """One sentence or two, "" where there is nothing to add. Never with the password."""
    if isinstance(error, RuntimeError):
        return "MySQL's own log-in without TLS needs it: pip install 'imtornado[crypto]'."
    if isinstance(error, FileNotFoundError):
        return f"Is there a certificate at {address.ssl_ca}, readable for this process?"
    number = number_of(error)
    if number in PASSWORD_EXPIRED:
        return "The password has expired. As administrator: ALTER USER … PASSWORD EXPIRE NEVER."
    if number in ACCOUNT_LOCKED:
        return "As administrator: ALTER USER … ACCOUNT UNLOCK."
    if number in TLS_REQUIRED:
        return "The server wants TLS: name its certificate with ?ssl_ca=/path."
    if timed_out(error):
        return f"Nothing came within {address.answer_s:g} s: the server hangs, or something on the way drops packets."
    tell = _ADVICE.get(number)
    return tell(address) if tell else ""


def _refused(address: Address) -> str:
    if address.unix_socket:
        return "Is the server started, and is this its socket?"
    return "Is the server started, does it listen there (bind_address), and are host and port right?"


def _denied(address: Address) -> str:
    if not address.password:
        return "storage.url holds no password: mysql://USER:PASSWORD@…"
    return (
        "Wrong user or password; or the account is for another host, or hidden by an anonymous one (DROP USER"
        " ''@'localhost'), or for TLS only (REQUIRE SSL: name the certificate with ?ssl_ca=/path)."
    )


_ADVICE: dict[int, Callable[[Address], str]] = {
    CR.CR_CONN_HOST_ERROR: _refused,
    CR.CR_CONNECTION_ERROR: _refused,
    CR.CR_SSL_CONNECTION_ERROR: lambda _: "?ssl_ca insists on TLS, which the server does not offer.",
    ER.ACCESS_DENIED_ERROR: _denied,
    ER.DBACCESS_DENIED_ERROR: lambda address: (
        f"As administrator: GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON"
        f" `{address.name}`.* TO this user."
    ),
    ER.BAD_DB_ERROR: lambda address: f"As administrator: CREATE DATABASE `{address.name}` CHARACTER SET utf8mb4.",
    ER.CON_COUNT_ERROR: lambda _: "Set max_connections higher, or end other programs.",
    ER.TOO_MANY_USER_CONNECTIONS: lambda _: "Set max_user_connections higher, or end other programs of this user.",
    ER.USER_LIMIT_REACHED: lambda _: "Set this limit of the user higher, or end other programs of his.",
    ER.HOST_NOT_PRIVILEGED: lambda _: (
        "No account of the server is for this machine: CREATE USER 'name'@'address of this machine'."
    ),
    ER.HOST_IS_BLOCKED: lambda _: "As administrator: FLUSH HOSTS.",
    INIT_CONNECT_FAILED: lambda _: "Put init_connect in the server's [mysqld] section right.",
}
