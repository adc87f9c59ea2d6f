"""Reads go by indexes, however large the tables are: no method walks a table or sorts more than one user's own rows."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from imtornado.clock import Clock
from imtornado.records import Kind
from imtornado.services.accounts import token_hash
from imtornado.tokenizer import query
from storage.backends import open_database, open_store
from storage.population import Population
from storage.schema import MODELS
from storage.sql_store import SqlStore
from storage.transactions import Tx
from tests.fixtures.mariadb import Databases
from tests.storage.conftest import BACKENDS
from tests.storage.plans import analyze, plan_of

USERS = 400
FRIENDS = 200  # of the first user
COMMUNITIES = 40
MEMBERS = 100
FOREIGN = 2000  # communities in which he is not
LONG = 4000  # messages of the longest conversation
SHORT = 20  # of the others
TOKENS = [f"token {number}" for number in range(USERS)]


class Town(NamedTuple):
    """A user with many friends and communities; `friend_id` writes to him most."""

    store: SqlStore
    user_id: int
    friend_id: int
    community_id: int


@pytest.fixture(scope="module", params=BACKENDS)
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    databases: Databases | None = None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('town')}/im.db"
    else:
        databases = request.getfixturevalue("mysql_databases")
        url = databases.url()
    town = built(url)
    yield town
    town.store.close()
    if databases is not None:
        databases.drop(url)


def built(url: str) -> Town:
    clock = Clock()
    database = open_database(url)
    population = Population(database, clock)
    ids = list(population.add_users(USERS, "-"))
    me = ids[0]
    population.add_sessions({user_id: token_hash(token) for user_id, token in zip(ids, TOKENS, strict=True)}, 30)
    pairs = [(me, other) for other in ids[1 : FRIENDS + 1]] + list(zip(ids[1::2], ids[2::2], strict=False))
    singles = population.add_friends(pairs)
    groups = [[me, *ids[1 + n : MEMBERS + n]] for n in range(COMMUNITIES)]
    groups += [[ids[1 + n % (USERS - 2)], ids[2 + n % (USERS - 2)]] for n in range(FOREIGN)]
    communities = population.add_communities(groups)
    rooms = range(singles.stop, singles.stop + len(groups))
    now_ms = clock.now_ms()
    lengths = {number: LONG if number == singles[0] else SHORT for number in (*singles, *rooms)}
    population.add_messages(
        [
            (number, seq, ids[1] if number == singles[0] else me, f"{number}-{seq}", "text", now_ms - LONG + seq)
            for number, length in lengths.items()
            for seq in range(1, length + 1)
        ]
    )
    population.settle(lengths)
    database.close()
    store = open_store(url, clock)
    assert isinstance(store, SqlStore)
    with store._transactions.write() as tx:
        _strew(tx, singles[0], me, ids)
        tx.execute("UPDATE member SET read_seq = 10 WHERE user_id = ?", (me,))
    while (step := store.search_index.step("plans", LONG, tails=True)) and step.more:
        pass
    analyze(store, [model._meta.table_name for model in MODELS])
    return Town(store, me, ids[1], communities[0])


def _strew(tx: Tx, conversation_id: int, me: int, ids: list[int]) -> None:
    """Reactions, changes, deletions, mentions, events and uses of files, many of each."""
    many = range(1, LONG + 1)
    tx.executemany(
        "INSERT INTO reaction (conversation_id, seq, user_id, emoji, created_at_ms) VALUES (?, ?, ?, '👍', 1)",
        [(conversation_id, seq, me) for seq in many],
    )
    tx.executemany(
        "INSERT INTO `change` (conversation_id, ver, kind, seq, actor_id, data, created_at_ms)"
        " VALUES (?, ?, 'react', ?, ?, '', 1)",
        [(conversation_id, seq, seq, me) for seq in many],
    )
    tx.execute("UPDATE conversation SET ver = ? WHERE id = ?", (LONG, conversation_id))
    tx.executemany(
        "INSERT INTO hidden (user_id, conversation_id, seq) VALUES (?, ?, ?)",
        [(user_id, conversation_id, seq) for seq in many[::10] for user_id in ids[:2]],
    )
    tx.executemany(
        "INSERT INTO mention (user_id, conversation_id, seq) VALUES (?, ?, ?)",
        [(me, conversation_id, seq) for seq in many[::5]],
    )
    tx.executemany(
        "INSERT INTO event (id, user_id, community_id, kind, data, created_at_ms) VALUES (?, ?, 0, 'x', '{}', ?)",
        [(number, ids[number % USERS], number) for number in many],
    )
    tx.executemany(
        "INSERT INTO file_use (name, conversation_id, seq, user_id, community_id) VALUES (?, ?, ?, 0, 0)",
        [(f"file-{seq % 50}", conversation_id, seq) for seq in many],
    )


# One user's own conversations, friends and devices are sorted, and the few reactions of a page.
SORTED = {"list", "later list", "changed", "history", "deep history", "friends", "sessions", "communities", "opening"}
SORTED |= {"shared"}
READS: dict[str, Callable[[Town], object]] = {
    "list": lambda t: t.store.conversations.list(t.user_id, 0, 0, 50),
    "later list": lambda t: t.store.conversations.list(t.user_id, t.store.clock.now_ms(), 7, 50),
    "changed": lambda t: t.store.conversations.changed(t.user_id, 1, (0, 0), 50),
    "history": lambda t: t.store.conversations.history(t.user_id, Kind.SINGLE, t.friend_id, None, None, 50),
    "deep history": lambda t: t.store.conversations.history(t.user_id, Kind.SINGLE, t.friend_id, 500, None, 50),
    "changes": lambda t: t.store.conversations.changes(t.user_id, Kind.SINGLE, t.friend_id, 2000, 50),
    "right to write": lambda t: t.store.conversations.check_right_to_write(t.user_id, Kind.SINGLE, t.friend_id),
    "readers": lambda t: t.store.conversations.readers(t.user_id, t.community_id, 5),
    "members": lambda t: t.store.communities.members(t.community_id, t.friend_id, 50),
    "role": lambda t: t.store.communities.role(t.community_id, t.user_id),
    "communities": lambda t: t.store.communities.of_user(t.user_id),
    "session": lambda t: t.store.sessions.find(token_hash(TOKENS[0])),
    "opening": lambda t: t.store.sessions.opening(token_hash(TOKENS[0])),
    "sessions": lambda t: t.store.sessions.list(t.user_id),
    "friends": lambda t: t.store.contacts.friends(t.user_id),
    "shared": lambda t: t.store.users.shared(t.user_id, range(1, 60)),
    "relation": lambda t: t.store.users.relation(t.user_id, t.friend_id),
    "events": lambda t: t.store.events.after(LONG - 20, 100),
    "older": lambda t: t.store.conversations.older(t.store.clock.now_ms(), 5, 20),
    "user": lambda t: t.store.users.get(t.user_id),
    "search": lambda t: t.store.search.find(t.user_id, query("何か hello"), None, None, 50),
    "index": lambda t: t.store.search_index.step("plans", 100, tails=True),
}


@pytest.mark.parametrize("name", READS)
def test_it_goes_by_indexes(town: Town, name: str) -> None:
    for step in plan_of(town.store, lambda: READS[name](town)):
        assert not step.scans, step
        assert not step.sorts or name in SORTED, step


@pytest.mark.parametrize(
    ("sql", "scans", "sorts"),
    [
        ("SELECT count(*) FROM message WHERE content = 'text'", True, False),
        ("SELECT seq FROM message WHERE conversation_id = 1 ORDER BY content", False, True),
        ("SELECT seq FROM message WHERE conversation_id = 1 AND seq > 7 ORDER BY seq LIMIT 5", False, False),
    ],
)
def test_a_walk_through_a_table_and_a_sort_are_seen(town: Town, sql: str, scans: bool, sorts: bool) -> None:
    def ask() -> None:
        with town.store._transactions.read() as tx:
            tx.all(sql)

    steps = plan_of(town.store, ask)
    assert any(step.scans for step in steps) == scans
    assert any(step.sorts for step in steps) == sorts
