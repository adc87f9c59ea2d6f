"""Who may call which community route, and what bad input comes to: the right refusal, and nothing changed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.handlers.house import House, create, open_house, refusal
from tests.people import Failure, Person, call

UNKNOWN_ID = 2**53 - 1


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), database) as opened:
        yield opened


class Cast:
    """A community with one person of each standing towards it, and two to act upon."""

    def __init__(self, house: House) -> None:
        self.owner, self.admin, self.member, self.target, self.ex, self.stranger = house.people(6)
        self.asker, self.friend = house.people(2)
        self.community = create(self.owner, self.admin, self.member, self.target, self.ex)
        self.owner.call("/community/role", dstid=self.community, memberid=self.admin.user_id, role="admin")
        self.owner.call("/community/update", dstid=self.community, policy="approval")
        self.asker.call("/contact/joincommunity", dstid=self.community)
        self.ex.call("/community/leave", dstid=self.community)

    def fields(self, path: str) -> dict[str, object]:
        """What a call of the route needs to succeed."""
        target, asker = {"memberid": self.target.user_id}, {"memberid": self.asker.user_id}
        more: dict[str, dict[str, object]] = {
            "/community/update": {"memo": "new"},
            "/community/announce": {"announcement": "news"},
            "/community/invite": {"userids": []},
            "/community/invite?link": {"link": True},
            "/community/invite?revoke": {"link": False},
            "/community/kick": {**target},
            "/community/role": {**target, "role": "admin"},
            "/community/transfer": {**target},
            "/community/mute": {**target, "seconds": 60},
            "/community/mute?all": {"seconds": 60},
            "/community/approve": {**asker},
        }
        return {"dstid": self.community} | more.get(path, {})

    def state(self) -> list[object]:
        """All that a call could have changed."""
        return [
            self.owner.data("/community/info", dstid=self.community),
            self.owner.rows("/community/members", dstid=self.community),
            self.owner.rows("/community/requests", dstid=self.community),
        ]


NOBODY, OUT, NO, YES = 40101, 40401, 40301, 0
# path: codes for nobody, a stranger, somebody who left, a member, an admin, the owner
MATRIX = {
    "/community/info": (NOBODY, YES, YES, YES, YES, YES),
    "/community/members": (NOBODY, OUT, OUT, YES, YES, YES),
    "/community/update": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/announce": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/invite": (NOBODY, OUT, OUT, YES, YES, YES),
    "/community/invite?link": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/invite?revoke": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/requests": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/approve": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/kick": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/mute": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/mute?all": (NOBODY, OUT, OUT, NO, YES, YES),
    "/community/role": (NOBODY, OUT, OUT, NO, NO, YES),
    "/community/transfer": (NOBODY, OUT, OUT, NO, NO, YES),
    "/community/dissolve": (NOBODY, OUT, OUT, NO, NO, YES),
    "/community/leave": (NOBODY, OUT, OUT, YES, YES, 40903),
}
STANDINGS = ("nobody", "stranger", "ex", "member", "admin", "owner")


def code_of(house: House, cast: Cast, standing: str, path: str) -> int:
    token = "" if standing == "nobody" else getattr(cast, standing).token
    try:
        call(house.port, path.partition("?")[0], cast.fields(path), token=token)
    except Failure as failure:
        return failure.code
    return 0


@pytest.mark.parametrize("path", MATRIX)
def test_who_may_call_what(house: House, path: str) -> None:
    cast = Cast(house)
    before = cast.state()
    expected = dict(zip(STANDINGS, MATRIX[path], strict=True))
    for standing, code in expected.items():
        if code:
            assert code_of(house, cast, standing, path) == code, standing
    assert cast.state() == before, "a refused call changed something"
    for standing, code in expected.items():
        if not code:
            assert code_of(house, Cast(house), standing, path) == 0, standing


@pytest.mark.parametrize("path", MATRIX)
def test_unknown_dissolved_and_foreign_look_alike(house: House, path: str) -> None:
    cast = Cast(house)
    fields, name = cast.fields(path), path.partition("?")[0]
    cast.owner.call("/community/update", dstid=cast.community, policy="invite")
    foreign = _refused(cast.stranger, name, fields)
    assert foreign["code"] == 40401
    assert _refused(cast.stranger, name, fields | {"dstid": UNKNOWN_ID}) == foreign
    cast.owner.call("/community/dissolve", dstid=cast.community)
    for person in (cast.stranger, cast.ex, cast.member, cast.owner):
        assert _refused(person, name, fields) == foreign


def _refused(person: Person, path: str, fields: dict[str, object]) -> dict[str, Any]:
    with pytest.raises(Failure) as refused:
        person.call(path, **fields)
    return refused.value.envelope


ACTED_UPON = ("/community/kick", "/community/role", "/community/transfer", "/community/mute", "/community/approve")
BAD_IDS: tuple[object, ...] = ("", "x", "1", 0, -1, 1.5, True, [1], {"id": 1}, 2**53, 10**400)


@pytest.mark.parametrize("path", [path for path in MATRIX if "?" not in path])
def test_bad_ids_are_refused_and_change_nothing(house: House, path: str) -> None:
    cast = Cast(house)
    before = cast.state()
    for bad in BAD_IDS:
        assert refusal(cast.owner, path, **cast.fields(path) | {"dstid": bad}) == (400, 40001, "dstid"), bad
    without = {name: value for name, value in cast.fields(path).items() if name != "dstid"}
    assert refusal(cast.owner, path, **without) == (400, 40001, "dstid")
    if path in ACTED_UPON:
        for bad in BAD_IDS:
            assert refusal(cast.owner, path, **cast.fields(path) | {"memberid": bad}) == (400, 40001, "memberid"), bad
        for outsider in (cast.stranger.user_id, cast.ex.user_id, UNKNOWN_ID):
            refused = refusal(cast.owner, path, **cast.fields(path) | {"memberid": outsider})
            assert refused == (404, 40401, "memberid")
    assert cast.state() == before


TEXT: tuple[object, ...] = (7, True, ["x"], {"x": 1}, "nul\0", "\ud800", "x" * 100_000)
NAME: tuple[object, ...] = (*TEXT, "", "   ", "x" * 61, "two\nlines", "\u202eback")
CATE: tuple[object, ...] = ("", "x", -1, 100, 1.5, True, [1])
ICON: tuple[object, ...] = (*TEXT, "http://evil.example/x.png", "javascript:alert(1)", "/resource/../x", "x.png")
BAD_FIELDS: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("/contact/createcommunity", "name", NAME),
    ("/contact/createcommunity", "memo", (*TEXT, "x" * 141)),
    ("/contact/createcommunity", "cate", CATE),
    ("/contact/createcommunity", "icon", ICON),
    ("/contact/joincommunity", "dstname", NAME),
    ("/contact/joincommunity", "dstid", ("x", "1", -1, 1.5, True, 2**53)),
    ("/contact/joincommunity", "memo", (*TEXT, "x" * 141)),
    ("/contact/joincommunity", "invite", (7, True, ["x"], "x" * 101)),
    ("/contact/loadcommunity", "since", (7, "zz", "1" * 13, "x" * 100)),
    ("/community/search", "q", NAME),
    ("/community/members", "after", ("", "x", -1, 1.5, True, 2**53)),
    ("/community/members", "limit", ("", "x", 0, -1, 201, 1.5, True)),
    ("/community/update", "name", NAME),
    ("/community/update", "memo", (*TEXT, "x" * 141)),
    ("/community/update", "cate", CATE),
    ("/community/update", "icon", ICON),
    ("/community/update", "policy", ("", "closed", 1, True, ["open"])),
    ("/community/announce", "announcement", (*TEXT, "x" * 1001)),
    (
        "/community/invite",
        "userids",
        ("", "1", 1, True, {"id": 1}, [0], ["1"], [1.5], [True], [2**53], [*range(1, 52)]),
    ),
    ("/community/invite", "link", ("", "yes", 1, ["x"])),
    ("/community/role", "role", ("", "owner", "king", 2, True)),
    ("/community/mute", "seconds", ("", "x", -1, 1.5, True, 31_536_001)),
    ("/community/approve", "approve", ("", "yes", 1, ["x"])),
)


@pytest.mark.parametrize(("path", "name", "values"), BAD_FIELDS)
def test_bad_values_are_refused_and_change_nothing(
    house: House, path: str, name: str, values: tuple[object, ...]
) -> None:
    cast = Cast(house)
    before = cast.state(), len(cast.owner.rows("/contact/loadcommunity"))
    good = cast.fields(path) if path.startswith("/community/") and path != "/community/search" else {}
    if path == "/contact/createcommunity":
        good = {"name": "never to be"}
    elif path == "/contact/joincommunity" and name not in ("dstid", "dstname"):
        good = {"dstid": cast.community}
    for bad in values:
        status, code, field = refusal(cast.owner, path, **good | {name: bad})
        assert (status, code) == (400, 40001), bad
        assert field in (name, ""), bad  # a lone surrogate stops the reading of the whole body
    assert (cast.state(), len(cast.owner.rows("/contact/loadcommunity"))) == before


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/contact/createcommunity", {}),
        ("/contact/joincommunity", {}),
        ("/community/search", {}),
        ("/community/update", {"dstid": 1}),
        ("/community/announce", {"dstid": 1}),
        ("/community/invite", {"dstid": 1}),
        ("/community/kick", {"dstid": 1}),
        ("/community/role", {"dstid": 1, "memberid": 2}),
        ("/community/mute", {"dstid": 1, "memberid": 2}),
        ("/community/approve", {"dstid": 1}),
    ],
)
def test_what_is_missing_is_named(house: House, path: str, fields: dict[str, object]) -> None:
    assert refusal(house.person(), path, **fields)[:2] == (400, 40001)


@pytest.mark.parametrize("icon", ["/resource/nobodys.webp", "/resource/0"])
def test_an_icon_that_nobody_uploaded(house: House, icon: str) -> None:
    owner = house.person()
    assert refusal(owner, "/contact/createcommunity", name=f"icon {owner.user_id}", icon=icon) == (404, 40401, "icon")
    assert refusal(owner, "/community/update", dstid=create(owner), icon=icon) == (404, 40401, "icon")


@pytest.mark.parametrize("name", ["userid", "ownerid"])
def test_another_in_the_body_is_not_believed(house: House, name: str) -> None:
    """A hole of the original: whoever wrote another's id acted as him."""
    cast = Cast(house)
    before = cast.state()
    for path in (path for path in MATRIX if "?" not in path):
        fields = cast.fields(path) | {name: cast.owner.user_id}
        assert refusal(cast.stranger, path, **fields) == (403, 40301, name)
    made = {"name": "in his name", name: cast.owner.user_id}
    assert refusal(cast.stranger, "/contact/createcommunity", **made) == (403, 40301, name)
    assert cast.state() == before
