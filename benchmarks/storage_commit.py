"""How many messages a second `Store.commit` stores: one thread, batches of 800 drafts, 50 communities, 100 senders.

    python benchmarks/storage_commit.py [--batches 100] [--folder DIR]

Everything is real: SQLite in WAL with synchronous=FULL, an fsync for each batch, cids looked up and indexed. The
folder should lie on the disk that the figure is about (a RAM disk has no fsync).
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from imtornado.clock import Clock
from imtornado.drafts import Change, ConversationTx, MessageDraft, Stored
from imtornado.records import Kind, Role, conversation_key
from storage.backends import open_store
from storage.store import NewCommunity, NewUser, Store

BATCH = 800
SENDERS = 100
CONVERSATIONS = 50


def people(store: Store) -> list[int]:
    return [store.users.create(NewUser(str(10_000 + n), "-", f"user {n}")).user_id for n in range(SENDERS)]


def rooms(store: Store, user_ids: list[int]) -> list[int]:
    """Communities in which everybody may write."""
    found = []
    for n in range(CONVERSATIONS):
        room = store.communities.create(NewCommunity(user_ids[0], f"room {n}"), CONVERSATIONS).community_id

        def let_in(tx: ConversationTx) -> None:
            for user_id in user_ids[1:]:
                tx.enter(user_id, Role.MEMBER)

        store.commit([Change(conversation_key(Kind.COMMUNITY, 0, room), let_in)])
        found.append(room)
    return found


def batch(random_: random.Random, user_ids: list[int], room_ids: list[int], first_id: int) -> list[MessageDraft]:
    return [
        MessageDraft(
            random_.choice(user_ids),
            Kind.COMMUNITY,
            random_.choice(room_ids),
            f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}",  # ordered by time, as UUIDv7
            1,
            "The quick brown fox jumps over the lazy dog, again and again",
            message_id=first_id + n,
        )
        for n in range(BATCH)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        store = open_store(f"sqlite:///{folder}/im.db", Clock())
        user_ids = people(store)
        room_ids = rooms(store, user_ids)
        random_ = random.Random(1)
        times = []
        processor_s = 0.0
        for _ in range(arguments.batches):
            drafts = batch(random_, user_ids, room_ids, store.reserve_ids(BATCH))
            start, processor_start = time.perf_counter(), time.thread_time()
            outcomes = store.commit(drafts)
            times.append(time.perf_counter() - start)
            processor_s += time.thread_time() - processor_start
            if not all(isinstance(outcome, Stored) and not outcome.dup for outcome in outcomes):
                raise SystemExit("a message was refused: the figure means nothing")
        store.close()
    print(
        f"{BATCH * len(times) / sum(times):,.0f} messages/s; a batch of {BATCH}:"
        f" median {statistics.median(times) * 1e3:.1f} ms,"
        f" 99th of 100 {sorted(times)[int(len(times) * 0.99) - 1] * 1e3:.1f} ms,"
        f" processor {processor_s / len(times) * 1e3:.1f} ms"
    )


if __name__ == "__main__":
    main()
