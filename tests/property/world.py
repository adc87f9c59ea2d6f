"""Who there is in an example, what they call their conversations, and whether their devices hold what they must."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from imtornado.clock import Clock
from imtornado.drafts import Change, Changed
from imtornado.records import conversation_key
from imtornado.services.retention import DAY_MS
from storage.backends import open_store
from tests.fixtures.server import Server
from tests.people import Failure, Person
from tests.property.device import Device, Fetcher, Key, Row, plain
from tests.property.model import People, Place, Talk

ADA, BEN, CAY = 0, 1, 2
ROOM = "room"
SINGLES = {"ab": (ADA, BEN), "ac": (ADA, CAY), "bc": (BEN, CAY)}  # Ben and Cay begin as strangers
TALKS = ("ab", "ac", ROOM, "note", "bc")


def _own(user: int, name: str) -> str:
    """The single chat of that name, or where it is between the two others one of his own."""
    return name if user in SINGLES[name] else next(other for other, pair in SINGLES.items() if user in pair)


class World:
    """The people and the model of what the server must hold for them."""

    server: ClassVar[Server]  # the same for all examples: each has people of its own

    def set_up(self) -> None:
        """Three people, four devices, one community of Ada's."""
        self.people = [Person(self.server.port, name) for name in ("Ada", "Ben", "Cay")]
        self.ids = [person.user_id for person in self.people]
        ada, ben, cay = self.people
        ada.call("/contact/addfriend", dstid=ben.user_id)
        ada.call("/contact/addfriend", dstid=cay.user_id)
        room = ada.data("/contact/createcommunity", name=f"Room of {ada.user_id}")["id"]
        self.room_id: int = room
        self.relations = People({frozenset((ADA, BEN)), frozenset((ADA, CAY))})
        self.talks = {
            name: Talk(10, {user: Place() for user in pair}) for name, pair in SINGLES.items() if name != "bc"
        }
        self.talks[ROOM] = Talk(11, {ADA: Place(admin=True)})
        self.talks[ROOM].line(ADA)
        self.notes = {user: Talk(10, {user: Place()}) for user in (ADA, BEN, CAY)}
        self.devices = [Device(self.people[user]) for user in (ADA, ADA, BEN, CAY)]
        self.owners = (ADA, ADA, BEN, CAY)
        for device in self.devices:
            device.connect()
        self.audience: dict[str, frozenset[int]] = {}  # {text: who was there when it was said}
        self.last_sent: dict[int, tuple[Talk, Row, Row]] = {}  # {user: (conversation, message, its ACK)}
        self.texts = 0

    # What a name means to a user

    def talk(self, user: int, name: str) -> tuple[Talk | None, Key]:
        """(the conversation, None where there is none; how he calls it)."""
        if name == "note":
            return self.notes[user], (10, self.ids[user])
        if name == ROOM:
            return self.talks[ROOM], (11, self.room_id)
        name = _own(user, name)
        low, high = SINGLES[name]
        return self.talks.get(name), (10, self.ids[low if user == high else high])

    def _names(self, user: int) -> list[str]:
        return [name for name in TALKS if name not in SINGLES or user in SINGLES[name]]

    def may_write(self, user: int, name: str) -> int:
        """0, or the code of the refusal."""
        if name == ROOM:
            return 0 if self.talks[ROOM].is_present(user) else 40303
        if name == "note":
            return 0
        low, high = SINGLES[_own(user, name)]
        return self.relations.may_write(user, high if user == low else low)

    def expire(self, user: int, talk: Talk, key: Key, count: int) -> None:
        """As the job of the server does it, without its waiting for days; then each device asks what is new."""
        store = open_store(self.server.storage_url, Clock(), auto_migrate=False)
        before_ms = store.clock.now_ms() + DAY_MS
        change = Change(
            conversation_key(key[0], self.ids[user], key[1]), lambda tx: tx.messages.expire(before_ms, count)
        )
        (outcome,) = store.commit([change])
        store.close()
        assert isinstance(outcome, Changed)
        talk.first = min(talk.first + count, talk.last + 1)
        for device in self.devices:
            if device.socket is not None:
                device.listen()
                device.sync()

    def refused(self, code: int, call: Callable[[], object]) -> None:
        with pytest.raises(Failure) as failure:
            call()
        assert failure.value.code == code

    def nobody_overheard(self) -> None:
        for device, user in zip(self.devices, self.owners, strict=True):
            for frame in device.heard:
                text = frame.get("content", "")
                if text in self.audience:
                    assert user in self.audience[text], f"{user} heard {frame}"
                if frame["cmd"] == 11:
                    place = self.talks[ROOM].places[user]
                    assert place.left is None or frame["seq"] <= place.left
            device.heard.clear()

    def check(self, user: int, devices: list[Device]) -> None:
        fetcher = Fetcher(self.people[user])
        rows = {(row["kind"], row["dstid"]): row for row in fetcher.conversations()[0]}
        logs = {}
        listed = set()
        quiet = set()
        for name in self._names(user):
            talk, key = self.talk(user, name)
            if talk is None or user not in talk.places:
                kind, dstid = key
                self.refused(40401, lambda: self.people[user].rows("/message/history", kind=kind, dstid=dstid))  # noqa: B023
                continue
            if self.may_write(user, name):
                quiet.add(key)
            logs[key] = self._check_history(fetcher, talk, key, user)
            if talk.is_listed(user, notebook=name == "note"):
                listed.add(key)
                self._check_row(rows[key], talk, user, logs[key])
        assert set(rows) == listed
        self._check_readers(user)
        for device in devices:
            self._check_device(device, rows, logs, quiet)

    def _check_history(self, fetcher: Fetcher, talk: Talk, key: Key, user: int) -> dict[int, Row]:
        """{seq: row} as a new device fetches it, which is what the model says."""
        found, first, last, ver = fetcher.history(key, 0)
        assert (first, last, ver) == (*talk.window(user), talk.ver(user))
        assert [row["seq"] for row in found] == list(range(first, last + 1))
        for row in found:
            entry = talk.entries[row["seq"] - 1]
            text, edited, reactions = talk.state(row["seq"], ver)
            hidden = row["seq"] in talk.places[user].hidden
            if entry.recalled or hidden:
                assert plain(row) == {"seq": row["seq"], "gone": "deleted" if hidden else "recalled"}
                continue
            assert row["userid"] == self.ids[entry.sender]
            assert ("edited" in row) is edited
            assert {one["emoji"]: frozenset(one["userids"]) for one in row.get("reactions", ())} == {
                emoji: frozenset(self.ids[one] for one in givers) for emoji, givers in reactions.items()
            }
            if text is None:
                assert row["media"] == 20
            else:
                assert row["content"] == text
                assert user in self.audience[text]
        changes, end = fetcher.changes(key, 0)
        assert [(one["ver"], one["change"], one["seq"]) for one in changes] == talk.changes_seen(user)
        assert end == ver
        return {row["seq"]: row for row in found}

    def _check_row(self, row: Row, talk: Talk, user: int, log: dict[int, Row]) -> None:
        place = talk.places[user]
        first, last = talk.window(user)
        unread, mentioned = talk.unread(user)
        expected = {
            "first": first,
            "last_seq": last,
            "read_seq": place.read,
            "unread": unread,
            "mentioned": bool(unread) and mentioned,
            "ver": len(talk.changes),
            "pinned": place.pinned,
            "muted": place.muted,
            "left": False,
            "deleted": sum(talk.sees(user, seq) for seq in place.hidden),
        }
        if talk.kind == 10:
            peer = next((one for one in talk.places if one != user), user)
            expected["peer_read"] = talk.places[peer].read
        assert {name: row[name] for name in expected} == expected
        if first > last:
            assert row["last"] is None
        else:
            assert plain(row["last"]) == plain(log[last]) | ({"reactions": {}} if "gone" not in log[last] else {})

    def _check_readers(self, user: int) -> None:
        room = self.talks[ROOM]
        if room.is_present(user):
            seq = room.window(user)[1]
            if not room.sees(user, seq):
                return
            told = {row["userid"] for row in self.people[user].rows("/message/readers", dstid=self.room_id, seq=seq)}
            assert told == {self.ids[one] for one in room.present if room.places[one].read >= seq}

    def _check_device(
        self, device: Device, rows: dict[Key, Row], logs: dict[Key, dict[int, Row]], quiet: set[Key]
    ) -> None:
        """`quiet`: conversations of those who may not write to each other, and hear nothing of each other's reading."""
        device.listen()
        if device.socket is not None:
            for key, row in device.rows.items():
                if key in rows:  # what came by frames alone
                    assert {seq: plain(one) for seq, one in device.log[key].items()} == {
                        seq: plain(one) for seq, one in logs[key].items()
                    }
                    assert device.vers[key] == rows[key]["ver"]
                    assert row["read_seq"] == rows[key]["read_seq"]
                    assert key in quiet or row.get("peer_read") == rows[key].get("peer_read")
        device.sync()
        assert device.rows == rows
        for key in rows:
            assert {seq: plain(one) for seq, one in device.log[key].items()} == {
                seq: plain(one) for seq, one in logs[key].items()
            }
            assert device.vers[key] == rows[key]["ver"]
