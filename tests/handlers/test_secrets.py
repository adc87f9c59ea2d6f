"""A marked secret that is sent over every entry, rightly and wrongly, is in no log."""

import json
import socket
import urllib.parse

from handlers.routes import TABLE
from tests.fixtures.server import Server, StartServer
from tests.handlers.calls import FORM, JSON, exchange
from tests.people import Person, call

MARK = "MarkedSecret0123456789abcdefghijklmnopqrstu"
PATHS = [path.replace("(.*)", "x") for path, _ in TABLE] + ["/", "/chat", "/asset/x", "/nothing", "/login"]
FIELDS = ("token", "passwd", "old", "new", "invite", "content", "memo")


def raw(port: int, *lines: str) -> None:
    """Bytes that are no proper request, and whatever comes back."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def send_everywhere(server: Server, secret: str) -> None:
    fields = dict.fromkeys(FIELDS, secret) | {"mobile": "13800000099", "dstid": 1}
    form, bare = urllib.parse.urlencode(fields).encode(), dict.fromkeys(FIELDS, secret)
    for path in PATHS:
        for headers in ({"Authorization": f"Bearer {secret}"}, {"Cookie": f"im_session={secret}"}):
            exchange(server.port, "GET", path, headers=headers)
            exchange(server.port, "POST", path, json.dumps(fields).encode(), JSON | headers)
        exchange(
            server.port,
            "GET",
            f"{path}?{urllib.parse.urlencode(bare)}",
            headers={"Referer": f"http://x/?token={secret}"},
        )
        exchange(server.port, "POST", f"{path}?token={secret}", form, FORM)
        exchange(server.port, "POST", path, form, FORM | {"Origin": "https://evil.example"})
        exchange(server.port, "POST", path, b'{"token": "' + secret.encode() + b'", ', JSON)
        exchange(server.port, "BREW", f"{path}?token={secret}")
        exchange(server.port, "GET", f"{path}?token={secret}", headers={"Host": "evil.example"})


def test_no_log_holds_a_secret(start_server: StartServer) -> None:
    server = start_server("log.level=debug", "log.access=yes", "security.throttle=no")
    server.expect_log(r"imtornado\.access: GET /\S* 503")  # pages, where the client has not been built
    person = Person(server.port, "Ann")
    password = "LiveSecret horse 9"
    call(server.port, "/user/passwd", {"old": "correct horse 7", "new": password}, token=person.token)
    send_everywhere(server, MARK)
    upgrade = ("Host: localhost", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    for version in ("HTTP/1.1", "HTTP/9.9", "nonsense"):
        raw(server.port, f"GET /chat?id=1&token={MARK} {version}", *upgrade, key)
        raw(server.port, f"GET /chat?id=1&token={MARK} {version}", "Content-Length: x")
        raw(server.port, f"GET /user/me {version}", "Host: localhost", f"Authorization: Bearer {MARK}\x07")
        raw(server.port, f"GET /user/me {version}", "Host: localhost", f"Cookie: im_session={MARK}\x07")
        raw(server.port, f"GET /user/me {version}", "Host: localhost", f"Authorization Bearer {MARK}")
    with person.connect() as chat, person.connect(v1=False):
        chat.send(person.message(person.user_id, MARK))
        chat.until(cmd=1)
        chat.send({"cmd": 10, "content": MARK, "dstid": "wrong"})
        chat.until(cmd=2)
    call(server.port, "/user/login", {"mobile": person.mobile, "passwd": password})
    call(server.port, "/user/logout", {}, token=person.token)
    assert server.stop() == 0
    assert "POST /user/login 4" in server.log, "the log was on"
    for secret in (MARK, person.token, password, urllib.parse.quote(password), urllib.parse.quote_plus(password)):
        leaks = [line for line in server.log.splitlines() if secret in line]
        assert not leaks, leaks[:5]
