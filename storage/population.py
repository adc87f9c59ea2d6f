"""Many accounts, relations and messages at once, for measurements: rows as the services would leave them.

A service spends a transaction, an fsync and some checks on each; ten thousand users and a million places in
conversations come from here in seconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from imtornado.clock import Clock
from imtornado.records import Kind, Role, conversation_key
from storage.database import Database
from storage.locked import INSERT_MESSAGE
from storage.migrate import migrate
from storage.rows import notebook_key
from storage.transactions import Row, Transactions, Tx

FIRST_MOBILE = 10_000_000_000
DAY_MS = 24 * 3600 * 1000
CHUNK = 10_000

_USER = (
    "INSERT INTO user (id, mobile, password_hash, nickname, avatar, sex, memo, is_admin, created_at_ms, updated_at_ms,"
    " disabled_at_ms) VALUES (?, ?, ?, ?, '', '', '', 0, ?, ?, 0)"
)
_SESSION = (
    "INSERT INTO session (id, user_id, token_sha256, device, ip, created_at_ms, seen_at_ms, expires_at_ms)"
    " VALUES (?, ?, ?, 'bench', '127.0.0.1', ?, ?, ?)"
)
_CONTACT = "INSERT INTO contact (owner_id, friend_id, remark, created_at_ms, changed_at_ms) VALUES (?, ?, '', ?, ?)"
_CONVERSATION = (
    "INSERT INTO conversation (id, kind, `key`, first_seq, last_seq, ver, changed_at_ms, active_at_ms)"
    " VALUES (?, ?, ?, 1, 0, 0, ?, ?)"
)
_MEMBER = (
    "INSERT INTO member (user_id, conversation_id, role, may_send, silenced_until_ms, joined_seq, left_seq,"
    " read_seq, sent_seq, cleared_seq, pinned, muted, changed_at_ms) VALUES (?, ?, ?, 1, 0, 1, NULL, 0, 0, 0, 0, 0, ?)"
)
_COMMUNITY = (
    "INSERT INTO community (id, conversation_id, name, owner_id, icon, cate, memo, announcement, policy,"
    " silenced_until_ms, member_count, created_at_ms, dissolved_at_ms)"
    " VALUES (?, ?, ?, ?, '', 0, '', '', 0, 0, ?, ?, 0)"
)
_LAST_TIME = (
    "UPDATE conversation SET active_at_ms ="
    " (SELECT created_at_ms FROM message WHERE seq = ? AND conversation_id = conversation.id) WHERE id = ?"
)


class Population:
    """Fills a database; ids are given here, so nothing else may write meanwhile. Each method is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        migrate(database)
        self._transactions = Transactions(database, clock)

    def is_empty(self) -> bool:
        """Nobody has an account."""
        with self._transactions.read() as tx:
            return not tx.number("SELECT 1 FROM user LIMIT 1")

    def add_users(self, count: int, password_hash: str) -> range:
        """Their ids; each has the conversation with himself, and nobody knows a password."""
        with self._transactions.write() as tx:
            first = _next(tx, "user")
            ids = range(first, first + count)
            now_ms = tx.now_ms
            _many(tx, _USER, ((n, str(FIRST_MOBILE + n), password_hash, f"user {n}", now_ms, now_ms) for n in ids))
            _open(tx, Kind.SINGLE, {notebook_key(n): (n,) for n in ids})
        return ids

    def add_sessions(self, tokens_sha256: Mapping[int, bytes], days: int) -> None:
        """A log-in for each {user_id: hash of its token}."""
        with self._transactions.write() as tx:
            first = tx.next_ids("session", len(tokens_sha256))
            now_ms = tx.now_ms
            rows = (
                (first + place, user_id, token.hex(), now_ms, now_ms, now_ms + days * DAY_MS)
                for place, (user_id, token) in enumerate(tokens_sha256.items())
            )
            _many(tx, _SESSION, rows)

    def add_friends(self, pairs: Sequence[tuple[int, int]]) -> range:
        """Makes friends of each pair; the ids of their conversations, in the same order."""
        with self._transactions.write() as tx:
            now_ms = tx.now_ms
            _many(
                tx, _CONTACT, ((a, b, now_ms, now_ms) for one, other in pairs for a, b in ((one, other), (other, one)))
            )
            return _open(tx, Kind.SINGLE, {conversation_key(Kind.SINGLE, *pair): pair for pair in pairs})

    def add_communities(self, groups: Sequence[Sequence[int]]) -> range:
        """A community of each group of user ids, owned by its first; the ids of the communities."""
        with self._transactions.write() as tx:
            first = _next(tx, "community")
            ids = range(first, first + len(groups))
            keys = [conversation_key(Kind.COMMUNITY, 0, community_id) for community_id in ids]
            conversations = _open(tx, Kind.COMMUNITY, dict(zip(keys, groups, strict=True)))
            rows = (
                (community_id, conversation_id, f"community {community_id}", members[0], len(members), tx.now_ms)
                for community_id, conversation_id, members in zip(ids, conversations, groups, strict=True)
            )
            _many(tx, _COMMUNITY, rows)
        return ids

    def add_messages(self, rows: Sequence[tuple[int, int, int, str, str, int]]) -> None:
        """Texts: (conversation_id, seq, sender_id, cid, content, created_at_ms). `settle` makes the seqs known."""
        with self._transactions.write() as tx:
            first = tx.next_ids("message", len(rows))
            _many(
                tx,
                INSERT_MESSAGE,
                (
                    (
                        conversation_id,
                        seq,
                        first + place,
                        sender_id,
                        cid,
                        1,
                        content,
                        "",
                        "",
                        "",
                        0,
                        0,
                        "",
                        "",
                        "",
                        at_ms,
                    )
                    for place, (conversation_id, seq, sender_id, cid, content, at_ms) in enumerate(rows)
                ),
            )

    def settle(self, last_seqs: Mapping[int, int]) -> None:
        """Moves conversations to the {conversation_id: last seq} that was added; everybody has read it all."""
        with self._transactions.write() as tx:
            for statement in (
                "UPDATE conversation SET last_seq = ? WHERE id = ?",
                "UPDATE member SET read_seq = ? WHERE conversation_id = ?",
                _LAST_TIME,
            ):
                _many(tx, statement, ((seq, conversation_id) for conversation_id, seq in last_seqs.items()))


def _open(tx: Tx, kind: Kind, members: Mapping[str, Sequence[int]]) -> range:
    """Conversations with a place for each of {key: (user_id, …)}; the first of a community is its owner."""
    first = _next(tx, "conversation")
    ids = range(first, first + len(members))
    now_ms = tx.now_ms
    _many(tx, _CONVERSATION, ((number, kind, key, now_ms, now_ms) for number, key in zip(ids, members, strict=True)))
    roles = (Role.PEER, Role.PEER) if kind == Kind.SINGLE else (Role.OWNER, Role.MEMBER)
    _many(
        tx,
        _MEMBER,
        (
            (user_id, number, roles[place > 0], now_ms)
            for number, user_ids in zip(ids, members.values(), strict=True)
            for place, user_id in enumerate(user_ids)
        ),
    )
    return ids


def _next(tx: Tx, table: str) -> int:
    return tx.number(f"SELECT max(id) FROM {table}") + 1


def _many(tx: Tx, statement: str, rows: Iterable[Row]) -> None:
    """`executemany` in pieces: a driver may gather all rows of one call in memory."""
    walk: Iterator[Row] = iter(rows)
    while chunk := list(islice(walk, CHUNK)):
        tx.executemany(statement, chunk)
