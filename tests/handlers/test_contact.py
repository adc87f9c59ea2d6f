"""/contact/*: friends, over HTTP as new and old clients call it."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from imtornado.protocol import stamp
from tests.handlers.house import House, OldClient, open_house, refusal
from tests.people import PASSWORD, Failure, Person, call

PROFILE = {"id", "nickname", "avatar", "sex", "memo", "createat"}
FRIEND = PROFILE | {"mobile", "remark", "online", "last_seen"}
UNKNOWN_ID = 2**53 - 1
ROUTES: dict[str, dict[str, object]] = {
    "/contact/addfriend": {"dstid": 1},
    "/contact/loadfriend": {},
    "/contact/requests": {},
    "/contact/accept": {"dstid": 1},
    "/contact/reject": {"dstid": 1},
    "/contact/remark": {"dstid": 1, "remark": "x"},
    "/contact/remove": {"dstid": 1},
    "/contact/block": {"dstid": 1},
    "/contact/unblock": {"dstid": 1},
    "/contact/blocked": {},
}
BAD_IDS: tuple[object, ...] = ("", "x", "1", 0, -1, 1.5, 1.0, True, [1], {"id": 1}, 2**53, 10**400, "1e3", "१")
BAD_TEXTS: tuple[object, ...] = (7, True, ["x"], {"x": 1}, "nul\0", "\ud800", "x" * 100_000)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="module")
def old_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """As the original: nobody is asked whether he wants a friend."""
    with open_house(tmp_path_factory.mktemp("old"), "contacts.confirm=no") as opened:
        yield opened


def friend_ids(person: Person) -> list[int]:
    return [row["id"] for row in person.rows("/contact/loadfriend")]


def test_from_request_to_friendship(house: House) -> None:
    alice, bob = house.person("Alice"), house.person("Bob")
    data = alice.data("/contact/addfriend", dstname=bob.mobile, memo="from the club")
    assert (data["id"], data["nickname"], data["status"]) == (bob.user_id, "Bob", "requested")
    assert data.keys() == PROFILE | {"status"}
    (incoming,) = bob.rows("/contact/requests")
    assert incoming["createat"].endswith("Z")
    assert incoming == {
        "userid": alice.user_id,
        "nickname": "Alice",
        "avatar": "",
        "memo": "from the club",
        "createat": incoming["createat"],
        "direction": "in",
    }
    (outgoing,) = alice.rows("/contact/requests")
    assert (outgoing["userid"], outgoing["direction"]) == (bob.user_id, "out")
    assert bob.data("/contact/accept", dstid=alice.user_id) is None
    assert (friend_ids(alice), friend_ids(bob)) == ([bob.user_id], [alice.user_id])


def test_the_friend_list_leaks_no_secret(house: House) -> None:
    """A hole of the original: its list held every friend's token and password hash."""
    alice, bob = house.people(2)
    alice.befriend(bob)
    envelope = alice.call("/contact/loadfriend")
    (row,) = envelope["rows"]
    assert row.keys() == FRIEND
    credentials = house.store.users.credentials(bob.user_id)
    assert credentials is not None
    for path in ("/contact/loadfriend", "/contact/requests", "/contact/blocked"):
        text = json.dumps(alice.call(path))
        for secret in (bob.token, alice.token, credentials.password_hash, PASSWORD):
            assert secret not in text


def test_a_stranger_shows_no_mobile(house: House) -> None:
    alice, bob = house.people(2)
    shown = alice.data("/contact/addfriend", dstid=bob.user_id)
    alice.call("/contact/block", dstid=bob.user_id)
    (blocked,) = alice.rows("/contact/blocked")
    for profile in (shown, blocked, *bob.rows("/contact/requests")):
        assert "mobile" not in profile
        assert bob.mobile not in json.dumps(profile)


def test_online_is_who_has_a_socket(house: House) -> None:
    alice, bob = house.people(2)
    alice.befriend(bob)
    assert alice.rows("/contact/loadfriend")[0]["online"] is False
    with bob.connect():
        assert alice.rows("/contact/loadfriend")[0]["online"] is True


def test_open_sockets_hear_of_requests_and_answers(house: House) -> None:
    alice, bob = house.people(2)
    with alice.connect() as here, bob.connect() as there:
        alice.call("/contact/addfriend", dstid=bob.user_id)
        assert there.until(cmd=16, event="contact.request")["userid"] == alice.user_id
        bob.call("/contact/accept", dstid=alice.user_id)
        assert here.until(cmd=16, event="contact.added")["userid"] == bob.user_id
        assert there.until(cmd=16, event="contact.added")["userid"] == alice.user_id
        bob.call("/contact/remove", dstid=alice.user_id)
        assert here.until(cmd=16, event="contact.removed")["userid"] == bob.user_id


def test_since_brings_changes_and_removals(house: House) -> None:
    alice, bob, carol = house.people(3)
    alice.befriend(bob)
    alice.befriend(carol)
    full = alice.call("/contact/loadfriend")
    assert (full["full"], len(full["rows"])) == (True, 2)
    alice.call("/contact/remark", dstid=carol.user_id, remark="  Carö  ")
    carol_row = next(r for r in alice.rows("/contact/loadfriend", since=full["stamp"]) if r["id"] == carol.user_id)
    assert carol_row["remark"] == "Carö"
    bob.call("/contact/remove", dstid=alice.user_id)
    since = alice.call("/contact/loadfriend", since=full["stamp"])
    assert since["full"] is False
    assert {"id": bob.user_id, "removed": True} in since["rows"]


def test_an_old_stamp_brings_everything(house: House) -> None:
    alice, bob = house.people(2)
    alice.befriend(bob)
    old = alice.call("/contact/loadfriend", since=stamp(house.store.clock.now_ms() - 25 * 3_600_000))
    assert (old["full"], [row["id"] for row in old["rows"]]) == (True, [bob.user_id])


def test_removed_is_removed_for_both_and_cannot_write(house: House) -> None:
    alice, bob = house.people(2)
    alice.befriend(bob)
    alice.say(bob.user_id, "still friends")
    bob.call("/contact/remove", dstid=alice.user_id)
    assert friend_ids(alice) == friend_ids(bob) == []
    assert refusal(alice, "/message/send", **alice.message(bob.user_id, "hello?"))[1] == 40302
    assert refusal(bob, "/contact/remove", dstid=alice.user_id)[1] == 40401


def test_blocked_cannot_write_until_unblocked(house: House) -> None:
    alice, bob = house.people(2)
    alice.befriend(bob)
    bob.call("/contact/block", dstid=alice.user_id)
    assert [row["id"] for row in bob.rows("/contact/blocked")] == [alice.user_id]
    assert refusal(alice, "/message/send", **alice.message(bob.user_id, "hello?"))[1] == 40304
    bob.call("/contact/unblock", dstid=alice.user_id)
    alice.say(bob.user_id, "thanks")


def test_codes_of_what_cannot_be_done(house: House) -> None:
    alice, bob, carol = house.people(3)
    alice.befriend(bob)
    assert refusal(alice, "/contact/addfriend", dstid=bob.user_id)[1] == 40901
    assert refusal(alice, "/contact/addfriend", dstname=bob.mobile)[1] == 40901
    assert refusal(alice, "/contact/addfriend", dstid=alice.user_id) == (400, 40001, "dstid")
    assert refusal(alice, "/contact/addfriend", dstname=alice.mobile) == (400, 40001, "dstname")
    assert refusal(alice, "/contact/addfriend", dstname="19000000000") == (404, 40401, "dstname")
    assert refusal(alice, "/contact/block", dstid=alice.user_id) == (400, 40001, "dstid")
    for path in ("accept", "reject", "remove", "unblock"):
        assert refusal(alice, f"/contact/{path}", dstid=carol.user_id)[1] == 40401
    assert refusal(alice, "/contact/remark", dstid=carol.user_id, remark="x")[1] == 40401
    for path in ("addfriend", "accept", "reject", "remove", "block", "unblock"):
        assert refusal(alice, f"/contact/{path}", dstid=UNKNOWN_ID)[1] == 40401


@pytest.mark.parametrize("path", [path for path, fields in ROUTES.items() if "dstid" in fields])
def test_bad_ids_are_refused_and_change_nothing(house: House, path: str) -> None:
    alice, bob = house.people(2)
    alice.befriend(bob)
    before = alice.rows("/contact/loadfriend"), alice.rows("/contact/requests"), alice.rows("/contact/blocked")
    for bad in BAD_IDS:
        fields = ROUTES[path] | {"dstid": bad}
        assert refusal(alice, path, **fields) == (400, 40001, "dstid"), bad
    missing = {name: value for name, value in ROUTES[path].items() if name != "dstid"}
    assert refusal(alice, path, **missing)[:2] == (400, 40001)
    after = alice.rows("/contact/loadfriend"), alice.rows("/contact/requests"), alice.rows("/contact/blocked")
    assert after == before


@pytest.mark.parametrize(
    ("path", "name", "too_long"),
    [
        ("/contact/addfriend", "dstname", 21),
        ("/contact/addfriend", "memo", 141),
        ("/contact/remark", "remark", 21),
        ("/contact/loadfriend", "since", 21),
    ],
)
def test_bad_texts_are_refused_and_change_nothing(house: House, path: str, name: str, too_long: int) -> None:
    alice, bob = house.people(2)
    if path == "/contact/remark":
        alice.befriend(bob)
    target: dict[str, object] = {} if name in ("dstname", "since") else {"dstid": bob.user_id}
    for bad in (*BAD_TEXTS, "x" * too_long):
        status, code, field = refusal(alice, path, **target, **{name: bad})
        assert (status, code) == (400, 40001), bad
        assert field in (name, ""), bad  # a lone surrogate stops the reading of the whole body
    assert alice.rows("/contact/requests") == bob.rows("/contact/requests") == []
    assert [row["remark"] for row in alice.rows("/contact/loadfriend")] in ([], [""])


@pytest.mark.parametrize("since", ["zz", "-1", "0x10", "1" * 13, "12 ", "٣"])
def test_a_stamp_that_we_did_not_give(house: House, since: str) -> None:
    assert refusal(house.person(), "/contact/loadfriend", since=since) == (400, 40001, "since")


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"\xff\xfe", b"null", b"{" * 10_000])
@pytest.mark.parametrize("path", ["/contact/addfriend", "/contact/remark"])
def test_a_body_that_is_no_object(house: House, path: str, body: bytes) -> None:
    alice = house.person()
    with pytest.raises(Failure) as refused:
        call(house.port, path, body, token=alice.token)
    assert refused.value.code in (40002, 40001)
    assert refused.value.status == 400


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("token", ["", "nonsense", "x" * 5000])
def test_nobody_calls_without_a_session(house: House, path: str, token: str) -> None:
    with pytest.raises(Failure) as refused:
        call(house.port, path, ROUTES[path], token=token)
    assert (refused.value.status, refused.value.code) == (401, 40101)


@pytest.mark.parametrize("path", ROUTES)
def test_a_userid_in_the_body_is_not_believed(house: House, path: str) -> None:
    """A hole of the original: whoever wrote another's userid acted as him."""
    alice, bob, eve = house.people(3)
    alice.befriend(bob)
    for name in ("userid", "ownerid"):
        fields = ROUTES[path] | {"dstid": bob.user_id, name: alice.user_id}
        assert refusal(eve, path, **fields) == (403, 40301, name)
    assert friend_ids(alice) == [bob.user_id]
    assert friend_ids(eve) == []


def test_reads_take_get_and_writes_do_not(house: House) -> None:
    alice = house.person()
    for path in ROUTES:
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {alice.token}"})
        envelope: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        is_read = path in ("/contact/loadfriend", "/contact/requests", "/contact/blocked")
        assert envelope["code"] == (0 if is_read else 40501), path


def test_a_sentence_in_the_callers_language(house: House) -> None:
    alice = house.person()
    with pytest.raises(Failure) as refused:
        call(
            house.port,
            "/contact/addfriend",
            {"dstid": UNKNOWN_ID},
            token=alice.token,
            headers={"Accept-Language": "zh-CN,zh;q=0.9"},
        )
    assert refused.value.envelope["msg"] == "没有这个用户。"


def test_look_ups_are_limited(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("throttled")
    with open_house(folder, "security.throttle=yes", "security.lookups_per_minute=3") as house:
        alice = house.person()
        for number in range(3):
            assert refusal(alice, "/contact/addfriend", dstname=f"1900000000{number}")[1] == 40401
        with pytest.raises(Failure) as refused:
            alice.call("/contact/addfriend", dstname="19000000009")
        assert (refused.value.status, refused.value.code) == (429, 42901)
        assert refusal(alice, "/contact/block", dstid=UNKNOWN_ID)[1] == 42901
        assert refusal(alice, "/community/search", q="x")[1] == 42901
        assert refusal(alice, "/contact/joincommunity", dstname="x")[1] == 42901
        assert alice.rows("/contact/loadfriend") == []


def test_the_originals_client_finds_its_way(old_house: House) -> None:
    bob = old_house.person("Bob")
    client = OldClient(old_house.port)
    me = client.post("/user/register", mobile="13900000001", passwd=PASSWORD)["data"]
    assert client.post("/contact/loadfriend", userid=me["id"])["rows"] == []
    added = client.post("/contact/addfriend", userid=me["id"], dstname=bob.mobile)
    assert (added["code"], added["data"]["status"]) == (0, "friend")
    (row,) = client.post("/contact/loadfriend", userid=me["id"], pagesize=10)["rows"]
    assert (row["id"], row["nickname"]) == (bob.user_id, "Bob")
    assert [friend["id"] for friend in bob.rows("/contact/loadfriend")] == [me["id"]]


def test_the_originals_client_reads_the_code_of_a_refusal(old_house: House) -> None:
    bob, carol = old_house.people(2)
    client = OldClient(old_house.port)
    me = client.post("/user/register", mobile="13900000002", passwd=PASSWORD)["data"]
    refused = client.post("/contact/addfriend", userid=bob.user_id, dstname=carol.mobile)
    assert (refused["code"], bool(refused["msg"])) == (40301, True)
    assert client.post("/contact/addfriend", userid=me["id"], dstname="19000000001")["code"] == 40401
    assert client.post("/contact/addfriend", userid=me["id"], dstname="")["code"] == 40001
    assert client.post("/contact/addfriend", userid="me", dstname=carol.mobile)["code"] == 40001
    assert OldClient(old_house.port).post("/contact/loadfriend", userid=me["id"])["code"] == 40101
    assert client.post("/contact/loadfriend", userid=me["id"])["rows"] == []
    assert bob.rows("/contact/loadfriend") == []
