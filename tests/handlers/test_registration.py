"""/user/register: who gets an account, with which name and password; how secrets are kept."""

import base64
import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.handlers.accounting import BAD_PROFILES, GOOD, NOT_TEXTS, administration, is_live, login, set_cookie
from tests.handlers.calls import post_form, post_json
from tests.handlers.house import House, open_house, refusal
from tests.people import PASSWORD

OWN = {"id", "nickname", "avatar", "sex", "memo", "createat", "mobile", "admin"}
BAD_MOBILES: tuple[object, ...] = (
    *(*NOT_TEXTS, None, "", "12", "1" * 21, "12a", "+", "+1", "12 34", "1" * 100_000, "１２３", "1\n23", "123\n"),
)
GUESSED = ("12345678", "PassWord123", "aaaaaaaaaaaa", "23456789", "hgfedcba", "abababababab")
BAD_REGISTRATIONS: list[tuple[str, object]] = [
    *(("mobile", value) for value in BAD_MOBILES),
    *(("passwd", value) for value in (*NOT_TEXTS, None, "", "short 7", "x" * 129, "x" * 100_000, *GUESSED)),
    *(("device", value) for value in (*NOT_TEXTS, "x" * 101)),
    *BAD_PROFILES,
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), "server.trusted_proxies=127.0.0.1") as opened:
        opened.person("the first")
        yield opened


def test_registering_logs_in(house: House) -> None:
    fields = {"mobile": "+4917012345", "passwd": PASSWORD, "nickname": "  Zoe\u0308 ", "sex": "W", "memo": "hello\nyou"}
    answer = post_json(house.port, "/user/register", fields)
    data = answer.envelope["data"]
    assert data.keys() == OWN | {"token"}
    assert (data["mobile"], data["nickname"], data["sex"], data["memo"]) == (
        "+4917012345",
        "Zo\u00eb",
        "W",
        "hello\nyou",
    )
    assert not data["admin"]
    assert is_live(house, data["token"])
    cookie = set_cookie(answer)
    assert cookie.value == data["token"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Lax", "/", "")
    assert int(cookie["max-age"]) == 90 * 86_400


def test_the_first_account_is_administrator_and_only_it(tmp_path: Path) -> None:
    with open_house(tmp_path) as fresh:
        first, second = fresh.person(), fresh.person()
        assert [person.data("/user/me")["admin"] for person in (first, second)] == [True, False]


def test_a_missing_nickname_says_nothing_of_the_mobile(house: House) -> None:
    names = []
    for mobile in ("20001", "20002"):
        data = post_form(house.port, "/user/register", {"mobile": mobile, "passwd": PASSWORD, "nickname": ""})
        names.append(data.envelope["data"]["nickname"])
        assert mobile not in names[-1]
    assert names[0] != names[1]


def test_a_mobile_is_taken_once_also_by_two_at_once(house: House) -> None:
    def register(number: int) -> int:
        return post_json(
            house.port, "/user/register", {"mobile": "30001", "passwd": PASSWORD, "nickname": f"n{number}"}
        ).code

    with ThreadPoolExecutor(8) as threads:
        codes = sorted(threads.map(register, range(8)))
    assert codes == [0] + [40901] * 7
    answer = post_json(house.port, "/user/register", {"mobile": "30001", "passwd": PASSWORD})
    assert (answer.status, answer.envelope["data"]) == (409, {"field": "mobile"})
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize(("field", "value"), BAD_REGISTRATIONS)
def test_bad_input_registers_nobody(house: House, field: str, value: object) -> None:
    before = house.store.users.count()
    answer = post_json(house.port, "/user/register", GOOD | {field: value})
    assert (answer.status, answer.code, answer.envelope["data"]) == (400, 40001, {"field": field})
    assert answer.envelope["msg"]
    assert answer.headers["Set-Cookie"] is None
    assert house.store.users.count() == before


def test_a_password_may_not_be_the_mobile_or_the_nickname(house: House) -> None:
    for fields in (
        {"mobile": "+4915112345", "passwd": "+4915112345"},
        {"mobile": "+4915112345", "passwd": "4915112345"},
    ):
        assert post_json(house.port, "/user/register", fields).code == 40001
    fields = {"mobile": "40002", "nickname": "Grace Hopper", "passwd": "grace hopper"}
    assert post_json(house.port, "/user/register", fields).code == 40001


def test_an_avatar_that_is_not_ones_own_is_not_found(house: House) -> None:
    answer = post_json(house.port, "/user/register", GOOD | {"avatar": "/resource/" + "a" * 43 + ".webp"})
    assert (answer.status, answer.code) == (404, 40401)
    assert house.store.users.by_mobile(GOOD["mobile"]) is None


def test_every_character_of_a_long_password_counts(house: House) -> None:
    mobile, password = "50001", "密码" * 40 + "correct horse"
    assert post_json(house.port, "/user/register", {"mobile": mobile, "passwd": password}).code == 0
    assert login(house, mobile, password).code == 0
    assert login(house, mobile, password[:-1] + "x").code == 40102
    assert login(house, mobile, password[:72]).code == 40102


def test_an_accented_password_is_the_same_however_it_is_typed(house: House) -> None:
    assert post_json(house.port, "/user/register", {"mobile": "50002", "passwd": "cafe\u0301 noir 9"}).code == 0
    assert login(house, "50002", "caf\u00e9 noir 9").code == 0


def test_tokens_and_passwords_are_stored_as_hashes_only(tmp_path: Path) -> None:
    with open_house(tmp_path, "accounts.bcrypt_rounds=5") as fresh:
        first, second = fresh.person(), fresh.person()
        hashes = []
        for person in (first, second):
            credentials = fresh.store.users.by_mobile(person.mobile)
            assert credentials is not None
            assert re.fullmatch(r"\$2b\$05\$[./A-Za-z0-9]{53}", credentials.password_hash)
            hashes.append(credentials.password_hash)
        assert hashes[0] != hashes[1]  # of the same password
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", first.token)
        tokens = (first.token, second.token)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("im.db*"))
    assert b"2b$05$" in stored
    for secret in (*tokens, PASSWORD):
        spellings = (secret.encode(), secret.encode().hex().encode(), base64.b64encode(secret.encode()).rstrip(b"="))
        assert not [spelling for spelling in spellings if spelling in stored]
    for token in tokens:
        assert hashlib.sha256(token.encode()).hexdigest().encode() in stored


def test_a_closed_server_takes_the_first_and_nobody_else(tmp_path: Path) -> None:
    with open_house(tmp_path, "accounts.registration=closed") as closed:
        with ThreadPoolExecutor(4) as threads:
            fields = [{"mobile": str(70001 + number), "passwd": PASSWORD} for number in range(4)]
            codes = sorted(threads.map(lambda one: post_json(closed.port, "/user/register", one).code, fields))
        assert codes == [0, 40301, 40301, 40301]
        assert closed.store.users.count() == 1


def test_an_invitation_lets_one_person_in(tmp_path: Path) -> None:
    with open_house(tmp_path, "accounts.registration=invite") as invited:
        first = invited.person()
        invitation = administration(invited).invitation(1).partition("#")[2]
        reset = administration(invited).password_link(first.user_id, 1).partition("#")[2]
        for invite in (None, ""):
            answer = post_json(invited.port, "/user/register", GOOD | {"invite": invite})
            assert (answer.status, answer.code, answer.envelope["data"]) == (403, 40301, {"field": "invite"})
            assert "invitation" in answer.envelope["msg"]
        for invite in ("x" * 43, reset):
            answer = post_json(invited.port, "/user/register", GOOD | {"invite": invite})
            assert (answer.status, answer.code, answer.envelope["data"]) == (404, 40401, {"field": "invite"})
        with ThreadPoolExecutor(4) as threads:
            fields = [{"mobile": str(70001 + number), "passwd": PASSWORD, "invite": invitation} for number in range(4)]
            codes = sorted(threads.map(lambda one: post_json(invited.port, "/user/register", one).code, fields))
        assert codes == [0, 40401, 40401, 40401]
        taken = post_json(invited.port, "/user/register", {"mobile": first.mobile, "passwd": PASSWORD})
        assert taken.code == 40301  # without an invitation nobody learns which mobiles have accounts


def test_registrations_and_look_ups_are_counted(tmp_path: Path) -> None:
    with open_house(
        tmp_path, "security.throttle=yes", "security.registrations_per_hour=2", "security.lookups_per_minute=3"
    ) as guarded:
        me, other = guarded.people(2)
        third = post_json(guarded.port, "/user/register", GOOD)
        assert (third.status, third.code) == (429, 42901)
        for _ in range(3):
            me.call("/user/find", id=other.user_id)
        assert refusal(me, "/user/find", id=other.user_id) == (429, 42901, "")
        assert other.data("/user/find", id=me.user_id)["id"] == me.user_id
