"""A client that keeps to the contract (docs/protocol.md): one device, with what it has on its disk and its socket.

What it holds it got from frames, and after a reconnect from `/message/conversations` with since, `/message/history`
with after, and `/message/changes`. Stamps overlap by ten seconds; this client takes the overlap away, so that what
`since` leaves out is noticed.
"""

from typing import Any

from imtornado.protocol import STAMP_OVERLAP_MS
from tests.people import Person
from tests.raw_client import RawClient

Row = dict[str, Any]
Key = tuple[int, int]  # (kind, dstid) of a conversation
CONVERSATIONS, ROWS = 2, 7  # at once, so that pages are turned
GONE_ALIKE = ("seq", "gone")


def sharp(stamp: str) -> str:
    """The stamp without its overlap: for a client to whose world nothing happens while it asks."""
    return f"{int(stamp, 16) + STAMP_OVERLAP_MS:x}"


class Fetcher:
    """Reads over HTTP, in pages."""

    def __init__(self, person: Person) -> None:
        self.person = person

    def conversations(self, since: str = "") -> tuple[list[Row], str]:
        """(rows, the stamp of the first page)."""
        fields: dict[str, object] = {"limit": CONVERSATIONS} | ({"since": since} if since else {})
        answer = self.person.call("/message/conversations", **fields)
        rows, stamp = answer["rows"], answer["stamp"]
        while answer["next"]:
            answer = self.person.call("/message/conversations", after=answer["next"], **fields)
            rows += answer["rows"]
        return rows, stamp

    def history(self, key: Key, after: int) -> tuple[list[Row], int, int, int]:
        """(rows, first, last, the ver of which the oldest page is)."""
        rows: list[Row] = []
        vers = []
        while True:
            answer = self.person.call("/message/history", kind=key[0], dstid=key[1], after=after, limit=ROWS)
            rows += answer["rows"]
            vers.append(answer["ver"])
            after = rows[-1]["seq"] if rows else answer["last"]
            if after >= answer["last"]:
                return rows, answer["first"], answer["last"], min(vers)

    def changes(self, key: Key, since: int) -> tuple[list[Row], int]:
        """(rows, the ver to move to)."""
        rows: list[Row] = []
        while True:
            answer = self.person.call("/message/changes", kind=key[0], dstid=key[1], since=since, limit=ROWS)
            rows += answer["rows"]
            since = answer["ver"]
            if not answer["next"]:
                return rows, since


class Device:
    """`rows`, `log` and `vers` are its disk; they outlive its socket."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.rows: dict[Key, Row] = {}
        self.log: dict[Key, dict[int, Row]] = {}  # {conversation: {seq: message, or what became of it}}
        self.vers: dict[Key, int] = {}
        self.heard: list[Row] = []  # messages and changes that came by the socket, for whoever checks who may hear what
        self._stamp = ""
        self._epoch = ""
        self._fetcher = Fetcher(person)
        self._barriers = 0
        self._notices = 0
        self.socket: RawClient | None = None

    # The socket

    def connect(self) -> None:
        self.socket = RawClient(self.person.port, self.person.token)
        hello = self.socket.json()
        assert hello["cmd"] == 3
        assert self._epoch in ("", hello["epoch"]), "the database is another one"
        self._epoch = hello["epoch"]
        self.sync()

    def drop(self) -> None:
        if self.socket is not None:
            self.socket.reset()
        self.socket = None

    def listen(self) -> None:
        """Takes in whatever the server has sent until now."""
        if self.socket is None:
            return
        self._barriers += 1
        rid = f"until {self._barriers}"
        self.socket.send({"cmd": 0, "rid": rid})
        while (frame := self.socket.json()).get("rid") != rid:
            self.take(frame)
        if self._notices:
            self._notices = 0
            self.sync()

    def answer(self, rid: str) -> Row:
        """The ACK or ERROR that answers `rid`; what comes before it is taken in."""
        assert self.socket is not None
        while (frame := self.socket.json()).get("rid") != rid:
            self.take(frame)
        return frame

    def take(self, frame: Row) -> None:
        if frame["cmd"] in (10, 11):
            self._message(frame)
        elif frame["cmd"] == 13:
            self._change(frame)
        elif frame["cmd"] == 12:
            self._read(frame)
        elif frame["cmd"] == 16:
            self._notice(frame)

    def _key(self, frame: Row) -> Key:
        """Whose conversation an incoming frame belongs to."""
        kind = frame["cmd"] if frame["cmd"] in (10, 11) else frame["kind"]
        mine = frame["userid"] == self.person.user_id
        return kind, frame["dstid"] if kind == 11 or mine else frame["userid"]

    def _message(self, frame: Row) -> None:
        key = self._key(frame)
        self.heard.append(frame)
        log = self.log.setdefault(key, {})
        assert not log or frame["seq"] <= max(log) + 1, f"a hole before {frame}: {sorted(log)}"
        log.setdefault(frame["seq"], frame)

    def sent(self, key: Key, message: Row, ack: Row) -> None:
        """Its own message has its place."""
        row = message | {"id": ack["id"], "seq": ack["seq"], "createat": ack["createat"]}
        self.log.setdefault(key, {}).setdefault(ack["seq"], row | {"userid": self.person.user_id})

    def _change(self, frame: Row) -> None:
        key = self._key(frame)
        self.heard.append(frame)
        have = self.vers.get(key, 0)
        if frame["ver"] <= have:
            return
        if key not in self.vers and frame["ver"] > 1:
            self._notices += 1  # it does not know this conversation yet
            return
        assert frame["ver"] == have + 1, f"a ver is missing before {frame}"
        self.vers[key] = frame["ver"]
        self._apply(key, frame)

    def _apply(self, key: Key, change: Row) -> None:
        row = self.log.get(key, {}).get(change.get("seq", 0))
        if row is None or "gone" in row:
            return
        if change["change"] == "recall":
            self.log[key][change["seq"]] = {"seq": change["seq"], "gone": "recalled"}
        elif change["change"] == "edit" and "content" in change:
            row["content"], row["edited"] = change["content"], change["edited"]
        elif change["change"] == "react" and "emoji" in change:
            row["reactions"] = _with_reaction(row.get("reactions", []), change, self.person.user_id)

    def _read(self, frame: Row) -> None:
        """READ bears the dstid of whoever has read."""
        key, me = self._key(frame), self.person.user_id
        row = self.rows.get(key)
        fields = {"read_seq": frame["userid"] == me, "peer_read": frame["userid"] != me or key == (10, me)}
        for field, moves in fields.items():
            if row is not None and moves and field in row:
                row[field] = max(row[field], frame["seq"])

    def _notice(self, frame: Row) -> None:
        key = (frame.get("kind", 11), frame.get("dstid", 0))
        if frame["event"] in ("community.left", "community.kicked", "community.dissolved"):
            self._forget(key)
        for seq in frame.get("deleted", ()):
            self._delete(key, seq)
        self._notices += 1

    def _delete(self, key: Key, seq: int) -> None:
        if seq in self.log.get(key, {}):
            self.log[key][seq] = {"seq": seq, "gone": "deleted"}

    def _forget(self, key: Key) -> None:
        self.rows.pop(key, None)
        self.log.pop(key, None)
        self.vers.pop(key, None)

    # Catching up

    def sync(self) -> None:
        """Everything that it missed, from where it stands."""
        if not self._stamp:
            rows, self._stamp = self._fetcher.conversations()
            for row in rows:
                self._catch_up(row)
        rows, stamp = self._fetcher.conversations(sharp(self._stamp))
        for row in rows:
            self._catch_up(row)
        self._stamp = stamp

    def _catch_up(self, row: Row) -> None:
        key = (row["kind"], row["dstid"])
        if row.get("left"):
            self._forget(key)
            return
        before = self.rows.get(key)
        if row["first"] > row["last_seq"] and not row["pinned"] and key != (10, self.person.user_id):
            self.rows.pop(key, None)  # nothing to show
        else:
            self.rows[key] = row
        log = {seq: kept for seq, kept in self.log.get(key, {}).items() if seq >= row["first"]}
        have = row["first"] - 1
        while have + 1 in log:
            have += 1
        if before is not None and before.get("deleted", 0) != row["deleted"]:
            have = row["first"] - 1  # something was deleted on another device: what it holds is read again
        if row["last_seq"] > have:
            found, _, _, ver = self._fetcher.history(key, have)
            known = key in self.vers and key in self.log
            log |= {kept["seq"]: kept for kept in found}
            self.vers[key] = min(ver, self.vers[key]) if known else ver
        self.log[key] = log
        if row["ver"] > self.vers.setdefault(key, 0):
            changes, ver = self._fetcher.changes(key, self.vers[key])
            for change in changes:
                self._apply(key, change)
            self.vers[key] = ver


def _with_reaction(reactions: list[Row], change: Row, me: int) -> list[Row]:
    """The reactions after one was given or taken back."""
    kept = [dict(one) for one in reactions if one["emoji"] != change["emoji"]]
    ids = next((list(one["userids"]) for one in reactions if one["emoji"] == change["emoji"]), [])
    ids = [user_id for user_id in ids if user_id != change["userid"]] + ([change["userid"]] if change["on"] else [])
    if change["count"]:
        kept.append({"emoji": change["emoji"], "count": change["count"], "mine": me in ids, "userids": ids})
    return kept


def plain(row: Row) -> Row:
    """What two views of a message are compared by; in which order emojis and their givers stand is not."""
    if "gone" in row:
        return {name: row[name] for name in GONE_ALIKE}
    kept = {
        name: value
        for name, value in row.items()
        if name not in ("reactions", "rid", "dup") and value not in ("", 0, [], None)
    }
    reactions = {
        one["emoji"]: (one["count"], bool(one.get("mine")), frozenset(one["userids"]))
        for one in row.get("reactions", [])
    }
    return kept | {"reactions": reactions}
