"""`storage.copying`: every row once, compared; killed anywhere it goes on; nothing else is overwritten."""

import itertools
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from imtornado.clock import Clock
from imtornado.records import Kind
from storage import tables
from storage.backends import open_database, open_store
from storage.copying import CopyRefused, clear, is_unfinished, opened, release
from storage.migrate import SchemaError
from storage.store import NewUser, Store
from storage.tables import Digest
from tests.storage.dying import dying
from tests.storage.scene import Scene
from tests.storage.whole import contents, epochs, schema

HARD = (
    "",
    " ",
    "a ",
    "A",
    "a",
    "é",
    "e\u0301",
    "漢字",
    "😀👩‍👩‍👧",
    "\\",
    "'",
    '"',
    "%s ? {}",
    "\r\n\t\x1a\x7f",
    "x" * 60_000,
)


def small_pages(source_url: str, target_url: str) -> None:
    """`imtornado copy`, for a process that may die: many pages, each a transaction."""
    tables.PAGE = 3
    copied(source_url, target_url)


def copied(source_url: str, target_url: str) -> dict[str, Digest]:
    with closing(open_database(source_url)) as source, closing(open_database(target_url)) as target:
        with opened(source, target) as copying:
            digests = copying.run(lambda _table, _done: None)
        release(target)
    return digests


@pytest.fixture
def full_url(tmp_path: Path) -> str:
    """An SQLite database with something in most tables; the first two users are friends."""
    url = f"sqlite:///{tmp_path}/full.db"
    with closing(open_store(url, Clock())) as store:
        _fill(store)
    return url


def _fill(store: Store) -> None:
    scene = Scene(store)
    ann, bea = scene.friends()
    for text in HARD:
        scene.send(ann, Kind.SINGLE, bea, text)
    many = scene.users(7)
    communities = [scene.community(owner, *(other for other in many if other != owner)) for owner in many[:3]]
    for community_id in communities:
        for sender in many:
            scene.send(sender, Kind.COMMUNITY, community_id)
        scene.leave(community_id, many[-1])
    store.contacts.request(many[0], bea, "hello")
    store.contacts.block(many[1], bea)
    for name in ("aa" * 32, "bb" * 32):
        scene.upload(ann, name)
    scene.send(ann, Kind.SINGLE, bea, "see", url=f"/resource/{'aa' * 32}")
    scene.read(bea, Kind.SINGLE, ann, 3)
    store.uploads.signing_key()


def test_every_row_arrives_as_it_was(full_url: str, fresh_url: Callable[[], str]) -> None:
    target_url = fresh_url()
    digests = copied(full_url, target_url)
    before = contents(full_url)
    assert contents(target_url) == before == digests
    assert len({digest for digest in digests.values() if digest.rows}) > 12, "most tables were empty"
    assert epochs(target_url) == epochs(full_url)
    with closing(open_store(target_url, Clock())) as target:
        assert [message.content for message in Scene(target).seen(1, Kind.SINGLE, 2)][: len(HARD)] == list(HARD)
        assert target.users.create(NewUser("17700000000", "h", "new")).user_id == before["user"].rows + 1


def test_the_copy_goes_both_ways(full_url: str, fresh_url: Callable[[], str]) -> None:
    there, back = fresh_url(), fresh_url()
    assert copied(full_url, there) == copied(there, back) == contents(full_url)


LONG = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("step", [1.5, pytest.param(1.02, marks=LONG)])
def test_killed_anywhere_it_goes_on(full_url: str, fresh_url: Callable[[], str], step: float) -> None:
    """`step`: by how much each death comes later than the one before."""
    expected = contents(full_url)
    undisturbed = fresh_url()
    copied(full_url, undisturbed)
    with dying("tests.storage.test_copying:small_pages") as process:
        deaths, killed_at = 0, 25
        while process.run(killed_at, full_url, target_url := fresh_url()):
            if killed_at > 100:  # it has begun to make the target
                with pytest.raises(SchemaError, match="not finished"):
                    open_store(target_url, Clock())
            assert not process.run(0, full_url, target_url)
            assert (contents(target_url), schema(target_url)) == (expected, schema(undisturbed)), killed_at
            killed_at, deaths = int(killed_at * step) + 1, deaths + 1
    assert deaths > 5


def test_killed_again_and_again_it_comes_to_its_end(full_url: str, fresh_url: Callable[[], str]) -> None:
    target_url = fresh_url()
    with dying("tests.storage.test_copying:small_pages") as process:
        deaths = 0
        while process.run(260 + 50 * deaths, full_url, target_url):
            deaths += 1
            assert deaths < 100, "it does not get on"
    assert deaths > 1
    assert contents(target_url) == contents(full_url)


def test_a_target_with_data_is_refused_and_left_alone(full_url: str, fresh_url: Callable[[], str]) -> None:
    target_url = fresh_url()
    with closing(open_store(target_url, Clock())) as other:
        other.users.create(NewUser("1", "h", "n"))
    before = contents(target_url)
    with pytest.raises(CopyRefused, match="has data already"):
        copied(full_url, target_url)
    assert contents(target_url) == before
    open_store(target_url, Clock()).close()


def test_a_migrated_and_unused_target_is_empty(full_url: str, fresh_url: Callable[[], str]) -> None:
    target_url = fresh_url()
    open_store(target_url, Clock()).close()
    copied(full_url, target_url)
    assert epochs(target_url) == epochs(full_url)


def test_the_beginning_of_another_copy_is_refused(full_url: str, fresh_url: Callable[[], str]) -> None:
    other_url, target_url = fresh_url(), fresh_url()
    open_store(other_url, Clock()).close()
    begin(full_url, target_url)
    with pytest.raises(CopyRefused, match="another database"):
        copied(other_url, target_url)
    assert copied(full_url, target_url) == contents(full_url)


def test_a_source_that_was_changed_in_between_is_noticed_and_copied_anew(
    full_url: str, fresh_url: Callable[[], str]
) -> None:
    target_url = fresh_url()
    begin(full_url, target_url)
    with closing(open_store(full_url, Clock())) as store:
        store.users.update(1, {"nickname": "somebody else"})
    with pytest.raises(CopyRefused, match=r"differ in .*user \(9 and 9 rows\)"):
        copied(full_url, target_url)
    with closing(open_database(target_url)) as target:
        assert is_unfinished(target)
    assert copied(full_url, target_url) == contents(full_url)


def begin(source_url: str, target_url: str) -> None:
    """A copy that is killed when it has copied the users and not everything."""
    (users,) = (table for table in tables.TABLES if table.name == "user")
    wanted = contents(source_url)["user"].rows
    with dying("tests.storage.test_copying:small_pages") as process:
        for killed_at in itertools.count(200, 50):
            assert process.run(killed_at, source_url, target_url), "it came to its end"
            with closing(open_database(target_url)) as target:
                if users in tables.existing(target):
                    with target.reading() as connection:
                        if users.count(connection) == wanted:
                            return


def test_what_was_cleared_is_empty(full_url: str, fresh_url: Callable[[], str]) -> None:
    with closing(open_database(full_url)) as database:
        clear(database)
    with pytest.raises(SchemaError, match="not finished"):
        open_store(full_url, Clock())
    source_url = fresh_url()
    open_store(source_url, Clock()).close()
    copied(source_url, full_url)
    open_store(full_url, Clock()).close()


def test_pages_follow_each_other_without_hole_or_repeat(full_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = contents(full_url)
    for size in (1, 2, 5):
        monkeypatch.setattr(tables, "PAGE", size)
        assert contents(full_url) == expected
