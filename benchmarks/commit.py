"""What a message costs the writer: batches of drafts straight into `Store.commit`, on SQLite or MySQL.

    python benchmarks/commit.py [--url URL] [--work pairs|rooms] [--batch 800 …] [--threads 1] [--seconds 5]

pairs: 50 pairs of friends, both write; rooms: 100 senders in 50 communities. Everything is real: cids are indexed, each
batch is one durable commit. Without --url the database is SQLite in a folder under --folder, which should lie on the
disk that the figure is about (a RAM disk has no fsync); a given database must be empty, or one that this made.
With --threads each thread commits for conversations of its own, as the writers of a server do.

Prints, for each size of batch, messages/s, the time of a batch, and the CPU that a message took in this process and,
with --server-pid, in the database's.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from imtornado.clock import Clock
from imtornado.drafts import MessageDraft, Stored
from imtornado.records import Kind
from storage.backends import open_database, open_store
from storage.population import Population
from storage.store import Store

SENDERS = 100
ROOMS = 50
TEXT = "ts:1764031234567890 hello there, this is a chat line of usual size"

Place = tuple[int, int, int]  # (sender_id, kind, dstid)


def places(url: str, work: str) -> list[Place]:
    """Who writes where: made in an empty database, or found again."""
    database = open_database(url)
    try:
        population = Population(database, Clock())
        if population.is_empty():
            ids = population.add_users(SENDERS, "-")
            population.add_friends([(ids[n], ids[n + 1]) for n in range(0, SENDERS, 2)])
            population.add_communities([ids] * ROOMS)
        else:
            ids = range(1, SENDERS + 1)
    finally:
        database.close()
    if work == "rooms":
        return [(user_id, Kind.COMMUNITY, room_id) for room_id in range(1, ROOMS + 1) for user_id in ids]
    return [(ids[n], Kind.SINGLE, ids[n ^ 1]) for n in range(SENDERS)]


def lanes(everywhere: Sequence[Place], threads: int) -> list[list[Place]]:
    """A conversation's places are all in one lane."""
    found: list[list[Place]] = [[] for _ in range(threads)]
    for place in everywhere:
        sender_id, kind, dstid = place
        found[(dstid if kind == Kind.COMMUNITY else min(sender_id, dstid) // 2) % threads].append(place)
    return found


def drafts(random_: random.Random, lane: Sequence[Place], count: int, first_id: int) -> list[MessageDraft]:
    cid = f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:16]}"  # ordered by time, as UUIDv7
    return [
        MessageDraft(*random_.choice(lane), f"{cid}{n:04x}", 1, TEXT, message_id=first_id + n) for n in range(count)
    ]


def measure(store: Store, everywhere: Sequence[Place], size: int, threads: int, seconds: float) -> list[float]:
    """Seconds of each batch of `size` drafts."""
    times: list[float] = []
    failures: list[object] = []
    until = time.perf_counter() + seconds

    def work(lane: list[Place]) -> None:
        random_ = random.Random(1)
        while time.perf_counter() < until and not failures:
            batch = drafts(random_, lane, size, store.reserve_ids(size))
            start = time.perf_counter()
            outcomes = store.commit(batch)
            times.append(time.perf_counter() - start)
            failures.extend(o for o in outcomes if not isinstance(o, Stored) or o.dup)

    running = [threading.Thread(target=work, args=(lane,)) for lane in lanes(everywhere, threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failures:
        raise SystemExit(f"a message was refused, the figure means nothing: {failures[0]!r}")
    return times


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(url: str, options: argparse.Namespace) -> None:
    everywhere = places(url, options.work)
    store = open_store(url, Clock())
    probes: list[Callable[[], float]] = [time.process_time]
    if options.server_pid:
        probes.append(lambda: cpu_s(options.server_pid))
    try:
        for size in options.batch:
            measure(store, everywhere, size, options.threads, 0.5)  # caches
            start, before = time.perf_counter(), [probe() for probe in probes]
            times = measure(store, everywhere, size, options.threads, options.seconds)
            count = size * len(times)
            cost = [(probe() - was) / count * 1e6 for probe, was in zip(probes, before, strict=True)]
            print(
                f"{options.work}, {options.threads} threads, batches of {size}:"
                f" {count / (time.perf_counter() - start):,.0f} messages/s;"
                f" a batch: median {statistics.median(times) * 1e3:.1f} ms,"
                f" 99th of 100 {sorted(times)[int(len(times) * 0.99) - 1] * 1e3:.1f} ms;"
                f" CPU of a message: {cost[0]:.1f} us here"
                + "".join(f", {us:.1f} us in the database" for us in cost[1:])
            )
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of the database; without it SQLite in a temporary folder")
    parser.add_argument("--server-pid", type=int, help="process of the database")
    parser.add_argument("--work", choices=("pairs", "rooms"), default="pairs")
    parser.add_argument("--batch", type=int, nargs="+", default=[50, 200, 500])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    options = parser.parse_args()
    if options.url:
        report(options.url, options)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        report(f"sqlite:///{folder}/im.db", options)


if __name__ == "__main__":
    main()
