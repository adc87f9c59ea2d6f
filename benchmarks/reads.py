"""How long reads take: a page of a conversation with a million messages, and the list of a user with 1,000 chats.

    python benchmarks/reads.py [--mysql] [--messages 1000000] [--conversations 1000] [--rounds 200] [--folder DIR]

Fills a fresh database (SQLite, or with --mysql a MariaDB of its own), starts a server on it and asks over HTTP, one
call after the other; beside each figure the part of the storage alone, from this process. Promised: a page of 50 at any
depth within 5 ms, the list of 1,000 chats within 20 ms. Exits 1 where a median does not hold that.
"""

import argparse
import http.client
import json
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from imtornado.clock import Clock
from imtornado.records import Kind
from imtornado.services.accounts import token_hash
from storage.backends import open_database, open_store
from storage.database import Database
from storage.population import Population
from storage.store import Store
from storage.transactions import Transactions
from tests.fixtures.mariadb import MariaDB
from tests.fixtures.server import Server

PAGE, LIST_PAGE = 50, 200
PAGE_MS, LIST_MS = 5.0, 20.0
CHUNK = 100_000
SHORT = 20  # messages of each of the other conversations
TEXT = "The quick brown fox jumps over the lazy dog, again and again. 敏捷的棕色狐狸"


class Filled(NamedTuple):
    """Who reads, with what token, and whom the long conversation is with."""

    user_id: int
    token: str
    friend_id: int


def fill(url: str, messages: int, conversations: int) -> Filled:
    """A user with so many conversations, one of which is very long, with reactions, deletions and mentions in it."""
    clock = Clock()
    database = open_database(url)
    population = Population(database, clock)
    ids = list(population.add_users(conversations, "-"))  # the notebook is one of the conversations
    me, friend = ids[0], ids[1]
    token = secrets.token_urlsafe(32)
    population.add_sessions({me: token_hash(token)}, 30)
    singles = population.add_friends([(me, other) for other in ids[1:]])
    now_ms = clock.now_ms()
    for start in range(1, messages + 1, CHUNK):
        seqs = range(start, min(start + CHUNK, messages + 1))
        population.add_messages(
            [
                (singles[0], seq, (me, friend)[seq % 2], f"{now_ms + seq:012x}-long", TEXT, now_ms - messages + seq)
                for seq in seqs
            ]
        )
    population.add_messages(
        [
            (number, seq, other, f"{number}-{seq}", TEXT, now_ms - SHORT + seq)
            for number, other in zip(singles[1:], ids[2:], strict=True)
            for seq in range(1, SHORT + 1)
        ]
    )
    population.settle({number: messages if number == singles[0] else SHORT for number in singles})
    strew(database, clock, singles[0], me, friend, messages)
    database.close()
    return Filled(me, token, friend)


def strew(database: Database, clock: Clock, conversation_id: int, me: int, friend: int, messages: int) -> None:
    """Every tenth message has a reaction, every hundredth is deleted for the reader; half of all chats are unread."""
    with Transactions(database, clock).write() as tx:
        tx.executemany(
            "INSERT INTO reaction (conversation_id, seq, user_id, emoji, created_at_ms) VALUES (?, ?, ?, '👍', 1)",
            ((conversation_id, seq, friend) for seq in range(10, messages, 10)),
        )
        tx.executemany(
            "INSERT INTO hidden (user_id, conversation_id, seq) VALUES (?, ?, ?)",
            ((me, conversation_id, seq) for seq in range(100, messages, 100)),
        )
        tx.executemany(
            "INSERT INTO mention (user_id, conversation_id, seq) VALUES (?, ?, ?)",
            ((me, conversation_id, seq) for seq in range(1, messages, 1000)),
        )
        tx.execute("UPDATE member SET read_seq = read_seq - 10 WHERE user_id = ? AND conversation_id % 2 = 0", (me,))


class Caller:
    """One user's calls over one kept connection, as a browser's."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}

    def rows(self, path: str, fields: dict[str, object]) -> tuple[list[dict[str, object]], object]:
        """(rows, next)."""
        self._connection.request("POST", path, json.dumps(fields), self._headers)
        envelope = json.loads(self._connection.getresponse().read())
        if envelope["code"]:
            raise SystemExit(f"{path} was refused: {envelope}")
        return envelope["rows"], envelope["next"]


def times_ms(rounds: int, call: Callable[[], object]) -> list[float]:
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        found.append((time.perf_counter() - began) * 1000)
    return found


def told(label: str, over_http: list[float], of_storage: list[float], promised_ms: float) -> bool:
    """Prints a line; whether the median keeps the promise."""
    parts = [f"{label:34}"]
    for times in (over_http, of_storage):
        cuts = statistics.quantiles(times, n=100)
        parts.append(f"{statistics.median(times):7.2f} {cuts[94]:7.2f} {max(times):7.2f}")
    print(" | ".join(parts), flush=True)
    return statistics.median(over_http) <= promised_ms


def whole_list(caller: Caller) -> int:
    """All conversations, as a client reads them."""
    count, cursor = 0, None
    while True:
        rows, cursor = caller.rows(
            "/message/conversations", {"limit": LIST_PAGE} | ({"after": cursor} if cursor else {})
        )
        count += len(rows)
        if cursor is None:
            return count


def whole_list_of(store: Store, user_id: int) -> int:
    count, place = 0, (0, 0)
    while rows := store.conversations.list(user_id, *place, LIST_PAGE):
        count += len(rows)
        place = (rows[-1].place_ms, rows[-1].conversation_id)
    return count


def measure(url: str, port: int, filled: Filled, messages: int, rounds: int) -> bool:
    caller, store = Caller(port, filled.token), open_store(url, Clock())
    kind, friend, me = int(Kind.SINGLE), filled.friend_id, filled.user_id
    depths: list[tuple[str, Callable[[], int]]] = [
        ("newest", lambda: messages + 1),
        ("a tenth back", lambda: messages * 9 // 10),
        ("in the middle", lambda: messages // 2),
        ("oldest", lambda: PAGE + 1),
        ("anywhere", lambda: random.randint(PAGE + 1, messages)),
    ]
    print(f"{'ms: median, 95th of 100, longest':34} | {'over HTTP':23} | storage alone")
    kept = True
    for name, seq in depths:

        def page() -> None:
            rows, _ = caller.rows("/message/history", {"kind": kind, "dstid": friend, "before": seq(), "limit": PAGE})  # noqa: B023
            if len(rows) != PAGE:
                raise SystemExit("a page is not full: the figure means nothing")

        def stored() -> None:
            store.conversations.history(me, kind, friend, seq(), None, PAGE)  # noqa: B023

        kept &= told(f"page of {PAGE}, {name}", times_ms(rounds, page), times_ms(rounds, stored), PAGE_MS)
    for limit in (PAGE, LIST_PAGE):
        over_http = times_ms(rounds, lambda: caller.rows("/message/conversations", {"limit": limit}))  # noqa: B023
        of_storage = times_ms(rounds, lambda: store.conversations.list(me, 0, 0, limit))  # noqa: B023
        kept &= told(f"list of chats, first {limit}", over_http, of_storage, LIST_MS)
    print(f"all {whole_list(caller)} chats, in pages of {LIST_PAGE}, for comparison:")
    told(
        "list of chats, all",
        times_ms(rounds // 10, lambda: whole_list(caller)),
        times_ms(rounds // 10, lambda: whole_list_of(store, me)),
        0,
    )
    store.close()
    return kept


@contextmanager
def database(folder: Path, mysql: bool) -> Iterator[str]:
    """The URL of a fresh one."""
    if not mysql:
        yield f"sqlite:///{folder}/im.db"
        return
    (folder / "mariadb").mkdir()
    server = MariaDB(folder / "mariadb", "--innodb-buffer-pool-size=512M")
    try:
        yield server.url()
    finally:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mysql", action="store_true")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name, database(Path(name), options.mysql) as url:
        began = time.monotonic()
        filled = fill(url, options.messages, options.conversations)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
        server = Server(Path(name), (f"storage.url={url}", "security.throttle=no"))
        try:
            kept = measure(url, server.port, filled, options.messages, options.rounds)
        finally:
            server.close()
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
