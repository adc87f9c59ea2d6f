"""/community/* and the community calls under /contact/: over HTTP, and what open sockets hear of it."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from imtornado.protocol import stamp
from tests.handlers.house import House, OldClient, create, open_house, refusal
from tests.people import PASSWORD, Failure, Person
from tests.raw_client import RawClient

PUBLIC = {"id", "name", "icon", "cate", "memo", "members", "policy", "role"}
INSIDE = PUBLIC | {"ownerid", "createat", "announcement", "silenced"}
UNKNOWN_ID = 2**53 - 1


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house"), database) as opened:
        yield opened


def member_ids(member: Person, community_id: int) -> list[int]:
    return [row["userid"] for row in member.rows("/community/members", dstid=community_id)]


def event_of(line: dict[str, Any]) -> tuple[str, list[int], int]:
    return line["event"]["kind"], line["event"]["userids"], line["event"]["by"]


def test_a_life_of_a_community(house: House) -> None:
    owner, guest = house.person("Olga"), house.person("Gustav")
    made = owner.data("/contact/createcommunity", name="  chess  ", cate=3, memo="every friday")
    assert made.keys() == INSIDE
    assert (made["name"], made["cate"], made["memo"], made["ownerid"]) == ("chess", 3, "every friday", owner.user_id)
    assert (made["role"], made["members"], made["policy"], made["silenced"]) == ("owner", 1, "open", False)

    joined = guest.data("/contact/joincommunity", dstname="chess")
    assert (joined["id"], joined["role"], joined["members"], joined["status"]) == (made["id"], "member", 2, "joined")
    (row,) = guest.rows("/contact/loadcommunity")
    assert (row["id"], row["role"]) == (made["id"], "member")

    owner.call("/community/role", dstid=made["id"], memberid=guest.user_id, role="admin")
    announced = guest.data("/community/announce", dstid=made["id"], announcement="bring a board")
    assert (announced["announcement"], announced["role"]) == ("bring a board", "admin")
    updated = guest.data("/community/update", dstid=made["id"], name="chess club", policy="approval")
    assert (updated["name"], updated["policy"], updated["memo"]) == ("chess club", "approval", "every friday")

    rows = owner.rows("/community/members", dstid=made["id"])
    assert rows == [
        {"userid": owner.user_id, "nickname": "Olga", "avatar": "", "role": "owner", "silenced": ""},
        {"userid": guest.user_id, "nickname": "Gustav", "avatar": "", "role": "admin", "silenced": ""},
    ]
    owner.call("/community/transfer", dstid=made["id"], memberid=guest.user_id)
    owner.call("/community/leave", dstid=made["id"])
    guest.call("/community/dissolve", dstid=made["id"])
    assert guest.rows("/contact/loadcommunity") == owner.rows("/contact/loadcommunity") == []


def test_outside_one_sees_the_public_part_and_of_a_hidden_one_nothing(house: House) -> None:
    owner, stranger = house.people(2)
    shown, hidden = create(owner), create(owner)
    owner.call("/community/update", dstid=hidden, policy="invite")
    owner.call("/community/announce", dstid=shown, announcement="for members")
    info = stranger.data("/community/info", dstid=shown)
    assert (info.keys(), info["role"]) == (PUBLIC, "")
    assert refusal(stranger, "/community/info", dstid=hidden) == refusal(stranger, "/community/info", dstid=UNKNOWN_ID)
    assert refusal(stranger, "/contact/joincommunity", dstid=hidden) == (403, 40301, "")
    assert owner.data("/community/info", dstid=hidden).keys() == INSIDE


def test_search_shows_what_can_be_joined(house: House) -> None:
    owner, stranger = house.people(2)
    for name in ("Ωmega one", "Ωmega two"):
        create(owner, name=name)
    hidden = create(owner, name="Ωmega hidden")
    owner.call("/community/update", dstid=hidden, policy="invite")
    rows = stranger.rows("/community/search", q="Ωmega")
    assert [row["name"] for row in rows] == ["Ωmega one", "Ωmega two"]
    assert all(row.keys() == PUBLIC for row in rows)
    assert stranger.rows("/community/search", q="ωMEGA") == []


def test_members_come_in_pages(house: House) -> None:
    owner, *guests = house.people(6)
    community = create(owner, *guests)
    first = owner.call("/community/members", dstid=community, limit=4)
    assert [row["userid"] for row in first["rows"]] == [person.user_id for person in (owner, *guests[:3])]
    rest = owner.call("/community/members", dstid=community, limit=4, after=first["next"])
    assert [row["userid"] for row in rest["rows"]] == [person.user_id for person in guests[3:]]
    assert rest["next"] is None


def test_approval(house: House) -> None:
    owner, guest, unlucky = house.person(), house.person("Gustav"), house.person()
    community = create(owner)
    owner.call("/community/update", dstid=community, policy="approval")
    asked = guest.data("/contact/joincommunity", dstid=community, memo="it is me")
    assert (asked["status"], asked["role"]) == ("requested", "")
    unlucky.call("/contact/joincommunity", dstid=community)
    first, second = owner.rows("/community/requests", dstid=community)
    assert first == {
        "userid": guest.user_id,
        "nickname": "Gustav",
        "avatar": "",
        "memo": "it is me",
        "createat": first["createat"],
    }
    owner.call("/community/approve", dstid=community, memberid=guest.user_id)
    owner.call("/community/approve", dstid=community, memberid=second["userid"], approve=False)
    assert owner.rows("/community/requests", dstid=community) == []
    assert member_ids(owner, community) == [owner.user_id, guest.user_id]


def test_inviting_friends(house: House) -> None:
    owner, member, friend, other = house.people(4)
    community = create(owner, member)
    owner.call("/community/update", dstid=community, policy="approval")
    for host in (owner, member):
        host.befriend(friend)
    invited = member.data("/community/invite", dstid=community, userids=[friend.user_id])
    assert invited == {"added": [], "requested": [friend.user_id]}
    invited = owner.data("/community/invite", dstid=community, userids=[friend.user_id, friend.user_id])
    assert invited == {"added": [friend.user_id], "requested": []}
    assert owner.rows("/community/requests", dstid=community) == []
    assert refusal(owner, "/community/invite", dstid=community, userids=[other.user_id]) == (403, 40302, "userids")
    assert refusal(owner, "/community/invite", dstid=community, userids=[UNKNOWN_ID])[1] == 40302


def test_an_invitation_link(house: House) -> None:
    owner, one, two, late = house.people(4)
    community = create(owner)
    owner.call("/community/update", dstid=community, policy="invite")
    link = owner.data("/community/invite", dstid=community, link=True, hours=1)
    assert link["link"] == f"/join#{link['token']}"
    assert link["expires"].endswith("Z")
    for guest in (one, two):
        assert guest.data("/contact/joincommunity", invite=link["token"])["status"] == "joined"
    assert owner.call("/community/invite", dstid=community, link=False)["data"] is None
    assert refusal(late, "/contact/joincommunity", invite=link["token"]) == (404, 40401, "invite")
    assert member_ids(owner, community) == [owner.user_id, one.user_id, two.user_id]


def test_a_silenced_member_is_refused_until_lifted(house: House) -> None:
    owner, member = house.people(2)
    community = create(owner, member)
    for target in ({"memberid": member.user_id}, {}):
        owner.call("/community/mute", dstid=community, seconds=600, **target)
        message = member.message(community, "mmh", 11)
        assert refusal(member, "/message/send", **message)[1] == 40304
        silenced = owner.rows("/community/members", dstid=community)[1]["silenced"]
        assert silenced.endswith("Z")
        owner.say(community, "the owner may", 11)
        owner.call("/community/mute", dstid=community, seconds=0, **target)
        member.say(community, "free", 11)


def test_who_is_not_inside_cannot_write_or_read(house: House) -> None:
    """A hole of the original: anybody wrote to any community."""
    owner, ex, stranger = house.people(3)
    community = create(owner, ex)
    ex.call("/community/leave", dstid=community)
    owner.say(community, "secret", 11)
    for outsider in (ex, stranger):
        assert refusal(outsider, "/message/send", **outsider.message(community, "let me in", 11))[1] == 40303
    assert refusal(stranger, "/message/history", kind=11, dstid=community)[1] == 40401
    seen = ex.rows("/message/history", kind=11, dstid=community)
    assert "secret" not in json.dumps(seen)
    assert "let me in" not in json.dumps(owner.rows("/message/history", kind=11, dstid=community))


def test_the_sixth_community_is_refused_also_at_once(house: House) -> None:
    """A hole of the original: five were allowed, but calls at the same time made more."""
    owner = house.person()
    codes: list[int] = []

    def attempt(number: int) -> None:
        try:
            owner.call("/contact/createcommunity", name=f"race {owner.user_id} {number}")
            codes.append(0)
        except Failure as failure:
            codes.append(failure.code)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0] * 5 + [40903] * 15
    assert len(owner.rows("/contact/loadcommunity")) == 5


def test_a_transfer_is_no_way_around_the_limit(house: House) -> None:
    owner, heir = house.people(2)
    community = create(owner, heir)
    for _ in range(5):
        create(heir)
    refused = refusal(owner, "/community/transfer", dstid=community, memberid=heir.user_id)
    assert refused == (409, 40903, "memberid")
    assert owner.data("/community/info", dstid=community)["role"] == "owner"


def test_the_owner_is_told_how_to_leave(house: House) -> None:
    owner = house.person()
    with pytest.raises(Failure) as refused:
        owner.call("/community/leave", dstid=create(owner))
    assert (refused.value.status, refused.value.code) == (409, 40903)
    assert "Hand it over" in refused.value.envelope["msg"]
    assert "dissolve" in refused.value.envelope["msg"]


def test_names_are_taken_once_and_compared_as_they_look(house: House) -> None:
    one, two = house.people(2)
    create(one, name="Caf\u00e9")
    assert refusal(two, "/contact/createcommunity", name=" Cafe\u0301 ") == (409, 40901, "name")
    mine = create(two)
    assert refusal(two, "/community/update", dstid=mine, name="Cafe\u0301") == (409, 40901, "name")
    create(two, name="caf\u00e9")


def test_since_brings_changes_and_what_was_left(house: House) -> None:
    owner, member = house.people(2)
    kept, left = create(owner, member), create(owner, member)
    full = member.call("/contact/loadcommunity")
    assert (full["full"], [row["id"] for row in full["rows"]]) == (True, [kept, left])
    member.call("/community/leave", dstid=left)
    owner.call("/community/update", dstid=kept, memo="new")
    since = member.call("/contact/loadcommunity", since=full["stamp"])
    assert since["full"] is False
    assert {"id": left, "removed": True} in since["rows"]
    assert [row["memo"] for row in since["rows"] if row["id"] == kept] == ["new"]
    old = member.call("/contact/loadcommunity", since=stamp(house.store.clock.now_ms() - 25 * 3_600_000))
    assert (old["full"], [row["id"] for row in old["rows"]]) == (True, [kept])


def test_sockets_follow_who_comes_and_goes(house: House) -> None:
    owner, guest = house.person("Olga"), house.person("Gustav")
    community = create(owner)
    with owner.connect() as here, guest.connect() as there:
        guest.call("/contact/joincommunity", dstid=community)
        assert there.until(cmd=16, event="community.joined")["dstid"] == community
        line = here.until(cmd=11, media=20)
        assert event_of(line) == ("joined", [guest.user_id], guest.user_id)
        assert line["content"] == "Gustav joined"
        owner.say(community, "welcome", 11)
        assert there.until(cmd=11, media=1)["content"] == "welcome"

        owner.call("/community/kick", dstid=community, memberid=guest.user_id)
        assert event_of(there.until(cmd=11, media=20)) == ("kicked", [guest.user_id], owner.user_id)
        assert there.until(cmd=16, event="community.kicked")["dstid"] == community
        owner.say(community, "he is gone", 11)
        assert heard_since(guest, there) == []


def heard_since(person: Person, socket: RawClient) -> list[str]:
    """Contents of the messages that come before the answer to a heartbeat."""
    socket.send({"cmd": 0, "rid": "now"})
    heard = []
    while (frame := socket.json()).get("rid") != "now":
        if frame["cmd"] in (10, 11):
            heard.append(frame["content"])
    return heard


def test_admins_hear_of_requests_and_members_of_changes(house: House) -> None:
    owner, admin, member, guest = house.people(4)
    community = create(owner, admin, member)
    owner.call("/community/role", dstid=community, memberid=admin.user_id, role="admin")
    owner.call("/community/update", dstid=community, policy="approval")
    with admin.connect() as to_admin, member.connect() as to_member:
        guest.call("/contact/joincommunity", dstid=community)
        request = to_admin.until(cmd=16, event="community.request")
        assert (request["dstid"], request["userid"]) == (community, guest.user_id)
        owner.call("/community/update", dstid=community, memo="new")
        first = to_member.json()
        assert (first["event"], first["dstid"]) == ("community.updated", community), "a member heard of the request"
        owner.call("/community/dissolve", dstid=community)
        for socket in (to_admin, to_member):
            assert socket.until(cmd=16, event="community.dissolved")["dstid"] == community


def test_the_originals_sockets_get_lines_as_messages_and_nothing_else(house: House) -> None:
    owner, old = house.person(), house.person("Otto")
    community = create(owner, old)
    with old.connect(v1=False) as socket:
        owner.call("/community/mute", dstid=community, memberid=old.user_id, seconds=60)
        owner.call("/community/update", dstid=community, memo="silent change")
        owner.call("/community/announce", dstid=community, announcement="hear, hear")
        frames = [socket.json(), socket.json()]
        assert [(frame["cmd"], frame["media"]) for frame in frames] == [(11, 20), (11, 20)]
        assert "Otto" in frames[0]["content"]
        assert "hear, hear" in frames[1]["content"]


def test_the_originals_client_finds_its_way(house: House) -> None:
    owner = house.person()
    existing = create(owner, name="old friends")
    client = OldClient(house.port)
    me = client.post("/user/register", mobile="13900000011", passwd=PASSWORD)["data"]
    made = client.post(
        "/contact/createcommunity",
        name="我的群",
        cate="1",
        memo="",
        icon="/asset/images/community.png",
        ownerid=me["id"],
    )
    assert made["code"] == 0
    assert (made["data"]["name"], made["data"]["cate"], made["data"]["ownerid"]) == ("我的群", 1, me["id"])
    assert client.post("/contact/joincommunity", userid=me["id"], dstname="old friends")["data"]["id"] == existing
    rows = client.post("/contact/loadcommunity", userid=me["id"])["rows"]
    assert [row["id"] for row in rows] == [existing, made["data"]["id"]]

    assert client.post("/contact/createcommunity", name="我的群", ownerid=me["id"])["code"] == 40901
    assert client.post("/contact/createcommunity", name="", ownerid=me["id"])["code"] == 40001
    assert client.post("/contact/createcommunity", name="his", ownerid=owner.user_id)["code"] == 40301
    assert client.post("/contact/joincommunity", userid=me["id"], dstname="nowhere")["code"] == 40401
    assert client.post("/contact/joincommunity", userid=owner.user_id, dstid=existing)["code"] == 40301


def test_forms_say_everything_that_json_can(house: House) -> None:
    owner, friend = house.people(2)
    client = OldClient(house.port)
    me = client.post("/user/register", mobile="13900000012", passwd=PASSWORD)["data"]
    for person in (owner, friend):
        person.call("/contact/addfriend", dstid=me["id"])
        client.post("/contact/accept", dstid=person.user_id)
    community = client.post("/contact/createcommunity", name="by form")["data"]["id"]
    invited = client.post("/community/invite", dstid=community, userids=f"{owner.user_id},{friend.user_id}")
    assert invited["data"]["added"] == [owner.user_id, friend.user_id]
    link = client.post("/community/invite", dstid=community, link="true", hours="2")["data"]
    assert link["token"]
    muted = client.post("/community/mute", dstid=community, memberid=owner.user_id, seconds="60")
    assert (muted["code"], muted["data"]) == (0, None)
    assert client.post("/community/members", dstid=community, limit="2")["next"] == friend.user_id
