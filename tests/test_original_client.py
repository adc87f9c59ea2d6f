"""A client written for the original Go program, as a browser of its time: forms, a cookie jar, no subprotocol.

Its scripts look at HTTP status 200 and at `code` in the body, and they know frames with cmd 10 and 11 only.
"""

import http.cookiejar
import json
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.fixtures.server import Server, StartServer
from tests.pictures import encoded, quarters
from tests.raw_client import RawClient

PASSWORD = "old horse 2019"


class OldBrowser:
    """One browser with its cookies; `me` is what /user/login gave."""

    def __init__(self, server: Server, mobile: str) -> None:
        self.server = server
        self.mobile = mobile
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({})
        )
        self.post("/user/register", mobile=mobile, passwd=PASSWORD)
        self.me = self.post("/user/login", mobile=mobile, passwd=PASSWORD)["data"]

    def post(self, path: str, **fields: object) -> dict[str, Any]:
        """The body of a form call; the status must be 200 whatever happens."""
        return self._send(path, urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        boundary = "----oldbrowser7MA4YWxk"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        head += "Content-Type: application/octet-stream\r\n\r\n"
        tail = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="filetype"\r\n\r\n.png\r\n--{boundary}--\r\n'
        body = head.encode() + data + tail.encode()
        return self._send("/attach/upload", body, f"multipart/form-data; boundary={boundary}")

    def get(self, path: str) -> bytes:
        with self.opener.open(self.server.base_url + path, timeout=30) as response:
            data: bytes = response.read()
            return data

    def _send(self, path: str, body: bytes, kind: str) -> dict[str, Any]:
        request = urllib.request.Request(
            self.server.base_url + path,
            body,
            {"Content-Type": kind, "Origin": self.server.base_url, "Accept": "*/*"},
        )
        with self.opener.open(request, timeout=30) as response:
            assert response.status == 200
            answer: dict[str, Any] = json.loads(response.read())
            return answer

    def chat(self) -> RawClient:
        path = f"/chat?id={self.me['id']}&token={self.me['token']}"
        client = RawClient(self.server.port, v1=False, path=path, headers=(f"Origin: {self.server.base_url}",))
        assert client.text() == "welcome!"
        return client

    def frame(self, dstid: int, content: str, cmd: int = 10) -> dict[str, Any]:
        return {"userid": self.me["id"], "cmd": cmd, "dstid": dstid, "media": 1, "content": content}


@pytest.fixture
def old_server(start_server: StartServer) -> Server:
    return start_server("contacts.confirm=no")


@pytest.fixture
def ann(old_server: Server) -> OldBrowser:
    return OldBrowser(old_server, "13600000001")


@pytest.fixture
def ben(old_server: Server) -> OldBrowser:
    return OldBrowser(old_server, "13600000002")


def test_friends_and_a_chat(ann: OldBrowser, ben: OldBrowser) -> None:
    added = ann.post("/contact/addfriend", userid=ann.me["id"], dstname=ben.mobile)
    assert added["code"] == 0
    friends = ben.post("/contact/loadfriend", userid=ben.me["id"])
    assert [row["id"] for row in friends["rows"]] == [ann.me["id"]]
    here, there = ann.chat(), ben.chat()
    here.send(ann.frame(ben.me["id"], "你好"))
    got = there.json()
    assert (got["cmd"], got["userid"], got["dstid"], got["content"]) == (10, ann.me["id"], ben.me["id"], "你好")
    assert got["media"] == 1


def test_a_community(ann: OldBrowser, ben: OldBrowser) -> None:
    created = ann.post(
        "/contact/createcommunity",
        name="老群",
        icon="/asset/images/community.png",
        cate=1,
        memo="m",
        ownerid=ann.me["id"],
    )
    assert created["code"] == 0
    joined = ben.post("/contact/joincommunity", userid=ben.me["id"], dstname="老群")
    assert joined["code"] == 0
    rows = ben.post("/contact/loadcommunity", userid=ben.me["id"])["rows"]
    assert [row["name"] for row in rows] == ["老群"]
    here, there = ann.chat(), ben.chat()
    here.send(ann.frame(rows[0]["id"], "everybody?", cmd=11))
    got = there.json()
    assert (got["cmd"], got["dstid"], got["content"]) == (11, rows[0]["id"], "everybody?")


def test_finding_a_user(ann: OldBrowser, ben: OldBrowser) -> None:
    found = ann.post("/user/find", id=ben.me["id"])
    assert found["data"]["id"] == ben.me["id"]
    assert "token" not in found["data"]
    assert "mobile" not in found["data"]


def test_a_picture(ann: OldBrowser, ben: OldBrowser) -> None:
    ann.post("/contact/addfriend", userid=ann.me["id"], dstname=ben.mobile)
    uploaded = ann.upload("me.png", encoded(quarters(), "PNG"))
    assert uploaded["code"] == 0
    assert isinstance(uploaded["data"], str)
    assert uploaded["data"].startswith("/resource/")
    here, there = ann.chat(), ben.chat()
    here.send(ann.frame(ben.me["id"], "") | {"media": 4, "url": uploaded["data"]})
    assert there.json()["url"] == uploaded["data"]
    assert ben.get(uploaded["data"])[:4] in (b"RIFF", b"\x89PNG")


def test_errors_come_with_status_200_and_a_sentence(ann: OldBrowser, ben: OldBrowser) -> None:
    for answer, code in (
        (ann.post("/user/login", mobile=ann.mobile, passwd="wrong horse"), 40102),
        (ann.post("/contact/addfriend", userid=ann.me["id"], dstname="13699999999"), 40401),
        (ann.post("/contact/addfriend", userid=ben.me["id"], dstname=ben.mobile), 40301),
        (ann.post("/contact/joincommunity", userid=ann.me["id"], dstname="no such"), 40401),
        (ann.post("/no/such/address"), 40401),
        (ann.upload("page.png", b"<html><script>alert(1)</script>"), 41501),
    ):
        assert answer["code"] == code, answer
        assert answer["msg"]


def test_it_never_hears_a_frame_that_it_does_not_know(ann: OldBrowser, ben: OldBrowser) -> None:
    here = ann.chat()
    ben.post("/contact/addfriend", userid=ben.me["id"], dstname=ann.mobile)
    ann.post("/contact/createcommunity", name="quiet", ownerid=ann.me["id"])
    here.send({"cmd": 0})
    here.send({"cmd": 99})
    here.send({"cmd": 12, "kind": 10, "dstid": ben.me["id"], "seq": 1})
    here.send(b"nonsense")
    here.send(ann.frame(2**50, "a stranger"))
    here.send(ann.frame(ben.me["id"], ""))
    ben.chat().send(ben.frame(ann.me["id"], "the first and only"))
    got = here.json()
    assert (got["cmd"], got["content"]) == (10, "the first and only")


def test_a_second_device_does_not_replace_the_first(ann: OldBrowser, ben: OldBrowser) -> None:
    ann.post("/contact/addfriend", userid=ann.me["id"], dstname=ben.mobile)
    phone, laptop, here = ben.chat(), ben.chat(), ann.chat()
    here.send(ann.frame(ben.me["id"], "to both"))
    assert phone.json()["content"] == laptop.json()["content"] == "to both"
