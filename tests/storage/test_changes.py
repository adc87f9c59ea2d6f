"""What a change may do inside the writer's transaction: `drafts.ConversationTx`."""

import pytest

from imtornado.drafts import Changed, ConversationTx, MemberState, Stored
from imtornado.errors import Conflict, Internal, NotAllowed, NotFound, NotMember, Silenced
from imtornado.records import SYSTEM_MEDIA, Gone, Kind, Policy, Role
from tests.fixtures.logs import ExpectLog
from tests.storage.scene import Scene, change, seqs


def unread(scene: Scene, user_id: int, room: int) -> int:
    return scene.shown(user_id, Kind.COMMUNITY, room).unread


def test_a_change_gives_its_result_lines_and_events(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)

    def apply(tx: ConversationTx) -> str:
        tx.enter(bea, Role.MEMBER)
        tx.say(ada, "added", '{"kind":"joined"}')
        tx.tell(bea, "community.joined", '{"dstid":1}')
        tx.tell(0, "community.updated", "{}")
        return "done"

    changed = scene.change(room, apply)
    assert changed.result == "done"
    (line,) = changed.lines
    assert (line.media, line.seq, line.content, line.event) == (SYSTEM_MEDIA, 2, "added", '{"kind":"joined"}')
    assert [(event.user_id, event.community_id, event.kind) for event in changed.events] == [
        (bea, 0, "community.joined"),
        (0, room, "community.updated"),
    ]
    assert scene.store.events.after(changed.events[0].event_id - 1, 10) == changed.events
    assert scene.seen(bea, Kind.COMMUNITY, room) == (line,)


def test_events_of_a_batch_are_not_given_to_the_listener(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    heard: list[object] = []
    scene.store.on_events(heard.extend)
    scene.change(room, lambda tx: tx.tell(ada, "community.updated", "{}"))
    assert heard == []
    scene.store.users.update(ada, {"memo": "x"})
    assert len(heard) == 1


@pytest.mark.parametrize("error", [NotAllowed("no"), ValueError("bug")])
def test_a_change_that_fails_half_way_leaves_nothing(scene: Scene, expect_log: ExpectLog, error: Exception) -> None:
    if isinstance(error, ValueError):
        expect_log("storage.messages", "a change of conversation")
    ada, bea = scene.users(2)
    room = scene.community(ada)
    position = scene.store.events.position()

    def apply(tx: ConversationTx) -> None:
        tx.enter(bea, Role.ADMIN)
        tx.set_community(name="stolen")
        tx.say(ada, "line", "{}")
        tx.tell(0, "community.updated", "{}")
        raise error

    before, failed, after = scene.store.commit(
        [scene.draft(ada, Kind.COMMUNITY, room), change(room, apply), scene.draft(ada, Kind.COMMUNITY, room)]
    )
    assert seqs([before, after]) == [2, 3]
    assert isinstance(failed, NotAllowed if isinstance(error, NotAllowed) else Internal)
    assert failed.__traceback__ is None  # which would keep the batch
    assert scene.store.events.position() == position
    community = scene.store.communities.get(room, bea)
    assert community is not None
    assert (community.role, community.member_count) == (None, 1)
    assert community.name != "stolen"
    assert [message.seq for message in scene.seen(ada, Kind.COMMUNITY, room)] == [1, 2, 3]


def test_a_change_of_nothing_is_not_found(scene: Scene) -> None:
    assert isinstance(scene.outcome(change(999, lambda tx: tx.community())), NotFound)


def test_member_states(scene: Scene) -> None:
    ada, bea, stranger = scene.users(3)
    room = scene.community(ada, bea)
    states: list[MemberState | None] = []

    def look(tx: ConversationTx) -> None:
        states.extend(tx.member(user_id) for user_id in (ada, bea, stranger))

    scene.change(room, look)
    assert states == [
        MemberState(ada, Role.OWNER, True, 0, 1, None),
        MemberState(bea, Role.MEMBER, True, 0, 2, None),
        None,
    ]
    scene.leave(room, bea)
    states.clear()
    scene.change(room, look)
    assert states[1] == MemberState(bea, Role.MEMBER, False, 0, 2, 3)


def test_windows_of_joining_leaving_and_coming_back(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    scene.send(ada, Kind.COMMUNITY, room)  # 2
    scene.join(room, bea)  # 3
    scene.send(ada, Kind.COMMUNITY, room)  # 4
    scene.leave(room, bea)  # 5
    scene.send(ada, Kind.COMMUNITY, room)  # 6
    assert [message.seq for message in scene.seen(bea, Kind.COMMUNITY, room)] == [3, 4, 5]
    page = scene.store.conversations.history(bea, Kind.COMMUNITY, room, None, None, 50)
    assert (page.first, page.last) == (3, 5)
    scene.join(room, bea)  # 7
    scene.send(ada, Kind.COMMUNITY, room)  # 8
    assert [message.seq for message in scene.seen(bea, Kind.COMMUNITY, room)] == [7, 8]
    assert [message.seq for message in scene.seen(ada, Kind.COMMUNITY, room)] == list(range(1, 9))


def test_a_window_ends_with_the_last_line_of_the_change(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.change(
        room,
        lambda tx: tx.depart(bea),
        lambda tx: tx.say(ada, "kicked", "{}"),
        lambda tx: tx.say(ada, "farewell", "{}"),
    )
    assert [message.content for message in scene.seen(bea, Kind.COMMUNITY, room)[-2:]] == ["kicked", "farewell"]
    with pytest.raises(NotMember):
        scene.send(bea, Kind.COMMUNITY, room)


def test_entering_twice_and_departing_twice_count_once(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)

    def count() -> int:
        community = scene.store.communities.get(room, ada)
        assert community is not None
        return community.member_count

    scene.change(room, lambda tx: tx.enter(bea, Role.MEMBER), lambda tx: tx.enter(bea, Role.MEMBER))
    assert count() == 2
    scene.change(room, lambda tx: tx.depart(bea), lambda tx: tx.depart(bea), lambda tx: tx.depart(999))
    assert count() == 1
    with pytest.raises(NotFound):
        scene.change(room, lambda tx: tx.enter(999, Role.MEMBER))


def test_his_own_join_line_is_no_news(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada)
    assert unread(scene, ada, room) == 0
    scene.join(room, bea)
    assert (unread(scene, ada, room), unread(scene, bea, room)) == (1, 0)
    scene.change(room, lambda tx: tx.say(ada, "renamed", "{}"))
    assert (unread(scene, ada, room), unread(scene, bea, room)) == (2, 1)  # the older line is still unread


def test_roles_and_admins(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    room = scene.community(ada, bea, cid)
    found: list[object] = []
    scene.change(room, lambda tx: tx.set_role(bea, Role.ADMIN), lambda tx: found.append(tx.admin_ids()))
    assert found == [(ada, bea)]
    assert scene.store.communities.role(room, bea) == Role.ADMIN
    scene.change(room, lambda tx: tx.depart(bea), lambda tx: found.append(tx.admin_ids()))
    assert found[1] == (ada,)


def test_the_silence_of_all_holds_for_plain_members_and_newcomers(scene: Scene) -> None:
    ada, admin, bea, late = scene.users(4)
    room = scene.community(ada, bea)
    scene.join(room, admin, Role.ADMIN)
    scene.change(room, lambda tx: tx.silence(None, tx.now_ms + 60_000))
    scene.join(room, late)
    community = scene.store.communities.get(room, bea)
    assert community is not None
    assert community.all_silenced
    outcomes = scene.store.commit([scene.draft(user_id, Kind.COMMUNITY, room) for user_id in (ada, admin, bea, late)])
    assert [type(outcome) for outcome in outcomes] == [Stored, Stored, Silenced, Silenced]
    scene.change(room, lambda tx: tx.set_role(bea, Role.ADMIN), lambda tx: tx.set_role(admin, Role.MEMBER))
    outcomes = scene.store.commit([scene.draft(user_id, Kind.COMMUNITY, room) for user_id in (admin, bea)])
    assert [type(outcome) for outcome in outcomes] == [Silenced, Stored]
    scene.change(room, lambda tx: tx.silence(None, 0))
    for user_id in (admin, late):
        scene.send(user_id, Kind.COMMUNITY, room)


def test_lifting_the_silence_of_all_keeps_a_longer_one(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.change(room, lambda tx: tx.silence(bea, tx.now_ms + 600_000), lambda tx: tx.silence(None, tx.now_ms + 60_000))
    scene.change(room, lambda tx: tx.silence(None, 0))
    with pytest.raises(Silenced):
        scene.send(bea, Kind.COMMUNITY, room)
    (_, member) = scene.store.communities.members(room, 0, 10)
    assert member.silenced_until_ms > scene.store.clock.now_ms()
    scene.change(room, lambda tx: tx.silence(bea, 0))
    scene.send(bea, Kind.COMMUNITY, room)


def test_set_community_changes_what_is_named(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.change(
        room,
        lambda tx: tx.set_community(name=" Café ", memo="m", cate=3, announcement="a", policy=Policy.INVITE),
        lambda tx: tx.set_community(owner_id=bea),
    )
    community = scene.store.communities.get(room, ada)
    assert community is not None
    assert (community.name, community.memo, community.cate, community.announcement) == ("Café", "m", 3, "a")
    assert (community.policy, community.owner_id) == (Policy.INVITE, bea)


def test_a_taken_name_is_a_conflict_that_harms_nobody(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    scene.community(ada, name="taken")
    outcome, message = scene.store.commit(
        [change(room, lambda tx: tx.set_community(name="taken")), scene.draft(ada, Kind.COMMUNITY, room)]
    )
    assert isinstance(outcome, Conflict)
    assert outcome.field == "name"
    assert isinstance(message, Stored)


def test_an_icon_must_be_usable_by_an_admin(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea)
    scene.upload(ada, "icon")
    scene.upload(bea, "foreign")
    with pytest.raises(NotFound) as caught:
        scene.change(room, lambda tx: tx.set_community(icon="/resource/foreign"))
    assert caught.value.field == "icon"
    scene.change(room, lambda tx: tx.set_community(icon="/resource/icon"))
    assert scene.store.uploads.visible("icon", scene.user()) is not None
    scene.change(room, lambda tx: tx.set_community(icon=""))
    assert scene.store.uploads.visible("icon", bea) is None


def test_join_requests_are_asked_once_and_dropped_on_entering(scene: Scene) -> None:
    ada, bea, cid = scene.users(3)
    room = scene.community(ada)
    answers: list[bool] = []
    scene.change(room, lambda tx: answers.extend((tx.ask(bea, "one"), tx.ask(bea, "two"), tx.ask(cid, "hi"))))
    assert answers == [True, False, True]
    assert [(r.user.user_id, r.memo) for r in scene.store.communities.requests(room)] == [(bea, "two"), (cid, "hi")]
    scene.change(room, lambda tx: answers.extend((tx.drop_request(cid), tx.drop_request(cid))))
    assert answers[3:] == [True, False]
    scene.join(room, bea)
    assert scene.store.communities.requests(room) == ()


def test_a_dissolved_community_is_gone_and_its_name_free(scene: Scene) -> None:
    ada, bea = scene.users(2)
    room = scene.community(ada, bea, name="phoenix")
    scene.send(bea, Kind.COMMUNITY, room)
    scene.change(room, lambda tx: tx.dissolve(), lambda tx: tx.say(ada, "dissolved", "{}"))
    communities = scene.store.communities
    assert communities.get(room, ada) is None
    assert communities.by_name("phoenix", ada) is None
    assert not communities.search("phoen", bea, 10)
    assert not communities.of_user(ada)
    assert not communities.members(room, 0, 10)
    assert communities.role(room, ada) is None
    for user_id in (ada, bea):
        with pytest.raises(NotMember):
            scene.send(user_id, Kind.COMMUNITY, room)
        assert scene.shown(user_id, Kind.COMMUNITY, room).left
    assert scene.seen(bea, Kind.COMMUNITY, room)[-1].content == "dissolved"
    with pytest.raises(NotFound):
        scene.change(room, lambda tx: tx.community())
    with pytest.raises(NotFound):
        scene.change(room, lambda tx: tx.enter(bea, Role.MEMBER))
    assert scene.community(bea, name="phoenix") != room


def test_owned_count_forgets_the_dissolved(scene: Scene) -> None:
    ada = scene.user()
    rooms = [scene.community(ada) for _ in range(3)]
    counts: list[int] = []
    scene.change(rooms[0], lambda tx: tx.dissolve(), lambda tx: counts.append(tx.owned_count(ada)))
    assert counts == [2]


def test_blanking_removes_text_mention_and_file_for_ever(scene: Scene) -> None:
    ada, bea = scene.friends()
    room = scene.community(ada, bea)
    scene.upload(ada, "secret")
    sent = scene.send(ada, Kind.COMMUNITY, room, "secret text", url="/resource/secret", mention=(bea,), cid="c")
    assert scene.store.uploads.visible("secret", bea) is not None
    assert scene.shown(bea, Kind.COMMUNITY, room).mentioned
    scene.change(room, lambda tx: tx.messages.blank(sent.seq, Gone.RECALLED))
    message = scene.seen(bea, Kind.COMMUNITY, room)[-1]
    assert (message.content, message.url, message.mention, message.gone) == ("", "", (), Gone.RECALLED)
    assert scene.store.uploads.visible("secret", bea) is None
    assert not scene.shown(bea, Kind.COMMUNITY, room).mentioned
    again = scene.send(ada, Kind.COMMUNITY, room, "secret text", url="/resource/secret", mention=(bea,), cid="c")
    assert again == Stored(sent.message_id, sent.seq, sent.created_at_ms, True)
    with pytest.raises(NotFound):
        scene.change(room, lambda tx: tx.messages.blank(999, Gone.RECALLED))


def test_a_change_sees_the_messages_before_it_in_the_batch(scene: Scene) -> None:
    ada = scene.user()
    room = scene.community(ada)
    _, changed = scene.store.commit(
        [
            scene.draft(ada, Kind.COMMUNITY, room, "first"),
            change(room, lambda tx: (tx.messages.get(2), tx.messages.get(3))),
        ]
    )
    assert isinstance(changed, Changed)
    assert isinstance(changed.result, tuple)
    assert changed.result[0].content == "first"
    assert changed.result[1] is None


def test_nicknames_of_those_that_exist(scene: Scene) -> None:
    ada = scene.user("Ada 😀")
    room = scene.community(ada)
    assert scene.change(room, lambda tx: tx.nicknames((ada, 999))).result == {ada: "Ada 😀"}
