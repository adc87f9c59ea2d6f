"""Who may not see a file: every way to it, in a folder, in a bucket, and where readers are sent to the bucket."""

import http.client
import itertools
import urllib.parse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests import pictures
from tests.fixtures.s3 import S3Server
from tests.handlers.house import House, create, open_house, refusal
from tests.handlers.uploading import Answer, fetch, request, upload
from tests.people import Person, call

DAY_MS = 86_400_000
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["folder", "bucket", "presigned"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings: tuple[str, ...] = ()
    if request.param != "folder":
        server: S3Server = request.getfixturevalue("s3_server")
        settings = (*server.settings(f"rights-{request.param}"), f"uploads.presigned={request.param == 'presigned'}")
    with open_house(tmp_path_factory.mktemp("house"), "contacts.confirm=no", *settings) as opened:
        yield opened


class Shared(NamedTuple):
    """A picture of Ann's, and the room and the message in which it is."""

    ann: Person
    room: int
    url: str
    thumb: str
    seq: int


class Refused(NamedTuple):
    """Who must see nothing of it, None for a browser without a session, and signed addresses that must not work."""

    viewer: Person | None
    signed: tuple[str, ...] = ()
    token: str = ""  # of a session that is no more


def friends(house: House) -> tuple[Person, Person]:
    ann, bob = house.person("Ann"), house.person("Bob")
    ann.call("/contact/addfriend", dstid=bob.user_id)
    return ann, bob


def picture(ann: Person) -> tuple[str, str]:
    """(address, thumbnail) of one that nobody else has sent."""
    drawn = pictures.quarters(60, 40)
    number = next(_numbers)
    drawn.putpixel((5, 5), (number % 251, number // 251, 7))
    answer = upload(ann, pictures.encoded(drawn, "PNG"))
    return answer["data"], answer["thumb"]


def share(house: House, ann: Person, *members: Person) -> Shared:
    """Ann's picture in a new room with these members."""
    room = create(ann, *members)
    url, thumb = picture(ann)
    sent = ann.data("/message/send", **ann.message(room, "", 11, media=4, url=url, pic=thumb))
    return Shared(ann, room, url, thumb, sent["seq"])


def signed_by(person: Person, shared: Shared) -> tuple[str, ...]:
    """Addresses that work for whoever has them."""
    addresses = tuple(person.data("/attach/sign", urls=[shared.url, shared.thumb]))
    assert all(is_given(request(person.port, "GET", address)) for address in addresses)
    return addresses


def is_given(answer: Answer) -> bool:
    """True for the file itself, fetched from the bucket where we are sent there.

    Everything else must be the refusal that tells nothing.
    """
    if answer.status == 302:
        address = urllib.parse.urlsplit(answer.headers["Location"])
        connection = http.client.HTTPConnection(address.netloc, timeout=60)
        try:
            connection.request("GET", f"{address.path}?{address.query}")
            response = connection.getresponse()
            return response.status == 200 and response.read()[8:12] == b"WEBP"
        finally:
            connection.close()
    if answer.status in (200, 206):
        return True
    assert (answer.status, answer.code) in ((404, 40401), (401, 40101))
    assert answer.headers["Location"] is None
    return False


# Each gives the picture and who must not see it.


def stranger(house: House) -> tuple[Shared, Refused]:
    return share(house, house.person("Ann")), Refused(house.person("Stranger"))


def friend_outside_the_room(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    return share(house, ann), Refused(bob)


def kicked_before_it_came(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    room = create(ann, bob)
    ann.call("/community/kick", dstid=room, memberid=bob.user_id)
    url, thumb = picture(ann)
    sent = ann.data("/message/send", **ann.message(room, "", 11, media=4, url=url, pic=thumb))
    return Shared(ann, room, url, thumb, sent["seq"]), Refused(bob)


def left_before_it_came(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    room = create(ann, bob)
    bob.call("/community/leave", dstid=room)
    url, thumb = picture(ann)
    sent = ann.data("/message/send", **ann.message(room, "", 11, media=4, url=url, pic=thumb))
    return Shared(ann, room, url, thumb, sent["seq"]), Refused(bob)


def came_after_it(house: House) -> tuple[Shared, Refused]:
    shared = share(house, house.person("Ann"))
    late = house.person("Late")
    late.call("/contact/joincommunity", dstid=shared.room)
    return shared, Refused(late)


def no_session(house: House) -> tuple[Shared, Refused]:
    return share(house, house.person("Ann")), Refused(None)


def logged_out(house: House) -> tuple[Shared, Refused]:
    ann = house.person("Ann")
    shared = share(house, ann)
    token = ann.log_in()
    assert is_given(request(ann.port, "GET", shared.url, {"Cookie": f"im_session={token}"}))
    call(ann.port, "/user/logout", token=token)
    return shared, Refused(None, token=token)


def recalled(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    signed = signed_by(bob, shared)
    ann.call("/message/recall", kind=11, dstid=shared.room, seq=shared.seq)
    return shared, Refused(bob, signed)


def deleted_for_oneself(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    signed = signed_by(bob, shared)
    bob.call("/message/delete", kind=11, dstid=shared.room, seqs=[shared.seq])
    return shared, Refused(bob, signed)


def cleared(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    signed = signed_by(bob, shared)
    bob.call("/message/clear", kind=11, dstid=shared.room)
    return shared, Refused(bob, signed)


def disabled(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    signed = signed_by(bob, shared)
    house.store.users.set_disabled(bob.user_id, disabled=True)
    return shared, Refused(bob, signed)


def posted_elsewhere_by_who_may_not_see_it(house: House) -> tuple[Shared, Refused]:
    shared = share(house, house.person("Ann"))
    thief, accomplice = friends(house)
    room = create(thief, accomplice)
    for url in (shared.url, shared.thumb, shared.url + "?small=1"):
        for field in ("url", "pic"):
            for dstid, cmd in ((accomplice.user_id, 10), (room, 11)):
                message = thief.message(dstid, "", cmd, media=4) | {field: url}
                assert refusal(thief, "/message/send", **message)[1:] == (40401, field)
        assert refusal(thief, "/user/update", avatar=url)[1] == 40401
        assert refusal(thief, "/community/update", dstid=room, icon=url)[1] == 40401
    socket = thief.connect()
    socket.send(thief.message(accomplice.user_id, "", media=4, url=shared.url))
    assert socket.until(cmd=2)["code"] == 40401
    socket.close()
    thief.say(accomplice.user_id, f"look: {shared.url}")  # as a text it is a text
    return shared, Refused(accomplice)


def a_day_later(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    signed = signed_by(bob, shared)
    house.store.clock.at_least(house.store.clock.now_ms() + 2 * DAY_MS)
    assert is_given(fetch(bob, shared.url)), "the right lives on, the address does not"
    return shared, Refused(None, signed)


def a_signature_for_another(house: House) -> tuple[Shared, Refused]:
    ann, bob = friends(house)
    shared = share(house, ann)
    other = share(house, ann, bob)
    query = signed_by(bob, other)[0].partition("?")[2]
    foreign = query.replace(f"u={bob.user_id}", f"u={ann.user_id}")
    later = query.replace("e=", "e=9")
    return shared, Refused(bob, tuple(f"{shared.url}?{told}" for told in (query, foreign, later)))


CASES: tuple[Callable[[House], tuple[Shared, Refused]], ...] = (
    *(stranger, friend_outside_the_room, kicked_before_it_came, left_before_it_came, came_after_it, no_session),
    *(logged_out, recalled, deleted_for_oneself, cleared, disabled, posted_elsewhere_by_who_may_not_see_it),
    *(a_day_later, a_signature_for_another),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_who_may_not_see_a_file_finds_nothing_on_any_way(
    house: House, case: Callable[[House], tuple[Shared, Refused]]
) -> None:
    shared, refused = case(house)
    assert is_given(fetch(shared.ann, shared.url)), "it is there"
    assert is_given(fetch(shared.ann, shared.thumb))
    viewer = refused.viewer
    ways: tuple[dict[str, str], ...] = ({},)
    if token := viewer.token if viewer else refused.token:
        ways = ({"Authorization": f"Bearer {token}"}, {"Cookie": f"im_session={token}"})
    guessed = shared.url[:-1] + ("0" if shared.url[-1] != "0" else "1")
    flat = shared.url.replace("/resource/", f"/resource/{shared.url[10:12]}/")
    for path in (shared.url, shared.thumb, shared.url + "?small=1", guessed, flat):
        for way in ways:
            assert not is_given(request(house.port, "GET", path, way))
            assert not is_given(request(house.port, "GET", path, way | {"Range": "bytes=0-9"}))
            assert not is_given(request(house.port, "GET", path, way | {"If_None_Match": "*"}))
            assert request(house.port, "HEAD", path, way).status in (401, 404)
    if viewer is not None and request(house.port, "GET", "/user/me", ways[0]).status == 200:
        assert viewer.data("/attach/sign", urls=[shared.url, shared.thumb, guessed]) == [None] * 3
    for address in refused.signed:
        assert not is_given(request(house.port, "GET", address))
        assert request(house.port, "HEAD", address).status in (401, 404)
        for way in ways:
            assert not is_given(request(house.port, "GET", address, way))


def test_who_may_see_it_does_on_every_way(house: House) -> None:
    """The same ways are open to members: what the test above finds closed is closed by rights."""
    ann, bob = friends(house)
    shared = share(house, ann, bob)
    for person in (ann, bob):
        for path in (shared.url, shared.thumb, shared.url + "?small=1", *signed_by(person, shared)):
            assert is_given(fetch(person, path))
            assert is_given(request(house.port, "GET", path, {"Cookie": f"im_session={person.token}"}))
            assert fetch(person, path, "HEAD").status == 200
