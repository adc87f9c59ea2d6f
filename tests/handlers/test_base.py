"""What holds for every route: Host, origin, session, body, errors, headers."""

import gzip
import json
import socket
from collections.abc import Iterator

import pytest
import tornado.web

from handlers import routes
from handlers.base import Access, BaseHandler
from handlers.body import BODY_LIMIT_BYTES
from tests.fixtures.logs import ExpectLog
from tests.handlers.calls import FORM, JSON, exchange, post_form, post_json
from tests.handlers.house import House, open_house
from tests.people import PASSWORD, Person

UNIMPLEMENTED = tornado.web.RequestHandler.post
POSTS = [(path, handler) for path, handler in routes.TABLE if handler.post is not UNIMPLEMENTED]
GETS = [(path, handler) for path, handler in routes.TABLE if handler.get is not tornado.web.RequestHandler.get]
PRIVATE_POSTS = [path for path, handler in POSTS if handler.access is not Access.PUBLIC]
UPLOAD = "/attach/upload"  # takes multipart only; its own tests hold it to the same rules


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "server.hosts=chat.example.org Other.example:8443") as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(house: House) -> Person:
    return house.person("Alice")


@pytest.fixture(scope="module")
def bob(house: House) -> Person:
    return house.person("Bob")


def cookie(person: Person) -> str:
    return f"im_session={person.token}"


def origin(house: House) -> str:
    return f"http://127.0.0.1:{house.port}"


def test_the_router_was_read() -> None:
    assert len(POSTS) > 35
    assert {"/user/logout", "/contact/addfriend", "/community/kick", "/message/send", UPLOAD} <= set(PRIVATE_POSTS)


@pytest.mark.parametrize(("path", "handler"), routes.TABLE)
def test_every_route_declares_who_may_call(path: str, handler: type[BaseHandler]) -> None:
    assert isinstance(handler.access, Access)
    public = {"/user/register", "/user/login", "/user/reset", "/healthz", "/readyz", "/metrics"}
    assert (handler.access is Access.PUBLIC) == (path in public)


@pytest.mark.parametrize("path", PRIVATE_POSTS)
def test_nobody_gets_in_without_a_live_token(house: House, alice: Person, path: str) -> None:
    same = {"Origin": origin(house)}
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Cookie": "im_session=wrong"} | same,
        {"Authorization": "Basic x"},
    ):
        answer = post_json(house.port, path, {"userid": alice.user_id, "id": alice.user_id}, **headers)
        assert (answer.status, answer.code) == (401, 40101)
    if path != UPLOAD:
        form = post_form(house.port, path, {"token": "wrong"}, Cookie=cookie(alice), Origin=origin(house))
        assert form.code == 40101


@pytest.mark.parametrize("path", [path for path, handler in GETS if handler.access is not Access.PUBLIC])
def test_reads_need_a_token_too_and_never_take_it_from_the_query(house: House, alice: Person, path: str) -> None:
    path = path.replace("(.*)", "x")
    assert exchange(house.port, "GET", path).status == 401
    assert exchange(house.port, "GET", f"{path}?token={alice.token}&id={alice.user_id}").status == 401


@pytest.mark.parametrize("path", [path for path, _ in POSTS])
def test_a_foreign_page_cannot_write(house: House, alice: Person, path: str) -> None:
    foreign: tuple[dict[str, str], ...] = (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{house.port}"},
        {"Origin": f"http://127.0.0.1:{house.port + 1}"},
        {"Origin": f"http://127.0.0.1:{house.port}.evil.example"},
        {"Origin": f"http://user@127.0.0.1:{house.port}"},
        {"Origin": f"http://127.0.0.1:{house.port}/"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://127.0.0.1:{house.port}"},
    )
    for headers in foreign:
        body = json.dumps({"mobile": alice.mobile, "passwd": PASSWORD}).encode()
        answer = exchange(house.port, "POST", path, body, JSON | headers | {"Cookie": cookie(alice)})
        assert (answer.status, answer.code) == (403, 40305), headers
        assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize("path", PRIVATE_POSTS)
def test_a_write_by_cookie_says_where_it_comes_from(house: House, alice: Person, path: str) -> None:
    answer = post_json(house.port, path, {}, Cookie=cookie(alice))
    assert (answer.status, answer.code) == (403, 40305)


def test_own_pages_write_by_cookie(house: House, alice: Person) -> None:
    for headers in ({"Origin": origin(house)}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        answer = exchange(house.port, "POST", "/user/me", b"{}", JSON | headers | {"Cookie": cookie(alice)})
        assert (answer.status, answer.envelope["data"]["id"]) == (200, alice.user_id)
    assert exchange(house.port, "GET", "/user/me", headers={"Cookie": cookie(alice)}).status == 200


def test_a_bearer_token_needs_no_origin_and_wins_over_the_cookie(house: House, alice: Person, bob: Person) -> None:
    headers = {"Authorization": f"Bearer {alice.token}", "Cookie": cookie(bob), "Origin": "https://elsewhere.example"}
    answer = exchange(house.port, "POST", "/user/me", b"{}", JSON | headers)
    assert answer.envelope["data"]["id"] == alice.user_id


def test_a_form_may_carry_the_token(house: House, alice: Person, bob: Person) -> None:
    assert post_form(house.port, "/user/me", {"token": alice.token}).envelope["data"]["id"] == alice.user_id
    named = post_form(house.port, "/user/me", {"token": alice.token}, Cookie=cookie(bob), Origin=origin(house))
    assert named.envelope["data"]["id"] == alice.user_id


@pytest.mark.parametrize("path", [path for path in PRIVATE_POSTS if path != UPLOAD])
@pytest.mark.parametrize("name", ["userid", "ownerid"])
def test_nobody_acts_for_another(house: House, alice: Person, bob: Person, path: str, name: str) -> None:
    bearer = f"Bearer {alice.token}"
    answer = post_json(house.port, path, {name: bob.user_id}, Authorization=bearer)
    assert (answer.status, answer.code) == (403, 40301)
    assert answer.envelope["data"] == {"field": name}
    form = post_form(house.port, path, {name: bob.user_id}, Authorization=bearer)
    assert (form.status, form.code) == (200, 40301)
    for nonsense in ("x", [bob.user_id], True, -1):
        assert post_json(house.port, path, {name: nonsense}, Authorization=bearer).code in (40001, 40301)


def test_ones_own_userid_is_accepted(house: House, alice: Person) -> None:
    assert alice.data("/user/me", userid=alice.user_id, ownerid=alice.user_id)["id"] == alice.user_id
    assert post_form(house.port, "/user/me", {"userid": "", "token": alice.token}).code == 0


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:{port}", "127.0.0.1", "10.1.2.3:80", "[::1]:{port}", "chat.example.org"),
        *("Chat.Example.Org:443", "other.example", "localhost."),
    ],
)
def test_addresses_localhost_and_configured_names_are_served(house: House, host: str) -> None:
    assert exchange(house.port, "GET", "/healthz", headers={"Host": host.format(port=house.port)}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "chat.example.org.evil.example", "127.0.0.1.evil.example", "localhost.evil", "1", ""]
)
@pytest.mark.parametrize("path", ["/healthz", "/user/me", "/", "/nothing", "/asset/x", "/chat", "/resource/x"])
def test_other_names_are_refused_with_the_setting_to_change(house: House, host: str, path: str) -> None:
    answer = exchange(house.port, "GET", path, headers={"Host": host})
    assert answer.status == 403
    assert b"server.hosts" in answer.body


def test_a_name_that_points_here_cannot_log_in(house: House, alice: Person) -> None:
    """DNS rebinding: for the browser its page and we have the same origin."""
    headers = {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
    body = json.dumps({"mobile": alice.mobile, "passwd": PASSWORD}).encode()
    answer = exchange(house.port, "POST", "/user/login", body, JSON | headers)
    assert (answer.status, answer.code) == (403, 40301)


@pytest.mark.parametrize(
    "path", ["/", "/user/me", "/user/login", "/healthz", "/nothing", "/asset/nothing", "/metrics", "/login"]
)
def test_every_answer_is_guarded(house: House, path: str, expect_log: ExpectLog) -> None:
    expect_log("imtornado.access", "GET /(login)? 503", optional=True)  # where the client has not been built
    for method in ("GET", "POST", "DELETE", "PROPFIND"):
        headers = exchange(house.port, method, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Server"] is None
        assert headers["Access-Control-Allow-Origin"] is None


def test_answers_are_not_stored(house: House, alice: Person) -> None:
    answer = exchange(house.port, "GET", "/user/me", headers={"Authorization": f"Bearer {alice.token}"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["ETag"] is None


def test_unknown_addresses_and_methods(house: House) -> None:
    assert (exchange(house.port, "GET", "/nothing").status, exchange(house.port, "GET", "/nothing").code) == (
        404,
        40401,
    )
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD"):
        answer = exchange(house.port, method, "/user/login")
        assert answer.status == 405
        assert method == "HEAD" or answer.code == 40501
    page = exchange(house.port, "GET", "/nothing", headers={"Accept": "text/html,*/*"})
    assert page.status == 404
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", 40002),
        (b"[]", "application/json", 40002),
        (b"null", "application/json", 40002),
        (b'"text"', "application/json", 40002),
        (b'{"mobile":NaN}', "application/json", 40002),
        (b'{"mobile":1e999}', "application/json", 40002),
        (b'{"mobile":"\xff"}', "application/json", 40002),
        (b"\xff\xfe{\x00}\x00", "application/json", 40002),
        (b"[" * 50_000, "application/json", 40002),
        (b'{"a":' * 50_000, "application/json", 40002),
        (gzip.compress(b"{}"), "application/json", 40002),
        (b'{"mobile":"\\ud800"}', "application/json", 40001),
        (b"{}", "application/json", 40001),
        (b"", "application/json", 40001),
        (b"", "", 40001),
        (b'{"mobile":"13800000000"}', "text/plain", 40002),
        (b"hello", "application/xml", 40002),
        (b"mobile=123", "text/plain", 40001),
        (b"&".join(b"a%d=1" % number for number in range(1_100)), "application/x-www-form-urlencoded", 40002),
        (b"mobile=%ff&passwd=x", "application/x-www-form-urlencoded", 40001),
        (b"no boundary", "multipart/form-data", 40002),
        (b"no boundary", "multipart/form-data; boundary=x", 40002),
    ],
)
def test_bodies_that_cannot_be_read(house: House, body: bytes, kind: str, code: int) -> None:
    answer = exchange(house.port, "POST", "/user/login", body, {"Content-Type": kind, "Accept": "application/json"})
    assert (answer.status, answer.code) == (400, code)
    assert answer.envelope["msg"]


def test_a_body_announced_as_too_large_is_refused_unread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.streaming.SILENT_S", 0.1)
    with socket.create_connection(("127.0.0.1", house.port), 60) as raw:
        head = f"POST /user/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_LIMIT_BYTES + 1}\r\n\r\n"
        raw.sendall(head.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == 41301


def test_a_body_of_just_the_limit_is_read(house: House) -> None:
    assert post_json(house.port, "/user/login", {"mobile": "1" * (BODY_LIMIT_BYTES - 14)}).code == 40001


def test_a_chunked_body_has_the_same_limit(house: House, expect_log: ExpectLog) -> None:
    expect_log("tornado.general", "Malformed HTTP message")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", house.port), 10) as raw:
        raw.sendall(b"POST /user/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(BODY_LIMIT_BYTES // 0x10000 + 2):
                raw.sendall(chunk)
            answer = raw.recv(65536)
        except ConnectionError:
            answer = b"HTTP/1.1 400 "
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_the_originals_forms_get_status_200_with_the_code_inside(house: House) -> None:
    answer = post_form(house.port, "/user/login", {"mobile": "1"})
    assert (answer.status, answer.code) == (200, 40001)
    assert post_form(house.port, "/nothing", {}).status == 200
    aware = post_form(house.port, "/user/login", {"mobile": "1"}, Accept="text/html, application/json;q=0.9")
    assert (aware.status, aware.code) == (400, 40001)
    multipart = b'--x\r\nContent-Disposition: form-data; name="mobile"\r\n\r\n1\r\n--x--\r\n'
    sent = exchange(house.port, "POST", "/user/login", multipart, {"Content-Type": "multipart/form-data; boundary=x"})
    assert (sent.status, sent.code) == (200, 40001)


@pytest.mark.parametrize(
    ("header", "chinese"),
    [
        *(("zh", True), ("zh-CN,en;q=0.8", True), ("en;q=0.4,zh-Hans;q=0.5", True), ("fr,zh;q=0.1", True)),
        *(("en", False), ("", False), ("fr", False), ("zh;q=0.2,en", False), ("zh;q=0", False), ("zh;q=x;;,", True)),
    ],
)
def test_refusals_are_in_the_callers_language(house: House, header: str, chinese: bool) -> None:
    message = post_json(house.port, "/user/me", {}, Accept_Language=header).envelope["msg"]
    assert message == ("请先登录。" if chinese else "Please log in.")


def test_a_query_that_is_not_utf8(house: House, alice: Person) -> None:
    answer = exchange(house.port, "GET", "/user/me?x=%ff", headers={"Authorization": f"Bearer {alice.token}"})
    assert (answer.status, answer.code) == (400, 40001)


def test_forms_are_read_by_their_type_alone(house: House, alice: Person) -> None:
    """JSON sent as a form (curl -d) is a form with a strange name, never two truths about one body."""
    body = json.dumps({"token": alice.token}).encode()
    answer = exchange(house.port, "POST", "/user/me", body, FORM)
    assert (answer.status, answer.code) == (200, 40101)
