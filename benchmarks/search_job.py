"""What the index of searches costs for a message while it follows: the job's processor time, and the database's.

    python benchmarks/search_job.py [--url URL --server-pid PID] [--work pairs|rooms] [--rate 5000] [--seconds 60]

pairs: `--conversations` chats of two, each message in any of them; rooms: one community. Texts are those of
`benchmarks/search.py`, the clock of the store is moved on by a fifth of a second after each fifth of a second's
messages, and then the job has what it wants: this takes as long as it takes, and measures the job alone. Without --url
the database is SQLite in a folder under --folder; a given database must be empty.

Prints microseconds of the processor for a message, here and in the database, how long the steps held the place of a
writer or their locks at most, and how late the last step was.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from commit import cpu_s
from search import Language

from imtornado.clock import Clock
from imtornado.drafts import MessageDraft, Stored
from imtornado.records import Kind
from imtornado.services.indexing import Indexing
from storage.backends import open_database, open_store
from storage.population import Population

TURN_MS = 200
TEXTS = 20_000
BATCH = 500


def places(url: str, work: str, conversations: int) -> list[tuple[int, int, int]]:
    """(sender_id, kind, dstid)"""
    database = open_database(url)
    population = Population(database, Clock())
    try:
        ids = population.add_users(conversations + 1 if work == "pairs" else 100, "-")
        if work == "pairs":
            population.add_friends([(ids[0], user_id) for user_id in ids[1:]])
            return [(user_id, Kind.SINGLE, ids[0]) for user_id in ids[1:]]
        (room,) = population.add_communities([ids])
        return [(user_id, Kind.COMMUNITY, room) for user_id in ids]
    finally:
        database.close()


def measure(url: str, options: argparse.Namespace) -> None:
    everywhere = places(url, options.work, options.conversations)
    clock, chance, language = Clock(), random.Random(4), Language()
    texts = [language.text() for _ in range(TEXTS)]
    store = open_store(url, clock)
    indexing = Indexing(store)
    here_s = there_s = took_s = longest_s = 0.0
    sent = steps = 0
    for _ in range(int(options.seconds * 1000 / TURN_MS)):
        count = options.rate * TURN_MS // 1000
        first = store.reserve_ids(count)
        drafts = [
            MessageDraft(*chance.choice(everywhere), f"c{sent + n}", 1, texts[(sent + n) % TEXTS], message_id=first + n)
            for n in range(count)
        ]
        for start in range(0, count, BATCH):
            assert all(isinstance(one, Stored) for one in store.commit(drafts[start : start + BATCH]))
        sent += count
        clock.at_least(clock.now_ms() + TURN_MS)
        before = time.process_time(), cpu_s(options.server_pid) if options.server_pid else 0.0, time.perf_counter()
        more: bool | None = True
        while more:
            began = time.perf_counter()
            more = indexing.step()
            longest_s = max(longest_s, time.perf_counter() - began)
            steps += 1
        here_s += time.process_time() - before[0]
        there_s += (cpu_s(options.server_pid) if options.server_pid else 0.0) - before[1]
        took_s += time.perf_counter() - before[2]
    done = indexing.messages
    store.close()
    print(
        f"{options.work}, {sent} messages, {done} indexed: {here_s / sent * 1e6:.1f} us a message here"
        f"{f', {there_s / sent * 1e6:.1f} us in the database' if options.server_pid else ''};"
        f" {took_s / sent * 1e6:.1f} us in all, {steps} steps, the longest {longest_s * 1000:.0f} ms;"
        f" late by {indexing.lag_ms} ms at the end"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="")
    parser.add_argument("--server-pid", type=int, default=0)
    parser.add_argument("--work", choices=("pairs", "rooms"), default="pairs")
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(options.url or f"sqlite:///{folder}/im.db", options)


if __name__ == "__main__":
    main()
