"""Texts and keys as they were given: nothing is folded, cut, or taken for something else, on either backend."""

import pytest

from imtornado.drafts import Outcome, Stored
from imtornado.errors import CidConflict, Conflict
from imtornado.records import Kind
from storage.store import NewCommunity, NewUser, Store
from tests.storage.scene import Scene, change

# Each differs from every other one in what a careless comparison overlooks.
KEYS = (
    "abc",
    "ABC",
    "Abc",
    "abc ",
    "abc  ",
    "abc\t",
    "abc\0",
    "abc\0\0",
    "\0abc",
    "ábc",
    "a\u0301bc",
    "\uff41bc",  # fullwidth a
    "abc\u200b",
    "straße",
    "strasse",
    "😀",
    "😁",
    "😀 ",
    "👍",
    "👍🏽",
    "❤",
    "❤\ufe0f",
    "ﬀ",
    "ff",
    "i",
    "ı",
    "'",
    '"',
    "\\",
    "\\'",
    "%s",
    "%",
    "?",
    "_",
    "\x1a",
    "\n",
    "\r",
    "\u2028",
    "\U0010ffff",
)
NASTY = "".join(KEYS) + "%(x)s {0} ?, ? `x` /* -- # ; DROP TABLE message;"


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one after the other"])
def test_cids_that_look_alike_are_different(scene: Scene, together: bool) -> None:
    ada, bea = scene.friends()
    drafts = [scene.draft(ada, Kind.SINGLE, bea, f"text {cid!r}", cid=cid) for cid in KEYS]
    commit = scene.store.commit

    def outcomes() -> list[Outcome]:
        return commit(drafts) if together else [commit([draft])[0] for draft in drafts]

    first = outcomes()
    assert [outcome.seq for outcome in first if isinstance(outcome, Stored) and not outcome.dup] == [
        *range(1, len(KEYS) + 1)
    ]
    again = outcomes()
    assert [outcome.seq for outcome in again if isinstance(outcome, Stored) and outcome.dup] == [
        *range(1, len(KEYS) + 1)
    ]
    assert [message.cid for message in scene.seen(bea, Kind.SINGLE, ada)] == [*KEYS]


def test_a_cid_of_full_length_counts_to_its_last_character(scene: Scene) -> None:
    ada, bea = scene.friends()
    longest = [f"{'😀' * 63}{last}" for last in "ab "]
    for cid in longest:
        assert not scene.send(ada, Kind.SINGLE, bea, cid=cid).dup
    assert isinstance(scene.outcome(scene.draft(ada, Kind.SINGLE, bea, "other", cid=longest[0])), CidConflict)
    assert [message.cid for message in scene.seen(ada, Kind.SINGLE, bea)] == longest


def test_mobiles_that_look_alike_are_different_people(store: Store) -> None:
    people = {mobile: store.users.create(NewUser(mobile, "h", "n")).user_id for mobile in KEYS}
    assert len(set(people.values())) == len(KEYS)
    for mobile, user_id in people.items():
        credentials = store.users.by_mobile(mobile)
        assert credentials is not None
        assert (credentials.user.user_id, credentials.user.mobile) == (user_id, mobile)
        with pytest.raises(Conflict):
            store.users.create(NewUser(mobile, "h", "n"))


def test_community_names_that_look_alike_are_different(scene: Scene) -> None:
    ada = scene.user()
    # Names are trimmed and composed before they are compared: those that are the same then are left out.
    names = [name for name in KEYS if name == name.strip() and name != "a\u0301bc"]
    ids = {name: scene.community(ada, name=name) for name in names}
    for name, community_id in ids.items():
        found = scene.store.communities.by_name(name, ada)
        assert found is not None
        assert (found.community_id, found.name) == (community_id, name)
        with pytest.raises(Conflict):
            scene.store.communities.create(NewCommunity(ada, name), 1000)
    # Sorted by code points, so that a prefix is a range.
    found_names = [one.name for one in scene.store.communities.search("abc", ada, 100)]
    assert found_names == sorted(name for name in names if name.startswith("abc"))


def test_reactions_that_look_alike_are_different(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    scene.change(room, *(lambda tx, emoji=emoji: tx.messages.react(1, ada, emoji, True) for emoji in KEYS))
    (message,) = scene.store.conversations.history(ada, Kind.COMMUNITY, room, None, None, 10).reactions.values()
    assert sorted(reaction.emoji for reaction in message) == sorted(KEYS)
    scene.change(room, lambda tx: tx.messages.react(1, ada, "abc ", False))
    (message,) = scene.store.conversations.history(ada, Kind.COMMUNITY, room, None, None, 10).reactions.values()
    assert sorted(reaction.emoji for reaction in message) == sorted(set(KEYS) - {"abc "})


@pytest.mark.parametrize("value", [*KEYS, NASTY], ids=ascii)
def test_every_text_of_a_message_comes_back_as_it_was(scene: Scene, value: str) -> None:
    ada, bea = scene.friends()
    scene.send(ada, Kind.SINGLE, bea, value, pic=f"p{value}", url=f"u{value}", memo=value, file=value)
    (message,) = scene.seen(bea, Kind.SINGLE, ada)
    assert (message.content, message.pic, message.url) == (value, f"p{value}", f"u{value}")
    assert (message.memo, message.file) == (value, value)


def test_every_text_of_a_profile_comes_back_as_it_was(scene: Scene) -> None:
    user = scene.store.users.create(NewUser(NASTY[:20], NASTY[:90], NASTY[:60], f"a{NASTY}", "F", NASTY))
    again = scene.store.users.get(user.user_id)
    assert again == user
    assert (user.nickname, user.avatar, user.memo) == (NASTY[:60], f"a{NASTY}", NASTY)
    changed = scene.store.users.update(user.user_id, {"nickname": "n ", "memo": "\0"})
    assert (changed.nickname, changed.memo) == ("n ", "\0")


@pytest.mark.parametrize(
    "content",
    [
        "x" * 60_000,
        "😀" * 15_000,  # 60,000 bytes
        "\0" * 60_000,
        "'" * 60_000,  # twice as long in a statement
        "y" * 60_001,
        "y" * 65_535,
        "y" * 65_536,
        "é" * 500_000,  # the limit is the services': what they let through is kept whole
    ],
    ids=lambda content: f"{len(content)} of {content[0]!a}",
)
def test_long_contents_are_kept_whole(scene: Scene, content: str) -> None:
    ada, bea = scene.friends()
    assert scene.send(ada, Kind.SINGLE, bea, content).seq == 1
    assert scene.send(ada, Kind.SINGLE, bea, "after").seq == 2
    assert [message.content for message in scene.seen(bea, Kind.SINGLE, ada)] == [content, "after"]


def test_a_batch_larger_than_a_packet_is_one_transaction(scene: Scene) -> None:
    ada, bea = scene.friends()
    texts = [f"{number}" + "😀" * 14_999 for number in range(60)]  # 3.6 MB
    outcomes = scene.store.commit([scene.draft(ada, Kind.SINGLE, bea, text) for text in texts])
    assert [outcome.seq for outcome in outcomes if isinstance(outcome, Stored)] == [*range(1, 61)]
    assert [message.content for message in scene.seen(bea, Kind.SINGLE, ada)] == texts


def test_texts_at_the_limits_of_their_columns(scene: Scene) -> None:
    """In characters of four bytes each."""
    ada = scene.user()
    scene.store.users.update(ada, {"nickname": "😀" * 80, "avatar": "😀" * 1024, "memo": "😀" * 1000})
    user = scene.store.users.get(ada)
    assert user is not None
    assert (user.nickname, user.avatar, user.memo) == ("😀" * 80, "😀" * 1024, "😀" * 1000)
    new = NewCommunity(ada, "😀" * 240, "😀" * 1024, 0, "😀" * 1000)
    room = scene.store.communities.create(new, 5).community_id
    scene.change(room, lambda tx: tx.set_community(announcement="😀" * 4000))
    found = scene.store.communities.by_name("😀" * 240, ada)
    assert found is not None
    assert (found.icon, found.memo, found.announcement) == ("😀" * 1024, "😀" * 1000, "😀" * 4000)
    with pytest.raises(Conflict):
        scene.store.communities.create(new, 5)


def test_numbers_at_their_limits(scene: Scene) -> None:
    ada, bea = scene.friends()
    for amount in (2**53 - 1, 0, -(2**53) + 1):
        scene.send(ada, Kind.SINGLE, bea, amount=amount)
    assert [message.amount for message in scene.seen(ada, Kind.SINGLE, bea)] == [2**53 - 1, 0, -(2**53) + 1]


def test_an_update_that_changes_nothing_has_met_its_row(scene: Scene) -> None:
    ada, bea = scene.friends()
    for _ in range(2):
        scene.store.users.set_disabled(ada, False)
        scene.store.users.set_admin(ada, True)
        scene.store.contacts.remark(ada, bea, "same")
    room = scene.community(ada)
    for _ in range(2):
        scene.change(room, lambda tx: tx.set_community(memo="same"))


def test_a_refused_change_leaves_nothing_half_done(scene: Scene) -> None:
    ada = scene.user()
    room, taken = scene.community(ada), scene.community(ada, name="taken")
    before = scene.shown(ada, Kind.COMMUNITY, room)
    refused = scene.outcome(
        change(
            room,
            lambda tx: tx.say(ada, "never said", "{}"),
            lambda tx: tx.messages.react(1, ada, "x", True),
            lambda tx: tx.set_community(memo="never"),
            lambda tx: tx.set_community(name="taken"),
        )
    )
    assert isinstance(refused, Conflict)
    assert scene.shown(ada, Kind.COMMUNITY, room) == before
    page = scene.store.conversations.history(ada, Kind.COMMUNITY, room, None, None, 10)
    assert (len(page.messages), page.reactions) == (1, {})
    found = scene.store.communities.get(room, ada)
    assert found is not None
    assert (found.memo, found.community_id != taken) == ("", True)
