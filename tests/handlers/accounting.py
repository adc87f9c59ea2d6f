"""What the tests of accounts share."""

import http.cookies

from imtornado.clock import Clock
from imtornado.services.administration import Administration
from tests.handlers.calls import Answer, post_json
from tests.handlers.house import House
from tests.people import PASSWORD

NOT_TEXTS: tuple[object, ...] = (7, True, ["x"], {"x": 1}, "nul\0")
GOOD = {"mobile": "40001", "passwd": PASSWORD}
NOT_NICKNAMES: tuple[object, ...] = (*NOT_TEXTS, "x" * 21, "\u202eevil", "two\nlines", "\x1b[31m", "\u2028")
NOT_PICTURES: tuple[object, ...] = (*NOT_TEXTS, "https://evil.example/x.png", "javascript:alert(1)", "//x", "x" * 2000)
BAD_PROFILES: list[tuple[str, object]] = [
    *(("nickname", value) for value in NOT_NICKNAMES),
    *(("avatar", value) for value in NOT_PICTURES),
    *(("sex", value) for value in (7, True, ["M"], "m", "X", "MW")),
    *(("memo", value) for value in (*NOT_TEXTS, "x" * 141)),
]


def administration(house: House) -> Administration:
    return Administration(house.store, Clock())


def login(house: House, mobile: str, password: str = PASSWORD, **headers: str) -> Answer:
    return post_json(house.port, "/user/login", {"mobile": mobile, "passwd": password}, **headers)


def set_cookie(answer: Answer) -> "http.cookies.Morsel[str]":
    return http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["im_session"]


def is_live(house: House, token: str) -> bool:
    return post_json(house.port, "/user/me", {}, Authorization=f"Bearer {token}").code == 0
