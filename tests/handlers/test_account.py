"""/user/*: logging in and out, profile, password, sessions, look-ups; and the holes of the original."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imtornado.services.accounts import token_hash
from tests.handlers.accounting import BAD_PROFILES, GOOD, NOT_TEXTS, administration, is_live, login, set_cookie
from tests.handlers.calls import post_json
from tests.handlers.house import House, OldClient, open_house, refusal
from tests.people import PASSWORD

OWN = {"id", "nickname", "avatar", "sex", "memo", "createat", "mobile", "admin"}
PUBLIC = {"id", "nickname", "avatar", "sex", "memo", "createat", "relation"}
UNKNOWN_ID = 2**53 - 1
NOT_IDS: tuple[object, ...] = ("", "x", "1", 0, -1, 1.5, True, [1], {"id": 1}, 2**53, 10**400, "१")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "server.trusted_proxies=127.0.0.1") as opened:
        opened.person("the first")
        yield opened


def test_unknown_and_wrong_are_one_answer(house: House) -> None:
    person = house.person()
    answers = [login(house, person.mobile, "wrong horse 1"), login(house, "99999999", "wrong horse 1")]
    assert answers[0].body == answers[1].body
    assert {(answer.status, answer.code) for answer in answers} == {(401, 40102)}
    unlike = ("Date", "Content-Length")
    headers = [[pair for pair in answer.headers.items() if pair[0] not in unlike] for answer in answers]
    assert headers[0] == headers[1]
    assert answers[0].headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("mobile", value) for value in (*NOT_TEXTS, None, "", "12", "1" * 21, "x", "' OR 1=1 --", {"$ne": ""})),
        *(("passwd", value) for value in (*NOT_TEXTS, None, "", "x" * 129)),
    ],
)
def test_bad_input_logs_nobody_in(house: House, field: str, value: object) -> None:
    answer = post_json(house.port, "/user/login", GOOD | {field: value})
    assert (answer.status, answer.code, answer.envelope["data"]) == (400, 40001, {"field": field})
    assert answer.headers["Set-Cookie"] is None


def test_a_refused_call_says_one_thing_and_does_nothing(house: House) -> None:
    """The original's handlers went on after their error reply: two answers, and the deed done."""
    person = house.person()
    before = len(person.rows("/user/sessions"))
    answer = login(house, person.mobile, "wrong horse 1")
    assert json.loads(answer.body) == {"code": 40102, "msg": "Wrong mobile or password.", "data": None}
    assert refusal(person, "/user/update", nickname="New", sex="?")[1] == 40001
    assert person.data("/user/me")["nickname"] == person.nickname
    assert len(person.rows("/user/sessions")) == before


def test_each_login_is_a_session_of_its_own(house: House) -> None:
    person = house.person()
    phone = post_json(house.port, "/user/login", {"mobile": person.mobile, "passwd": PASSWORD, "device": "Phone"})
    browser = login(house, person.mobile, User_Agent="Browser/1.0 \xad(X11)", X_Forwarded_For="6.6.6.6, 192.0.2.7")
    rows = person.rows("/user/sessions")
    assert {row["device"] for row in rows} >= {"Phone", "Browser/1.0 (X11)"}
    assert {row["device"]: row["ip"] for row in rows}["Browser/1.0 (X11)"] == "192.0.2.7"
    assert [row["current"] for row in rows].count(True) == 1
    assert all(set(row) == {"id", "device", "ip", "createat", "seen", "current"} for row in rows)
    for answer in (phone, browser):
        assert is_live(house, answer.envelope["data"]["token"])
    assert is_live(house, person.token)


def test_a_token_planted_before_the_login_is_worth_nothing(house: House) -> None:
    person = house.person()
    planted = "x" * 43
    answer = login(house, person.mobile, Cookie=f"im_session={planted}", Origin=f"http://127.0.0.1:{house.port}")
    assert set_cookie(answer).value != planted
    assert not is_live(house, planted)


def test_behind_a_tls_proxy_the_cookie_is_secure(house: House, tmp_path: Path) -> None:
    person = house.person()
    assert set_cookie(login(house, person.mobile, X_Forwarded_Proto="https"))["secure"] is True
    with open_house(tmp_path) as without_proxies:
        other = without_proxies.person()
        answer = login(without_proxies, other.mobile, X_Forwarded_Proto="https", X_Forwarded_For="6.6.6.6")
        assert set_cookie(answer)["secure"] == ""
        assert {row["ip"] for row in other.rows("/user/sessions")} == {"127.0.0.1"}


def test_logging_out_ends_this_session_only(house: House) -> None:
    person = house.person()
    other = person.log_in()
    answer = post_json(house.port, "/user/logout", {}, Authorization=f"Bearer {person.token}")
    assert answer.code == 0
    assert set_cookie(answer).value == ""
    assert not is_live(house, person.token)
    assert is_live(house, other)


def test_the_own_profile(house: House) -> None:
    person = house.person("Ann")
    assert person.data("/user/me").keys() == OWN
    changed = person.data("/user/update", nickname=" Anna ", sex="W", memo="busy")
    assert (changed["nickname"], changed["sex"], changed["memo"]) == ("Anna", "W", "busy")
    assert person.data("/user/update", memo="")["memo"] == ""
    assert person.data("/user/me")["nickname"] == "Anna"
    assert person.data("/user/update") == person.data("/user/me")


@pytest.mark.parametrize(
    "field", ["mobile", "admin", "is_admin", "password_hash", "passwd", "createat", "disabled_at_ms"]
)
def test_no_other_column_can_be_changed(house: House, field: str) -> None:
    person = house.person()
    before = person.data("/user/me")
    assert person.data("/user/update", **{field: "1"}) == before
    assert login(house, person.mobile).code == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [*BAD_PROFILES, ("nickname", ""), ("nickname", "   "), ("sex", "")],
)
def test_bad_input_changes_no_profile(house: House, field: str, value: object) -> None:
    person = house.person()
    before = person.data("/user/me")
    assert refusal(person, "/user/update", **({"nickname": "fine", "memo": "fine"} | {field: value})) == (
        400,
        40001,
        field,
    )
    assert person.data("/user/me") == before


def test_changing_the_password_ends_the_other_sessions(house: House) -> None:
    person = house.person()
    other = person.log_in()
    person.call("/user/passwd", old=PASSWORD, new="another horse 8")
    assert is_live(house, person.token)
    assert not is_live(house, other)
    assert login(house, person.mobile).code == 40102
    assert login(house, person.mobile, "another horse 8").code == 0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("wrong horse 1", "another horse 8", (401, 40102, "")),
        ("", "another horse 8", (400, 40001, "old")),
        (None, "another horse 8", (400, 40001, "old")),
        (["x"], "another horse 8", (400, 40001, "old")),
        (PASSWORD, "short", (400, 40001, "new")),
        (PASSWORD, "12345678", (400, 40001, "new")),
        (PASSWORD, None, (400, 40001, "new")),
        (PASSWORD, "x" * 129, (400, 40001, "new")),
        (PASSWORD, {"x": 1}, (400, 40001, "new")),
    ],
)
def test_a_password_that_is_not_changed(house: House, old: object, new: object, expected: tuple[int, int, str]) -> None:
    person = house.person()
    other = person.log_in()
    assert refusal(person, "/user/passwd", old=old, new=new) == expected
    assert is_live(house, other)
    assert login(house, person.mobile).code == 0


def test_a_password_link_works_once_and_ends_all_sessions(house: House) -> None:
    person = house.person()
    page, _, token = administration(house).password_link(person.user_id, 1).partition("#")
    assert page == "/password"
    answer = post_json(house.port, "/user/reset", {"token": token, "passwd": "another horse 8"})
    assert answer.envelope["data"]["id"] == person.user_id
    assert set_cookie(answer).value == answer.envelope["data"]["token"]
    assert not is_live(house, person.token)
    assert login(house, person.mobile, "another horse 8").code == 0
    again = post_json(house.port, "/user/reset", {"token": token, "passwd": "third horse 99"})
    assert (again.status, again.code, again.envelope["data"]) == (404, 40401, {"field": "token"})
    assert login(house, person.mobile, "third horse 99").code == 40102


def test_a_newer_link_ends_the_older(house: House) -> None:
    person = house.person()
    older, newer = (administration(house).password_link(person.user_id, 1).partition("#")[2] for _ in range(2))
    assert post_json(house.port, "/user/reset", {"token": older, "passwd": "another horse 8"}).code == 40401
    assert post_json(house.port, "/user/reset", {"token": newer, "passwd": "12345678"}).code == 40001  # not used up
    assert post_json(house.port, "/user/reset", {"token": newer, "passwd": "another horse 8"}).code == 0


@pytest.mark.parametrize("token", [*NOT_TEXTS, None, "", "x", "x" * 43, "x" * 101])
def test_no_other_token_resets_a_password(house: House, token: object) -> None:
    person = house.person()
    invitation = administration(house).invitation(1).partition("#")[2]
    assert post_json(house.port, "/user/reset", {"token": token, "passwd": "another horse 8"}).code in (40001, 40401)
    for stranger in (invitation, person.token):
        assert post_json(house.port, "/user/reset", {"token": stranger, "passwd": "another horse 8"}).code == 40401
    assert login(house, person.mobile).code == 0


def test_a_session_can_be_revoked_by_its_user_only(house: House) -> None:
    person, stranger = house.people(2)
    other = person.log_in()
    (row,) = [row for row in person.rows("/user/sessions") if not row["current"]]
    assert refusal(stranger, "/user/revoke", id=row["id"]) == (404, 40401, "id")
    assert is_live(house, other)
    person.call("/user/revoke", id=row["id"])
    assert not is_live(house, other)
    assert refusal(person, "/user/revoke", id=row["id"]) == (404, 40401, "id")
    assert refusal(person, "/user/revoke", id=UNKNOWN_ID) == (404, 40401, "id")
    assert is_live(house, person.token)


@pytest.mark.parametrize("value", [*NOT_IDS, None])
def test_what_is_no_session_id(house: House, value: object) -> None:
    person = house.person()
    assert refusal(person, "/user/revoke", id=value) == (400, 40001, "id")


def test_a_disabled_account_is_told_so_only_with_its_password(house: House) -> None:
    person = house.person()
    administration(house).set_disabled(person.user_id, disabled=True)
    assert not is_live(house, person.token)
    assert (login(house, person.mobile).status, login(house, person.mobile).code) == (401, 40103)
    assert login(house, person.mobile, "wrong horse 1").code == 40102
    administration(house).set_disabled(person.user_id, disabled=False)
    assert login(house, person.mobile).code == 0


def test_finding_people(house: House) -> None:
    me, other = house.person("Me"), house.person("Other")
    for found in (me.data("/user/find", id=other.user_id), me.data("/user/find", mobile=other.mobile)):
        assert found.keys() == PUBLIC
        assert (found["id"], found["relation"]) == (other.user_id, "none")
    assert me.data("/user/find", id=me.user_id)["relation"] == "self"
    me.call("/contact/addfriend", dstid=other.user_id)
    assert me.data("/user/find", id=other.user_id)["relation"] == "requested"
    assert other.data("/user/find", id=me.user_id)["relation"] == "asks"
    other.call("/contact/accept", dstid=me.user_id)
    friend = me.data("/user/find", id=other.user_id)
    assert friend.keys() == PUBLIC | {"mobile", "remark", "online", "last_seen"}
    assert (friend["mobile"], friend["relation"], friend["online"]) == (other.mobile, "friend", False)


@pytest.mark.parametrize("value", [value for value in NOT_IDS if value != ""])
def test_what_finds_nobody(house: House, value: object) -> None:
    person = house.person()
    assert refusal(person, "/user/find", id=value) == (400, 40001, "id")


def test_unknown_people_are_not_found(house: House) -> None:
    person = house.person()
    assert refusal(person, "/user/find", id=UNKNOWN_ID) == (404, 40401, "id")
    assert refusal(person, "/user/find", mobile="99999999") == (404, 40401, "mobile")
    assert refusal(person, "/user/find", mobile="%") == (400, 40001, "mobile")
    assert refusal(person, "/user/find") == (400, 40001, "mobile")


def test_nobody_ever_sees_the_token_of_another(house: House) -> None:
    me, other = house.people(2)
    me.befriend(other)
    seen = json.dumps(
        [me.rows("/contact/loadfriend"), me.data("/user/find", id=other.user_id), me.rows("/user/sessions")]
    )
    assert "token" not in seen
    assert other.token not in seen
    assert me.token not in seen


def test_the_originals_client_registers_and_logs_in(house: House) -> None:
    client = OldClient(house.port)
    registered = client.post(
        "/user/register", mobile="60001", passwd=PASSWORD, nickname="Old", avatar="", sex="M", memo=""
    )
    assert registered["code"] == 0
    again = OldClient(house.port)
    logged_in = again.post("/user/login", mobile="60001", passwd=PASSWORD)
    assert logged_in["data"]["id"] == registered["data"]["id"]
    assert again.post("/user/find", userid=logged_in["data"]["id"], mobile="60001")["data"]["nickname"] == "Old"
    assert again.post("/user/login", mobile="60001", passwd="wrong horse 1")["code"] == 40102
    assert again.post("/user/logout")["code"] == 0


def test_guessing_is_slowed_down_and_the_owner_is_not_locked_out(tmp_path: Path) -> None:
    with open_house(
        tmp_path, "security.throttle=yes", "security.logins_per_minute=3", "server.trusted_proxies=127.0.0.1"
    ) as guarded:
        person = guarded.person()
        assert login(guarded, person.mobile, X_Forwarded_For="192.0.2.1").code == 0
        guesses = [
            login(guarded, person.mobile, f"wrong {number} horse", X_Forwarded_For=f"198.51.100.{number}")
            for number in range(5)
        ]
        assert [answer.code for answer in guesses] == [40102, 40102, 42901, 42901, 42901]
        assert guesses[-1].status == 429
        assert 1 <= int(guesses[-1].headers["Retry-After"]) <= 60
        assert login(guarded, person.mobile, X_Forwarded_For="192.0.2.1").code == 0
        assert is_live(guarded, person.token)
        assert person.call("/user/passwd", old=PASSWORD, new="another horse 8")["code"] == 0
        wrong = [refusal(person, "/user/passwd", old="wrong horse 1", new="third horse 99")[1] for _ in range(3)]
        assert wrong == [40102, 40102, 42901]
        unknown = [login(guarded, "99999999", "wrong horse 1", X_Forwarded_For="203.0.113.9").code for _ in range(5)]
        assert unknown == [40102, 40102, 40102, 42901, 42901]  # as for a mobile that exists


def test_one_address_cannot_try_many_mobiles(tmp_path: Path) -> None:
    with open_house(tmp_path, "security.throttle=yes", "security.logins_per_minute=2") as guarded:
        codes = [login(guarded, str(80001 + number), "wrong horse 1").code for number in range(8)]
        assert codes == [40102] * 6 + [42901] * 2


def test_a_session_lasts_as_long_as_the_settings_say(tmp_path: Path) -> None:
    with open_house(tmp_path, "accounts.session_days=1") as short:
        found = short.store.sessions.find(token_hash(short.person().token))
        assert found is not None
        assert found[0].expires_at_ms - found[0].created_at_ms == pytest.approx(86_400_000, abs=5_000)
