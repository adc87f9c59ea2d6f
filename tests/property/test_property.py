"""A few people do everything that the contract lets them do; then what each of their devices holds is what a new one
fetches, and that is what the model says. `make test-faults` runs the long form (500 examples of 40 steps)."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fixtures.backends import BACKENDS, backend_of
from tests.fixtures.server import Server
from tests.property.device import Row
from tests.property.model import Change, Entry, Place, Talk
from tests.property.world import ADA, BEN, CAY, ROOM, TALKS, World
from tests.raw_client import new_cid

EMOJIS = ("👍", "🎉")

users = st.sampled_from((ADA, BEN, CAY))
talks = st.sampled_from((*TALKS, "ab", "ab", ROOM, ROOM))
picks = st.integers(0, 30)
flags = st.booleans()

# A failure is told as it was found; PROPERTY_SHRINK=1 looks for a shorter one, which takes minutes.
PHASES = [Phase.generate, *([Phase.shrink] if os.environ.get("PROPERTY_SHRINK") else [])]


def _seq(talk: Talk | None, pick: int) -> int:
    """A seq of the conversation, or now and then the one after its end."""
    return 1 + pick % ((talk.last if talk else 0) + 1)


def _readable(talk: Talk | None, user: int, pick: int, sender: int | None = None) -> int:
    """The seq of something that he can read (and that `sender` wrote); every fifth time, and where is none, any."""
    seqs = range(1, talk.last + 1 if talk else 1)
    fit = [seq for seq in seqs if talk and talk.reads(user, seq) and sender in (None, talk.entries[seq - 1].sender)]
    return fit[pick % len(fit)] if fit and pick % 5 else _seq(talk, pick)


class Session(World, RuleBasedStateMachine):
    """One example."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.set_up()

    @initialize(count=st.integers(0, 4), inside=flags)
    def begin(self, count: int, inside: bool) -> None:
        """Something is there already, most often."""
        if inside:
            self._come(BEN)
        for name in ("ab", ROOM) * count:
            self.send(ADA, name, False, [BEN], 0)

    # Messages

    def _message(self, user: int, name: str, mention: list[int]) -> Row:
        self.texts += 1
        _, (kind, dstid) = self.talk(user, name)
        message: Row = {"cmd": kind, "dstid": dstid, "media": 1, "content": f"text {self.texts}", "cid": new_cid()}
        return message | ({"mention": [self.ids[one] for one in mention]} if mention else {})

    def _stored(self, user: int, name: str, message: Row, ack: Row, mention: list[int]) -> None:
        talk, _ = self.talk(user, name)
        assert talk is not None
        assert ack["seq"] == talk.append(Entry(user, message["content"], tuple(mention)))
        self.audience[message["content"]] = frozenset(talk.present)
        self.last_sent[user] = (talk, message, ack)

    @rule(user=users, name=talks, device=flags, mention=st.lists(users, max_size=2, unique=True), reply=picks)
    def send(self, user: int, name: str, device: bool, mention: list[int], reply: int) -> None:
        message = self._message(user, name, mention)
        talk, key = self.talk(user, name)
        code = self.may_write(user, name)
        reply = _readable(talk, user, reply)
        if not code and talk is not None and talk.sees(user, reply):
            message["reply"] = reply
        here = next(one for one, owner in zip(self.devices, self.owners, strict=True) if owner == user)
        if device and here.socket is not None:
            here.socket.send(message | {"rid": message["cid"]})
            answer = here.answer(message["cid"])
            assert answer.get("code", 0) == code
            if not code:
                here.sent(key, message, answer)
        elif code:
            self.refused(code, lambda: self.people[user].data("/message/send", **message))
            return
        else:
            answer = self.people[user].data("/message/send", **message)
        if not code:
            self._stored(user, name, message, answer, mention)

    @rule(user=users)
    def send_again(self, user: int) -> None:
        if user not in self.last_sent:
            return
        talk, message, ack = self.last_sent[user]
        if ack["seq"] < talk.first:
            return  # its cid is forgotten, too
        again = self.people[user].data("/message/send", **message)
        assert (again["dup"], again["seq"], again["id"]) == (True, ack["seq"], ack["id"])
        if not talk.entries[ack["seq"] - 1].recalled:  # nothing is left of it to compare with
            self.refused(40902, lambda: self.people[user].call("/message/send", **message | {"media": 6}))

    @rule(user=users, name=talks, pick=picks)
    def recall(self, user: int, name: str, pick: int) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seq = _readable(talk, user, pick, None if talk and talk.places.get(user, Place()).admin else user)

        def call() -> Row:
            data: Row = self.people[user].data("/message/recall", kind=kind, dstid=dstid, seq=seq)
            return data

        if talk is None or not talk.is_present(user) or not talk.sees(user, seq):
            self.refused(40401, call)
            return
        entry, admin = talk.entries[seq - 1], talk.places[user].admin
        if entry.recalled:
            if admin or entry.sender == user:
                assert call()["dup"]
            else:
                self.refused(40401, call)
        elif entry.text is None or not (admin or entry.sender == user):
            self.refused(40301, call)
        else:
            talk.changes.append(Change("recall", seq, user))
            assert call() == {"seq": seq, "ver": len(talk.changes), "dup": False}
            entry.recalled = True

    @rule(user=users, name=talks, pick=picks)
    def edit(self, user: int, name: str, pick: int) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seq = _readable(talk, user, pick, user)
        self.texts += 1
        text = f"text {self.texts}"

        def call() -> Row:
            data: Row = self.people[user].data("/message/edit", kind=kind, dstid=dstid, seq=seq, content=text)
            return data

        if talk is None or not talk.is_present(user) or not talk.reads(user, seq):
            self.refused(40401, call)
        elif talk.entries[seq - 1].sender != user or talk.entries[seq - 1].text is None:
            self.refused(40301, call)
        elif code := self.may_write(user, name):
            self.refused(code, call)
        else:
            self.audience[text] = frozenset(talk.present)
            talk.changes.append(Change("edit", seq, user, text=text))
            assert call() == {"seq": seq, "ver": len(talk.changes), "dup": False}

    @rule(user=users, name=talks, pick=picks, emoji=st.sampled_from(EMOJIS), on=flags)
    def react(self, user: int, name: str, pick: int, emoji: str, on: bool) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seq = _readable(talk, user, pick)

        def call() -> Row:
            data: Row = self.people[user].data("/message/react", kind=kind, dstid=dstid, seq=seq, emoji=emoji, on=on)
            return data

        if talk is None or not talk.is_present(user) or not talk.reads(user, seq):
            self.refused(40401, call)
            return
        _, _, reactions = talk.state(seq, len(talk.changes))
        if (user in reactions.get(emoji, ())) == on:
            assert call()["dup"]
        elif on and (code := self.may_write(user, name)):
            self.refused(code, call)
        else:
            talk.changes.append(Change("react", seq, user, emoji=emoji, on=on))
            assert call() == {"seq": seq, "ver": len(talk.changes), "dup": False}

    # One's own view

    @rule(user=users, name=talks, seq=picks)
    def read(self, user: int, name: str, seq: int) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seq = _seq(talk, seq)
        if talk is None or user not in talk.places:
            code = 40303 if name == ROOM else 40302
            self.refused(code, lambda: self.people[user].call("/message/read", kind=kind, dstid=dstid, seq=seq))
            return
        place = talk.places[user]
        place.read = max(place.read, min(seq, talk.last if place.left is None else place.left))
        told = self.people[user].data("/message/read", kind=kind, dstid=dstid, seq=seq)
        assert told["seq"] == place.read

    @rule(user=users, name=talks, several=st.lists(picks, min_size=1, max_size=3))
    def delete(self, user: int, name: str, several: list[int]) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seqs = sorted({_readable(talk, user, pick) for pick in several})

        def call() -> object:
            return self.people[user].call("/message/delete", kind=kind, dstid=dstid, seqs=seqs)

        if talk is None or not all(talk.sees(user, seq) for seq in seqs):
            self.refused(40401, call)
        else:
            call()
            talk.places[user].hidden.update(seqs)

    @rule(user=users, name=talks, seq=st.one_of(st.none(), picks))
    def clear(self, user: int, name: str, seq: int | None) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        seq = None if seq is None else _seq(talk, seq) // 2  # more often than not something is left
        fields = {"kind": kind, "dstid": dstid} | ({} if seq is None else {"seq": seq})
        if talk is None or user not in talk.places:
            self.refused(40401, lambda: self.people[user].call("/message/clear", **fields))
            return
        first, last = talk.window(user)
        end = last if seq is None else min(seq, last)
        if end >= first:
            talk.places[user].cleared = end
        assert self.people[user].data("/message/clear", **fields)["seq"] == max(end, first - 1)

    @rule(user=users, name=talks, on=flags, pin=flags)
    def mark(self, user: int, name: str, on: bool, pin: bool) -> None:
        talk, (kind, dstid) = self.talk(user, name)
        path, fields = ("/message/pin", {"pinned": on}) if pin else ("/message/mute", {"muted": on})
        if talk is None or not talk.is_present(user):
            self.refused(40401, lambda: self.people[user].call(path, kind=kind, dstid=dstid, **fields))
            return
        self.people[user].call(path, kind=kind, dstid=dstid, **fields)
        if pin:
            talk.places[user].pinned = on
        else:
            talk.places[user].muted = on

    @precondition(lambda self: self.steps % 5 == 4)  # else nothing would ever be left
    @rule(user=users, name=talks, count=st.integers(1, 4))
    def retain(self, user: int, name: str, count: int) -> None:
        """The oldest messages become too old to be kept; no frame tells it."""
        talk, key = self.talk(user, name)
        if talk is not None:
            self.expire(user, talk, key, count)

    # Who is with whom

    @rule(user=st.sampled_from((BEN, CAY)), contrary=st.integers(0, 4), kicked=flags)
    def come_or_go(self, user: int, contrary: int, kicked: bool) -> None:
        if self.talks[ROOM].is_present(user) == (contrary != 3):
            self._go(user, kicked)
        else:
            self._come(user)

    def _come(self, user: int) -> None:
        joined = self.people[user].data("/contact/joincommunity", dstid=self.room_id)
        assert joined["status"] == "joined"
        if not self.talks[ROOM].is_present(user):
            self.talks[ROOM].enter(user)

    def _go(self, user: int, kicked: bool) -> None:
        actor = ADA if kicked else user
        path, fields = ("/community/kick", {"memberid": self.ids[user]}) if kicked else ("/community/leave", {})

        def call() -> object:
            return self.people[actor].call(path, dstid=self.room_id, **fields)

        if self.talks[ROOM].is_present(user):
            call()
            self.talks[ROOM].depart(user, by=actor)
        else:
            self.refused(40401, call)

    @rule(user=users, other=users, on=flags)
    def block(self, user: int, other: int, on: bool) -> None:
        pair, blocks = (user, other), self.relations.blocks
        if user == other:
            return
        path = "/contact/block" if on else "/contact/unblock"
        if not on and pair not in blocks:
            self.refused(40401, lambda: self.people[user].call(path, dstid=self.ids[other]))
            return
        self.people[user].call(path, dstid=self.ids[other])
        (blocks.add if on else blocks.discard)(pair)

    @rule(user=users, other=users, on=flags)
    def befriend(self, user: int, other: int, on: bool) -> None:
        if user == other:
            return
        pair, friends = frozenset((user, other)), self.relations.friends
        blocked = not self.relations.blocks.isdisjoint({(user, other), (other, user)})
        path = "/contact/addfriend" if on else "/contact/remove"
        if on == (pair in friends):
            self.refused(40901 if on else 40401, lambda: self.people[user].call(path, dstid=self.ids[other]))
        elif on and blocked:
            self.refused(40301, lambda: self.people[user].call(path, dstid=self.ids[other]))
        else:
            self.people[user].call(path, dstid=self.ids[other])
            (friends.add if on else friends.discard)(pair)
            if pair == {BEN, CAY}:
                self.talks.setdefault("bc", Talk(10, {BEN: Place(), CAY: Place()}))

    # Devices

    @rule(number=st.integers(0, 3))
    def drop(self, number: int) -> None:
        self.devices[number].drop()

    @rule(number=st.integers(0, 3))
    def reconnect(self, number: int) -> None:
        if self.devices[number].socket is None:
            self.devices[number].connect()

    @precondition(lambda self: self.steps % 20 == 13)  # a restart costs as much as a hundred other steps
    @rule(user=users, after_ack=flags)
    def crash(self, user: int, after_ack: bool) -> None:
        """SIGKILL, with a message to oneself on its way whose outcome nobody knows."""
        message = self._message(user, "note", [])
        here = next(one for one, owner in zip(self.devices, self.owners, strict=True) if owner == user)
        if here.socket is not None:
            here.socket.send(message | {"rid": message["cid"]})
            if after_ack:
                here.answer(message["cid"])
        connected = [device for device in self.devices if device.socket is not None]
        self.server.kill()
        self.server.restart()
        for device in connected:
            device.drop()
        self._stored(user, "note", message, self.people[user].data("/message/send", **message), [])
        for device in connected:
            device.connect()

    # What must hold

    @invariant()
    def nothing_is_lost_and_nobody_sees_too_much(self) -> None:
        self.steps += 1
        for device in self.devices:
            device.listen()
        self.nobody_overheard()
        number = self.steps % len(self.devices)
        self.check(self.owners[number], [self.devices[number]])

    def teardown(self) -> None:
        try:
            for device in self.devices:
                if device.socket is None:
                    device.connect()
            for user in (ADA, BEN, CAY):
                self.check(user, [one for one, owner in zip(self.devices, self.owners, strict=True) if owner == user])
        finally:
            for device in self.devices:
                device.drop()


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    backend = backend_of(request)
    settings = ("contacts.confirm=no", "security.throttle=no", f"storage.url={backend.url(folder)}")
    server = Server(folder, settings)
    try:
        yield server
        status = server.stop()
    finally:
        server.close()
        backend.drop_all()
    assert not server.failures(), "\n".join(server.failures())
    assert status == 0


def run(server: Server, examples: int, steps: int, *, derandomize: bool) -> None:
    Session.server = server
    run_state_machine_as_test(
        Session,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=derandomize,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=steps,
    )


def test_what_devices_hold_is_what_the_server_gives(server: Server) -> None:
    run(server, 15 if server.storage_url.startswith("sqlite") else 6, 30, derandomize=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_devices_hold_is_what_the_server_gives_long(server: Server) -> None:
    run(server, int(os.environ.get("PROPERTY_EXAMPLES", "500")), 40, derandomize=False)
