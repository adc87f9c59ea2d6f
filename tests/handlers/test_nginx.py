"""Behind a real nginx with the configuration of deploy/: files, uploads, calls and chat sockets."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import media, pictures
from tests.fixtures.nginx import Nginx, open_nginx
from tests.fixtures.tls import Certificate
from tests.handlers.house import House, open_house
from tests.handlers.uploading import BOUNDARY, CONTENT_TYPE, Answer, form, read_answer
from tests.people import Person
from tests.raw_client import Refused

HOST = "chat.example.org"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 400


class Site(NamedTuple):
    house: House
    nginx: Nginx
    tls: ssl.SSLContext

    def person(self, nickname: str) -> Person:
        """Somebody who reaches the server through nginx only."""
        return Person(self.nginx.port, nickname, self.tls)

    def request(
        self, method: str, path: str, person: Person | None = None, body: bytes = b"", **headers: str
    ) -> Answer:
        """Headers are named with underscores."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.nginx.port, timeout=60, context=self.tls)
        known = {"Authorization": f"Bearer {person.token}"} if person else {}
        known |= {"Accept": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body or None, known)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def upload(self, person: Person, data: bytes, name: str) -> str:
        """The address of the stored file."""
        body = form(data, file_name=name)
        answer = self.request("POST", "/attach/upload", person, body, Content_Type=CONTENT_TYPE)
        assert answer.code == 0, answer.envelope
        address: str = answer.envelope["data"]
        return address


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    settings = ("contacts.confirm=no", "uploads.accel=/stored/", f"server.hosts={HOST}")
    with (
        open_house(folder, *settings, "server.trusted_proxies=127.0.0.1") as house,
        open_nginx(folder / "nginx", certificate, house.port, folder / "resource") as nginx,
    ):
        yield Site(house, nginx, certificate.client_context())


@pytest.fixture
def ann(site: Site) -> Person:
    return site.person("Ann")


FILES = {
    "a.pdf": (PDF, "application/octet-stream", 'attachment; filename="a.pdf"'),
    "v.mp4": (media.mp4(telling=False), "video/mp4", 'inline; filename="v.mp4"'),
    "p.png": (pictures.encoded(pictures.quarters(200, 100), "PNG"), "image/webp", 'inline; filename="'),
}


@pytest.mark.parametrize("name", FILES)
def test_nginx_sends_the_file_with_our_headers_and_each_once(site: Site, ann: Person, name: str) -> None:
    data, mime, disposition = FILES[name]
    url = site.upload(ann, data, name)
    answer = site.request("GET", url, ann)
    assert answer.status == 200
    assert name == "p.png" or answer.body == data
    wanted = {
        "Content-Type": mime,
        "Content-Length": str(len(answer.body)),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "private, max-age=3600",
        "Vary": "Cookie, Authorization",
        "Accept-Ranges": "bytes",
    }
    assert {header: answer.headers.get_all(header) for header in wanted} == {
        header: [value] for header, value in wanted.items()
    }
    (shown,) = answer.headers.get_all("Content-Disposition", [])
    assert shown.startswith(disposition)
    assert len(answer.headers.get_all("Etag", [])) == 1
    assert answer.headers["X-Accel-Redirect"] is None
    head = site.request("HEAD", url, ann)
    assert (head.status, head.body) == (200, b"")
    for header in (*wanted, "Etag", "Content-Disposition"):
        assert head.headers.get_all(header) == answer.headers.get_all(header)
    again = site.request("GET", url, ann, If_None_Match=answer.headers["Etag"])
    assert (again.status, again.body) == (304, b"")


def test_nginx_serves_ranges(site: Site, ann: Person) -> None:
    url = site.upload(ann, PDF, "a.pdf")
    tag = site.request("HEAD", url, ann).headers["Etag"]
    size = len(PDF)
    for header, start, end in (("bytes=5-9", 5, 10), ("bytes=-7", size - 7, size), ("bytes=99-", 99, size)):
        part = site.request("GET", url, ann, Range=header, If_Range=tag)
        assert (part.status, part.body) == (206, PDF[start:end])
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        assert part.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert site.request("GET", url, ann, Range="bytes=99999999-").status == 416
    assert site.request("GET", url, ann, Range="bytes=5-9", If_Range='"other"').body == PDF


def test_only_the_server_says_who_gets_a_file(site: Site, ann: Person) -> None:
    stranger = site.person("Stranger")
    url = site.upload(ann, PDF, "a.pdf")
    name = url.removeprefix("/resource/")
    assert site.request("GET", url, stranger).status == 404
    assert site.request("GET", url).status == 401
    for path in (
        f"/stored/{name[:2]}/{name}",
        "/stored/",
        f"/stored/../stored/{name[:2]}/{name}",
        "/stored/.incoming/",
    ):
        answer = site.request("GET", path, ann)
        assert answer.status == 404
        assert PDF[:100] not in answer.body
    (signed,) = ann.data("/attach/sign", urls=[url])
    assert site.request("GET", signed).body == PDF
    assert site.request("GET", signed[:-4] + ("0000" if signed[-4:] != "0000" else "1111")).status == 401


def test_a_recalled_file_is_not_sent(site: Site, ann: Person) -> None:
    bob = site.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    url = site.upload(ann, PDF + b"recalled", "a.pdf")
    sent = ann.data("/message/send", **ann.message(bob.user_id, "", media=10, url=url))
    assert site.request("GET", url, bob).status == 200
    ann.call("/message/recall", kind=10, dstid=bob.user_id, seq=sent["seq"])
    assert site.request("GET", url, bob).status == 404


def test_a_file_that_lies_in_the_folder_itself_is_sent_too(site: Site, ann: Person) -> None:
    url = site.upload(ann, PDF + b"flat", "a.pdf")
    name = url.removeprefix("/resource/")
    root = Path(site.house.uploads.folder)
    (root / name[:2] / name).rename(root / name)
    assert site.request("GET", url, ann).body == PDF + b"flat"


def test_an_upload_reaches_the_server_while_it_arrives(site: Site, ann: Person) -> None:
    lines = (
        *("POST /attach/upload HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {ann.token}"),
        *(f"Content-Type: {CONTENT_TYPE}", "Content-Length: 9000000", "Accept: application/json", "\r\n"),
    )
    begun = "\r\n".join(lines).encode() + form(b"<svg/>")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
    with (
        socket.create_connection(("127.0.0.1", site.nginx.port), 60) as plain,
        site.tls.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(begun + b" " * 300_000)  # the rest never comes
        assert read_answer(connection).code == 41501


def test_chat_goes_through_nginx(site: Site, ann: Person) -> None:
    bob = site.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    sender, receiver = ann.connect(), bob.connect()
    for number in range(50):
        sender.send(ann.message(bob.user_id, f"text {number}"))
    assert [receiver.until(cmd=10)["content"] for _ in range(50)] == [f"text {number}" for number in range(50)]
    old = bob.connect(v1=False)
    sender.send(ann.message(bob.user_id, "x" * 60_000))
    assert len(old.json()["content"]) == 60_000
    for client in (sender, receiver, old):
        client.close()


def test_a_browser_is_known_by_the_name_in_its_address(site: Site, ann: Person) -> None:
    cookie = f"im_session={ann.token}"
    client = ann.open(headers=(f"Origin: https://{HOST}", f"Cookie: {cookie}"), handshake=False)
    client.send_raw(client.request.replace(f"Host: 127.0.0.1:{site.nginx.port}".encode(), f"Host: {HOST}".encode()))
    client.read_response()
    client.until(cmd=3)
    client.close()
    with pytest.raises(Refused) as refused:
        ann.open(headers=("Origin: https://evil.example",))
    assert refused.value.status == 403
    by_cookie = {"Host": HOST, "Cookie": cookie, "Content_Type": "application/json"}
    body = b'{"memo": "behind nginx"}'
    allowed = site.request("POST", "/user/update", None, body, Origin=f"https://{HOST}", **by_cookie)
    assert (allowed.status, allowed.code) == (200, 0)
    foreign = site.request("POST", "/user/update", None, body, Origin="https://evil.example", **by_cookie)
    assert (foreign.status, foreign.code) == (403, 40305)


def test_http_is_sent_to_https_and_no_query_is_logged(site: Site, ann: Person) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.nginx.plain_port, timeout=60)
    connection.request("GET", "/a?b=c", headers={"Host": HOST})
    response = connection.getresponse()
    assert (response.status, response.headers["Location"]) == (301, f"https://{HOST}/a?b=c")
    connection.close()
    ann.open(path=f"/chat?id={ann.user_id}&token={ann.token}").close()
    assert site.request("GET", "/user/me?token=secret", ann).status == 200
    until = time.monotonic() + 60
    while "GET /user/me" not in site.nginx.access_log:  # written after the answer
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "secret" not in site.nginx.access_log
    assert ann.token not in site.nginx.access_log
