"""Several at once, threads of one process and nodes on one database: they leave what one alone would have left."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TypeVar

import pytest

from imtornado.drafts import Changed, ConversationTx, Draft, Outcome, Stored
from imtornado.errors import Busy, Conflict, NotFound
from imtornado.file_records import Upload
from imtornado.records import Kind
from storage.store import NewUser, Store
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene, at_once, change, errors, seqs

T = TypeVar("T")


@pytest.fixture(autouse=True)
def busy_machine(expect_log: ExpectLog) -> None:
    """Whoever waits too long for another one says so, and is asked again."""
    expect_log("storage.messages", "did not come through", optional=True)
    expect_log("storage.sqlite", "database is locked", optional=True)


def patiently(call: Callable[[], T]) -> T:
    """Its result; who is told that the database is busy asks again, as every client does."""
    while True:
        try:
            return call()
        except Busy:
            continue


def commit_patiently(store: Store, drafts: list[Draft]) -> list[Outcome]:
    return patiently(lambda: store.commit(drafts))


def test_two_writers_share_a_conversation_without_gaps_or_doubles(scene: Scene, reopen: Callable[[], Store]) -> None:
    ada, bea = scene.friends()
    nodes = [scene.store, reopen()]
    batches = [
        [[scene.draft(sender, Kind.SINGLE, other, f"{sender} {n} {k}") for k in range(10)] for n in range(10)]
        for sender, other in ((ada, bea), (bea, ada))
    ]

    def write(node: Store, own: list[list[Draft]]) -> list[int]:
        return list(chain.from_iterable(seqs(commit_patiently(node, batch)) for batch in own))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(write, nodes, batches))
    assert sorted(chain(*found)) == list(range(1, 201))
    assert all(own == sorted(own) for own in found)
    messages = scene.seen(ada, Kind.SINGLE, bea)
    assert [message.seq for message in messages] == list(range(1, 201))
    assert len({message.cid for message in messages}) == 200


def test_the_same_cids_by_two_writers_are_stored_once(scene: Scene, reopen: Callable[[], Store]) -> None:
    ada, bea = scene.friends()
    nodes = [scene.store, reopen(), reopen(), reopen()]
    for _ in range(10):
        drafts: list[Draft] = [scene.draft(ada, Kind.SINGLE, bea) for _ in range(10)]
        outcomes = at_once([partial(commit_patiently, node, drafts) for node in nodes])
        assert not errors(outcomes)
        places = [
            [one.seq for one in of_node if isinstance(one, Stored)] for of_node in outcomes if isinstance(of_node, list)
        ]
        assert places[0] == places[1] == places[2] == places[3]
        firsts = [
            one
            for of_node in outcomes
            if isinstance(of_node, list)
            for one in of_node
            if isinstance(one, Stored) and not one.dup
        ]
        assert len(firsts) == 10
    assert [message.seq for message in scene.seen(ada, Kind.SINGLE, bea)] == list(range(1, 101))


def test_a_cid_sent_to_two_conversations_at_once_stands_in_one(scene: Scene, reopen: Callable[[], Store]) -> None:
    ada, bea = scene.friends()
    room = scene.community(ada)
    nodes = [scene.store, reopen()]
    for number in range(20):
        drafts = [
            scene.draft(ada, Kind.SINGLE, bea, cid=f"c{number}"),
            scene.draft(ada, Kind.COMMUNITY, room, cid=f"c{number}"),
        ]
        found = at_once([partial(commit_patiently, node, [draft]) for node, draft in zip(nodes, drafts, strict=True)])
        outcomes = [one for of_node in found if isinstance(of_node, list) for one in of_node]
        assert sorted(type(one).__name__ for one in outcomes) == ["CidConflict", "Stored"]


def test_whoever_follows_the_events_misses_none(scene: Scene, reopen: Callable[[], Store]) -> None:
    """Four writers on two nodes; who reads on from the last id that he saw has seen all in the end."""
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(4)]
    friends = scene.users(4)
    nodes = [scene.store, reopen()]
    start = scene.store.events.position()
    written = threading.Event()
    followed: list[int] = []

    def follow() -> None:
        position = start
        while True:
            last_round = written.is_set()
            for event in nodes[1].events.after(position, 1000):
                followed.append(event.event_id)
                position = event.event_id
            if last_round:
                return

    def write(place: int) -> None:
        node, room = nodes[place % 2], rooms[place]
        for number in range(15):
            told = change(room, lambda tx: tx.tell(0, "community.updated", "{}"), lambda tx: tx.tell(ada, "x", "{}"))
            (outcome,) = commit_patiently(node, [told])
            assert isinstance(outcome, Changed)
            patiently(partial(node.users.set_admin, friends[place], bool(number % 2)))

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
    finally:
        written.set()
        follower.join()
    assert followed == [event.event_id for event in scene.store.events.after(start, 1000)]
    assert followed == list(range(start + 1, start + 1 + 4 * 15 * 3))


def test_a_read_is_one_snapshot(scene: Scene) -> None:
    ada, bea = scene.friends()
    transactions = scene.store._transactions  # type: ignore[attr-defined]
    count = "SELECT count(*) FROM message"
    with transactions.read() as tx:
        before = tx.number(count)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(scene.send, ada, Kind.SINGLE, bea).result()
        assert tx.number(count) == before
        assert tx.number("SELECT last_seq FROM conversation ORDER BY id DESC LIMIT 1") == 0
    with transactions.read() as tx:
        assert tx.number(count) == before + 1


def test_a_stamp_waits_for_what_is_being_written(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    inside, go_on = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        inside.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(scene.change, room, slow, lambda tx: tx.set_community(memo="new"))
        assert inside.wait(60)
        stamp = scene.store.settled_ms()
        go_on.set()
        running.result()
    changed = scene.store.conversations.changed(ada, stamp, (0, 0), 100)
    assert room in {one.dstid for one in changed if one.kind == Kind.COMMUNITY}
    assert scene.store.settled_ms() >= stamp


def test_a_file_is_stored_once_whoever_brings_it(scene: Scene, reopen: Callable[[], Store]) -> None:
    people = scene.users(6)
    nodes = [scene.store, reopen()]
    for number in range(5):

        def claim(place: int, number: int = number) -> Upload:
            upload = Upload(f"{number}", f"name {number} {place}", "image/webp", 1, 1, 1, "", "", people[place], 0)
            return patiently(partial(nodes[place % 2].uploads.claim, upload))

        found = at_once([partial(claim, place) for place in range(6)])
        assert len({upload.name for upload in found if isinstance(upload, Upload)}) == 1
        assert len(found) == 6
        assert not errors(found)


def test_the_signing_key_is_made_once(scene: Scene, reopen: Callable[[], Store]) -> None:
    nodes = [scene.store, reopen(), reopen(), reopen()]
    keys = at_once([partial(patiently, node.uploads.signing_key) for node in nodes])
    assert len(set(keys)) == 1
    assert not errors(keys)


def test_a_file_that_is_used_is_not_forgotten(scene: Scene, reopen: Callable[[], Store]) -> None:
    ada, bea = scene.friends()
    other = reopen()

    def send(draft: Draft) -> Outcome:
        return commit_patiently(scene.store, [draft])[0]

    def forget(name: str, before_ms: int) -> bool:
        return patiently(partial(other.uploads.forget, name, before_ms))

    for number in range(15):
        scene.upload(ada, f"file{number}")
        draft = scene.draft(ada, Kind.SINGLE, bea, url=f"/resource/file{number}")
        now_ms = scene.store.clock.now_ms() + 1
        with ThreadPoolExecutor(2) as pool:
            sending, forgetting = pool.submit(send, draft), pool.submit(forget, f"file{number}", now_ms)
            sent, forgotten = sending.result(), forgetting.result()
        if forgotten:
            assert isinstance(sent, NotFound)
        else:
            assert isinstance(sent, Stored)
        assert (scene.store.uploads.visible(f"file{number}", bea) is None) == forgotten


def test_two_who_ask_each_other_at_once_are_friends(scene: Scene, reopen: Callable[[], Store]) -> None:
    nodes = [scene.store, reopen()]
    for _ in range(10):
        ada, bea = scene.users(2)
        found = at_once(
            [
                partial(patiently, partial(nodes[0].contacts.request, ada, bea, "")),
                partial(patiently, partial(nodes[1].contacts.request, bea, ada, "")),
            ]
        )
        assert sorted(map(str, found)) == ["False", "True"]
        assert [friend.user.user_id for friend in scene.store.contacts.friends(ada)] == [bea]
        assert [friend.user.user_id for friend in scene.store.contacts.friends(bea)] == [ada]
        assert not scene.store.contacts.requests(ada) + scene.store.contacts.requests(bea)


def test_a_friendship_is_ended_once(scene: Scene, reopen: Callable[[], Store]) -> None:
    nodes = [scene.store, reopen()]
    for _ in range(10):
        ada, bea = scene.friends()
        start = scene.store.events.position()
        found = at_once(
            [
                partial(patiently, partial(nodes[0].contacts.remove, ada, bea)),
                partial(patiently, partial(nodes[1].contacts.remove, bea, ada)),
            ]
        )
        assert errors(found) == [NotFound]
        assert scene.kinds(start, ada) == ["contact.removed"]


def test_of_many_first_users_one_is_administrator(store: Store, reopen: Callable[[], Store]) -> None:
    nodes = [store, reopen()]
    new = [NewUser(f"{number}", "h", "n") for number in range(8)]
    made = at_once([partial(patiently, partial(nodes[place % 2].users.create, one)) for place, one in enumerate(new)])
    assert not errors(made)
    admins = [user for user in (store.users.by_mobile(one.mobile) for one in new) if user and user.user.is_admin]
    assert len(admins) == 1


def say(user_id: int, tx: ConversationTx) -> object:
    return tx.say(user_id, "line", "{}")


def test_work_of_every_kind_by_many_at_once(scene: Scene, reopen: Callable[[], Store]) -> None:
    """Everything takes its locks in one order: all of it is done in the end, and the books balance."""
    people = scene.users(6)
    hub = people[0]
    for other in people[1:]:
        scene.store.contacts.befriend(hub, other)
    rooms = [scene.community(hub, *people[1:]) for _ in range(2)]
    nodes = [scene.store, reopen()]
    rounds = 12

    def talk(place: int) -> int:
        stored = 0
        for number in range(rounds):
            me = people[1 + place]
            drafts: list[Draft] = [
                scene.draft(me, Kind.SINGLE, hub, cid=f"s{place}.{number}"),
                *(scene.draft(me, Kind.COMMUNITY, room, cid=f"r{place}.{number}.{room}") for room in rooms),
                change(rooms[number % 2], partial(say, me)),
            ]
            outcomes = commit_patiently(nodes[place % 2], drafts)
            assert not errors(outcomes), outcomes
            stored += len(outcomes)
        return stored

    def live(place: int) -> None:
        node = nodes[place % 2]
        for number in range(rounds):
            patiently(partial(node.users.update, hub, {"nickname": f"hub {place} {number}"}))
            patiently(partial(node.users.update, people[1 + number % 5], {"nickname": f"n {place} {number}"}))
            for step in (node.contacts.block, node.contacts.unblock):
                with contextlib.suppress(NotFound):  # the other thread was first
                    patiently(partial(step, people[4 + place % 2], people[5 - place % 2]))
            try:
                patiently(partial(node.contacts.befriend, people[1], people[2 + number % 3]))
            except Conflict:
                patiently(partial(node.contacts.remark, people[1], people[2 + number % 3], f"{number}"))

    with ThreadPoolExecutor(6) as pool:
        talking = [pool.submit(talk, place) for place in range(4)]
        living = [pool.submit(live, place) for place in range(2)]
        assert [task.result() for task in talking] == [rounds * 4] * 4
        for other_task in living:
            other_task.result()
    for room in rooms:
        conversation = scene.shown(hub, Kind.COMMUNITY, room)
        # its creation, five who joined, and what was said
        assert conversation.last_seq == 6 + 4 * rounds + 4 * rounds // 2
        messages = scene.seen(hub, Kind.COMMUNITY, room)
        assert [message.seq for message in messages] == list(range(1, conversation.last_seq + 1))
