"""`imtornado bench`: a population to measure with, made directly in an empty database.

The path files name a socket a line: PATH SELF PEER. PATH opens it with its session's token; SELF is its user; PEER is
the user, or the community, that it writes to. Whoever reads the files can log in: only their owner may read them.
"""

import argparse
import hashlib
import random
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imtornado.clock import Clock
from imtornado.commands import load
from imtornado.commands.command import Refusal, add_command
from imtornado.config import Config
from imtornado.passwords import Passwords
from storage.backends import open_database
from storage.population import Population

SOCKETS, PAIRS, ROOM, ROOMS, ROOM_MEMBERS = 15_000, 50, 1000, 100, 100
GROWN_PAIRS, GROWN_MESSAGES, GROWN_FRIENDS, GROWN_COMMUNITIES, GROWN_MEMBERS = 5000, 5_000_000, 100, 10, 100
ROUNDS = 50  # in which a grown database grows: everybody has written before anybody writes again
YEAR_MS = 365 * 24 * 3600 * 1000
WORDS = (
    "hello",
    "yes",
    "no",
    "tomorrow",
    "at noon",
    "the quick brown fox",
    "have you seen it",
    "I'm on my way",
    "好的",
)

Line = tuple[int, int]  # (SELF, PEER)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = commands.add_parser("bench", help="measure: prepare, run")
    kinds = bench.add_subparsers(title="commands", metavar="COMMAND", required=True)
    prepare = add_command(
        kinds, "prepare", _prepare, "fill an empty database with users who have sessions, friends and communities"
    )
    add = prepare.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the path files, one socket a line")
    kind = prepare.add_mutually_exclusive_group()
    kind.add_argument("--fresh", action="store_true", help="no messages yet (this is what happens without --grown)")
    kind.add_argument("--grown", action="store_true", help="years of messages, friends and communities as well")
    add("--sockets", type=_count, default=SOCKETS, metavar="N", help=f"users with a session ({SOCKETS})")
    add("--pairs", type=_count, metavar="N", help=f"friends who write to each other ({PAIRS}; grown {GROWN_PAIRS})")
    add("--room", type=_count, default=ROOM, metavar="N", help=f"members of the one large community ({ROOM})")
    add("--rooms", type=_count, default=ROOMS, metavar="N", help=f"communities of equal size ({ROOMS})")
    add("--room-members", type=_count, default=ROOM_MEMBERS, metavar="N", help=f"members of each ({ROOM_MEMBERS})")
    add("--messages", type=_count, default=GROWN_MESSAGES, metavar="N", help=f"grown: messages ({GROWN_MESSAGES})")
    add("--friends", type=_count, default=GROWN_FRIENDS, metavar="N", help=f"grown: friends of each ({GROWN_FRIENDS})")
    add(
        "--communities",
        type=_count,
        default=GROWN_COMMUNITIES,
        metavar="N",
        help=f"grown: communities of each ({GROWN_COMMUNITIES})",
    )
    load.add_command_to(kinds)


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 100_000_000:
        return int(text)
    raise argparse.ArgumentTypeError("write a whole number from 1 to 100000000")


def _prepare(config: Config, options: argparse.Namespace) -> None:
    clock = Clock()
    database = open_database(config.storage.url, unsafe_durability=config.storage.unsafe_durability)
    try:
        population = Population(database, clock)
        if not population.is_empty():
            raise Refusal("this database has accounts already; bench prepare fills an empty one: --set storage.url=…")
        nobodys = Passwords(config.accounts.bcrypt_rounds).hash(secrets.token_urlsafe())
        start = time.monotonic()
        making = _Making(population, options, nobodys, config.accounts.session_days)
        files = making.grown(clock.now_ms()) if options.grown else making.fresh()
        options.out.mkdir(parents=True, exist_ok=True)
        for name, lines in files.items():
            _write(options.out / name, making.tokens, lines)
    finally:
        database.close()
    print(f"{len(making.tokens)} users in {time.monotonic() - start:.1f} s; {', '.join(files)} in {options.out}")


class _Making:
    """One population, made from the options."""

    def __init__(self, population: Population, options: argparse.Namespace, password_hash: str, days: int) -> None:
        self._population = population
        self._options = options
        self._password_hash = password_hash
        self._days = days
        self.tokens: dict[int, str] = {}  # {user_id: token}

    def _people(self, count: int) -> range:
        ids = self._population.add_users(count, self._password_hash)
        self.tokens = {user_id: secrets.token_urlsafe(32) for user_id in ids}
        hashes = {user_id: hashlib.sha256(token.encode()).digest() for user_id, token in self.tokens.items()}
        self._population.add_sessions(hashes, self._days)
        return ids

    def fresh(self) -> dict[str, list[Line]]:
        """{name of a path file: its lines}. The same users stand in several files: use one at a time."""
        options = self._options
        pairs = options.pairs or PAIRS
        ids = self._people(max(options.sockets, 2 * pairs, options.room, options.rooms * options.room_members))
        friends = [(ids[2 * n], ids[2 * n + 1]) for n in range(pairs)]
        self._population.add_friends(friends)
        rooms = [ids[n : options.rooms * options.room_members : options.rooms] for n in range(options.rooms)]
        room_ids = self._population.add_communities([ids[: options.room], *rooms])
        members = [(ids[n], room_ids[1 + n % options.rooms]) for n in range(options.rooms * options.room_members)]
        everybody = [(user_id, user_id) for user_id in ids[: options.sockets]]
        return {
            f"pairs{2 * pairs}.txt": list(_both(friends)),
            f"room{options.room}.txt": [(user_id, room_ids[0]) for user_id in ids[: options.room]],
            f"rooms{options.rooms}x{options.room_members}.txt": members,  # the first lines stand for a room each
            f"idle{_short(options.sockets)}.txt": everybody,
        }

    def grown(self, now_ms: int) -> dict[str, list[Line]]:
        """As `fresh`, for a database that has been in use for a year."""
        options = self._options
        pairs = options.pairs or GROWN_PAIRS
        ids = self._people(2 * pairs)
        friends = list(dict.fromkeys(_circle(ids, options.friends)))
        conversations = dict(zip(friends, self._population.add_friends(friends), strict=True))
        self._population.add_communities(list(_groups(ids, options.communities)))
        talking = [(ids[2 * n], ids[2 * n + 1]) for n in range(pairs)]
        self._talk({conversations[pair]: pair for pair in talking}, now_ms)
        return {f"grown{pairs}.txt": list(_both(talking))}

    def _talk(self, talks: dict[int, tuple[int, int]], now_ms: int) -> None:
        """A year of texts; each round is stored in the order of the conversations, as time would spread them."""
        random_ = random.Random(1)  # noqa: S311 (nothing secret: the same texts each time)
        texts = [" ".join(random_.choices(WORDS, k=random_.randint(1, 10))) for _ in range(997)]
        wanted, rounds = self._options.messages, min(ROUNDS, -(-self._options.messages // len(talks)))
        seqs = dict.fromkeys(talks, 0)
        written = 0
        for number in range(1, rounds + 1):
            at_ms = now_ms - YEAR_MS + YEAR_MS * number // (rounds + 1)
            rows = []
            upto = wanted * number // rounds
            for place, (conversation_id, pair) in enumerate(talks.items()):
                for _ in range((upto - written) // (len(talks) - place)):
                    written += 1
                    seqs[conversation_id] = seq = seqs[conversation_id] + 1
                    cid = _uuid7(at_ms + seq % 1000, random_)
                    rows.append((conversation_id, seq, pair[seq % 2], cid, texts[written % len(texts)], at_ms))
            self._population.add_messages(rows)
        self._population.settle(seqs)


def _both(pairs: Iterable[tuple[int, int]]) -> Iterator[Line]:
    for one, other in pairs:
        yield one, other
        yield other, one


def _circle(ids: range, friends: int) -> Iterator[tuple[int, int]]:
    """Everybody with those next to him on a circle, the nearest first; at most `friends` each."""
    for place, user_id in enumerate(ids):
        for step in range(1, min(-(-friends // 2), len(ids) - 1) + 1):
            other = ids[(place + step) % len(ids)]
            yield (user_id, other) if user_id < other else (other, user_id)


def _groups(ids: range, each: int) -> Iterator[Sequence[int]]:
    """Communities such that everybody is in `each` of them."""
    for step in range(each):
        turned = _turned(ids, step * 37 % len(ids))
        for start in range(0, len(ids), GROWN_MEMBERS):
            yield turned[start : start + GROWN_MEMBERS]


def _turned(ids: range, at: int) -> list[int]:
    return [*ids[at:], *ids[:at]]


def _uuid7(at_ms: int, random_: random.Random) -> str:
    """RFC 9562 section 5.7."""
    noise = f"{random_.getrandbits(72):018x}"
    time_ = f"{at_ms:012x}"
    return f"{time_[:8]}-{time_[8:]}-7{noise[:3]}-{'89ab'[int(noise[3], 16) & 3]}{noise[4:7]}-{noise[6:]}"


def _short(count: int) -> str:
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


def _write(path: Path, tokens: dict[int, str], lines: Iterable[Line]) -> None:
    text = "".join(f"/chat?id={user}&token={tokens[user]} {user} {peer}\n" for user, peer in lines)
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="ascii")
