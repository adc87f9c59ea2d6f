"""How long a search takes among a million messages, how long they take to be indexed, and how large the index is.

    python benchmarks/search.py [--url sqlite:///bench/search.db] [--messages 1000000] [--queries 100]

The database must be empty, or one that this program filled before; by default one is made in a temporary folder. One
user is in a thousand conversations and may see every message, another is in a community and one single chat. Words
are made up and used as those of a language are, the n-th commonest one n times less (Zipf): Chinese ones of one to
four characters, and Latin ones. The queries are the commonest pairs of characters, two-character words of every rank,
several words, Latin beginnings, and pairs that nobody ever wrote.
"""

import argparse
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from imtornado.clock import Clock
from imtornado.errors import BadParameter
from imtornado.tokenizer import query
from storage.backends import open_database, open_store
from storage.population import Population
from storage.store import Store

CONVERSATIONS = 999
ROOM_SHARE = 0.3  # of the messages are in a community, the others in single chats, some of which are busy
YEAR_MS = 365 * 24 * 3600 * 1000
CHUNK = 50_000
STEP = 1_000
COMMONEST = 10
ENTRY_BYTES = 4
PAGE = 50
SYLLABLES = [consonant + vowel for consonant in (*"bdfghklmnprstw", "ch") for vowel in "aeiou"]


class Language:
    """Made-up words and what is said with them; always the same."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        characters = [chr(0x4E00 + n * 5) for n in range(3000)]
        weights = list(accumulate(1 / (n + 5) for n in range(len(characters))))
        lengths = self._random.choices((1, 2, 3, 4), (15, 65, 14, 6), k=20_000)
        self.chinese = ["".join(self._random.choices(characters, cum_weights=weights, k=length)) for length in lengths]
        self.latin = ["".join(self._random.choices(SYLLABLES, k=self._random.randint(1, 4))) for _ in range(10_000)]
        self._chinese_weights = list(accumulate(1 / (n + 3) for n in range(len(self.chinese))))
        self._latin_weights = list(accumulate(1 / (n + 3) for n in range(len(self.latin))))

    def text(self) -> str:
        """Four of five are Chinese, some with Latin words among them; a few are long."""
        count = self._random.choices((1, 2, 3, 5, 8, 13, 40), (5, 15, 20, 25, 20, 12, 3))[0]
        if self._random.random() < 0.2:
            return " ".join(self._random.choices(self.latin, cum_weights=self._latin_weights, k=count))
        words = self._random.choices(self.chinese, cum_weights=self._chinese_weights, k=count)
        if self._random.random() < 0.1:
            words.insert(len(words) // 2, self._random.choices(self.latin, cum_weights=self._latin_weights)[0])
        text = "".join(words)
        return f"{text[:12]}，{text[12:]}。" if len(text) > 14 else text


def fill(url: str, messages: int, language: Language) -> Counter[str]:
    """{pair of Chinese characters: how often}, counted in a sample."""
    database, clock = open_database(url), Clock()
    population = Population(database, clock)
    pairs: Counter[str] = Counter()
    fresh = population.is_empty()
    users = population.add_users(CONVERSATIONS + 1, "-") if fresh else range(1, CONVERSATIONS + 2)
    chance = random.Random(2)
    if fresh:
        conversations = list(population.add_friends([(users[0], user) for user in users[1:]]))
        population.add_communities([users])
        room = conversations[-1] + 1
        weights = list(accumulate(1 / (n + 10) for n in range(CONVERSATIONS)))
        places = chance.choices(conversations, cum_weights=weights, k=int(messages * (1 - ROOM_SHARE)))
        places += [room] * (messages - len(places))
        chance.shuffle(places)
        peers = dict(zip(conversations, users[1:], strict=True))
    else:
        places = [0] * messages
    seqs: Counter[int] = Counter()
    now_ms = clock.now_ms()
    for start in range(0, messages, CHUNK):
        rows = []
        for number, place in enumerate(places[start : start + CHUNK], start + 1):
            text = language.text()
            if number % 10 == 0:
                pairs.update(a + b for a, b in pairwise(text) if min(a, b) >= "\u4e00")
            if fresh:
                seqs[place] += 1
                sender = chance.choice((users[0], peers[place])) if place in peers else chance.choice(users)
                at_ms = now_ms - YEAR_MS + YEAR_MS * number // messages
                rows.append((place, seqs[place], sender, f"c{number}", text, at_ms))
        if fresh:
            population.add_messages(rows)
    if fresh:
        population.settle(seqs)
    database.close()
    return pairs


def index(store: Store) -> None:
    start, processor_s, messages, steps = time.perf_counter(), time.process_time(), 0, []
    while True:
        begun = time.perf_counter()
        step = store.search_index.step("bench", STEP, tails=True)
        steps.append(time.perf_counter() - begun)
        if step is None:
            sys.exit("another process indexes this database")
        messages += step.messages
        if not step.more:
            break
    took_s, processor_s = time.perf_counter() - start, time.process_time() - processor_s
    if messages:
        steps.sort()
        half, most = (1000 * steps[len(steps) * share // 100] for share in (50, 99))
        print(
            f"indexed {messages} messages in {took_s:.0f} s ({messages / took_s:.0f}/s), processor {processor_s:.0f} s"
        )
        print(f"a step of {STEP}: p50 {half:.0f} ms, p99 {most:.0f} ms")


def size(url: str) -> None:
    database = open_database(url)

    def ask(sql: str) -> list[tuple[Any, ...]]:
        # By peewee's connection: ours gives an answer no longer than a caller waits.
        rows: list[tuple[Any, ...]] = database.orm.execute_sql(sql).fetchall()  # type: ignore[no-untyped-call]
        return rows

    (pages, packed_bytes), ((messages,),) = (
        ask("SELECT count(*), sum(length(entries)) FROM search_page")[0],
        ask("SELECT count(*) FROM message"),
    )
    entries = int(packed_bytes) // ENTRY_BYTES
    print(f"{entries} entries, {entries / messages:.1f} a message, {entries / pages:.0f} a page")
    sizes = "SELECT name, sum(pgsize) FROM dbstat WHERE name IN ('message', 'search_page') GROUP BY name"
    if not url.startswith("sqlite"):
        sizes = (
            "SELECT table_name, data_length + index_length FROM information_schema.tables"
            " WHERE table_schema = database() AND table_name IN ('message', 'search_page')"
        )
    for name, size_bytes in ask(sizes):
        print(f"{name}: {size_bytes / 1e6:.0f} MB, {size_bytes / messages:.0f} bytes a message", flush=True)
    database.close()


def queries(language: Language, pairs: Counter[str], count: int) -> Iterator[tuple[str, str]]:
    """(kind, text)"""
    chance = random.Random(3)
    commonest = [pair for pair, _ in pairs.most_common(COMMONEST)]
    yield from (("commonest pair", pair) for pair in commonest)
    two = [word for word in language.chinese if len(word) == 2]
    makers = {
        "word of two": lambda: two[int(len(two) * chance.random() ** 3)],
        "two words": lambda: f"{chance.choice(two[:200])} {chance.choice(two[:2000])}",
        "common pair and word": lambda: f"{chance.choice(commonest)} {chance.choice(two[:500])}",
        "Latin beginning": lambda: chance.choice(language.latin[:3000])[: chance.randint(2, 6)],
        "never written": lambda: "".join(chance.choices("魑魅魍魉饕餮", k=2)),
    }
    for number in range(count - COMMONEST):
        kind = list(makers)[number % len(makers)]
        yield kind, makers[kind]()


def measure(store: Store, user_id: int, asked: list[tuple[str, str]]) -> None:
    times: dict[str, list[float]] = {}
    hits = partial = 0
    for kind, text in asked:
        try:
            wanted = query(text)
        except BadParameter:
            continue
        start = time.perf_counter()
        page = store.search.find(user_id, wanted, None, None, PAGE)
        times.setdefault(kind, []).append((time.perf_counter() - start) * 1000)
        hits += len(page.rows)
        partial += page.next_position is not None and len(page.rows) < PAGE
    everything = [one for part in times.values() for one in part]
    for kind, part in [*times.items(), ("all", everything)]:
        part.sort()
        p95 = part[max(0, -(-len(part) * 95 // 100) - 1)]
        print(f"  {kind:20} {len(part):4}  p50 {statistics.median(part):6.1f}  p95 {p95:6.1f}  max {part[-1]:6.1f} ms")
    print(f"  {hits} rows; {partial} pages that end before they are full")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.url or f"sqlite:///{folder}/search.db"
        language = Language()
        pairs = fill(url, arguments.messages, language)
        store = open_store(url, Clock())
        index(store)
        size(url)
        asked = list(queries(language, pairs, arguments.queries))
        for name, user_id in (("sees everything", 1), ("sees a community and a chat", CONVERSATIONS // 2)):
            print(f"user who {name}: pages of {PAGE}, first run, then again")
            for _ in range(2):
                measure(store, user_id, asked)
        store.close()
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB of memory at most")


if __name__ == "__main__":
    main()
