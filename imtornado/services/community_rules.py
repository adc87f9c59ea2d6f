"""What may happen inside a community, as functions of the writer's transaction.

A rule reads the rights of everybody concerned from the transaction that it changes: a kick or a demotion that
committed first wins. The writer may run a rule again when a batch is retried, so a rule keeps nothing outside of `tx`.
Rank: owner > admin > member; one acts only on a lower rank. Somebody outside, a community that never was and a
dissolved one are the same NotFound.
"""

from collections.abc import Sequence

from imtornado.drafts import ConversationTx, MemberState
from imtornado.errors import BadParameter, LimitReached, NotAllowed, NotFound
from imtornado.records import Policy, Role
from imtornado.services import system_lines

INVITATION = "community"  # purpose of the tickets behind invitation links


def ranked(role: Role | None, least: Role) -> None:
    """Lets a rank pass that is high enough; None is somebody outside. Raises: NotFound, NotAllowed."""
    if role is None:
        raise NotFound("There is no such community.", field="dstid")
    if role < least:
        if least == Role.OWNER:
            raise NotAllowed("Only the owner of the community may do this.")
        raise NotAllowed("Only the owner and the admins of the community may do this.")


def acting(tx: ConversationTx, user_id: int, least: Role = Role.MEMBER) -> MemberState:
    """The actor, present now and of rank `least`. Raises: NotFound, NotAllowed."""
    tx.community()
    state = tx.member(user_id)
    if state is None or not state.present:
        raise NotFound("There is no such community.", field="dstid")
    ranked(state.role, least)
    return state


def fellow(tx: ConversationTx, member_id: int) -> MemberState:
    """The member who is acted upon. Raises: NotFound."""
    state = tx.member(member_id)
    if state is None or not state.present:
        raise NotFound("There is no such member in this community.", field="memberid")
    return state


def lesser(tx: ConversationTx, actor: MemberState, member_id: int) -> MemberState:
    """The member who is acted upon, of a lower rank than the actor. Raises: NotFound, NotAllowed."""
    state = fellow(tx, member_id)
    if state.role >= actor.role:
        raise NotAllowed("You may do this only to members of a lower rank than yours.", field="memberid")
    return state


def admit(tx: ConversationTx, user_ids: Sequence[int], by: int) -> None:
    """Lets users in who are outside; `by` is the user himself or who brought him."""
    for user_id in user_ids:
        tx.enter(user_id, Role.MEMBER)
        system_lines.tell(tx, user_id, "community.joined")
    text = "{by} joined" if tuple(user_ids) == (by,) else "{by} added {users}"
    system_lines.say(tx, "joined", text, by=by, user_ids=user_ids)


def join(tx: ConversationTx, user_id: int, memo: str, link: bytes | None = None) -> bool:
    """True: he is inside (also when he was); False: he waits for approval. `link`: the hash of an invitation's token.

    Raises: NotFound (dissolved; the link is not valid, or its maker no admin now), NotAllowed (by invitation only).
    """
    _, _, policy, _ = tx.community()
    state = tx.member(user_id)
    if state is not None and state.present:
        return True
    if link is not None:
        ticket = tx.ticket(link, INVITATION)
        host = tx.member(ticket.created_by) if ticket and ticket.subject_id == tx.community_id else None
        if host is None or not host.present or host.role < Role.ADMIN:
            raise NotFound("This invitation is not valid any more.", field="invite")
    elif policy == Policy.INVITE:
        raise NotAllowed("This community can be joined by invitation only.")
    elif policy == Policy.APPROVAL:
        if tx.ask(user_id, memo):
            system_lines.tell_request(tx, user_id)
        return False
    admit(tx, (user_id,), by=user_id)
    return True


def invite(tx: ConversationTx, user_id: int, friend_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """(let in now, waiting for approval); those who are inside already are in neither."""
    actor = acting(tx, user_id)
    _, _, policy, _ = tx.community()
    states = {friend_id: tx.member(friend_id) for friend_id in friend_ids}
    outside = [friend_id for friend_id, state in states.items() if state is None or not state.present]
    if not outside:
        return [], []
    if policy == Policy.OPEN or actor.role >= Role.ADMIN:
        admit(tx, outside, by=user_id)
        return outside, []
    memo = "Invited by " + tx.nicknames((user_id,)).get(user_id, str(user_id))
    for friend_id in outside:
        if tx.ask(friend_id, memo):
            system_lines.tell_request(tx, friend_id)
    return [], outside


def answer(tx: ConversationTx, user_id: int, asker_id: int, approve: bool) -> None:
    """An admin answers a request. Raises: NotFound (no open request)."""
    acting(tx, user_id, Role.ADMIN)
    if not tx.drop_request(asker_id):
        raise NotFound("This request is not open any more.", field="memberid")
    if approve:
        admit(tx, (asker_id,), by=user_id)
    for admin_id in tx.admin_ids():
        system_lines.tell(tx, admin_id, "community.updated")  # their lists of requests are shorter now


def leave(tx: ConversationTx, user_id: int) -> None:
    """Raises: LimitReached for the owner."""
    if acting(tx, user_id).role == Role.OWNER:
        raise LimitReached("You own this community. Hand it over to a member or dissolve it before you leave.")
    system_lines.say(tx, "left", "{by} left", by=user_id, user_ids=(user_id,))
    system_lines.tell(tx, user_id, "community.left")
    tx.depart(user_id)


def kick(tx: ConversationTx, user_id: int, member_id: int) -> None:
    lesser(tx, acting(tx, user_id, Role.ADMIN), member_id)
    system_lines.say(tx, "kicked", "{by} removed {users}", by=user_id, user_ids=(member_id,))
    system_lines.tell(tx, member_id, "community.kicked")
    tx.depart(member_id)


def set_role(tx: ConversationTx, user_id: int, member_id: int, role: Role) -> None:
    """The owner makes a member an admin, or an admin a member."""
    state = lesser(tx, acting(tx, user_id, Role.OWNER), member_id)
    if state.role == role:
        return
    tx.set_role(member_id, role)
    system_lines.say_role(tx, user_id, member_id, role)
    system_lines.tell(tx, 0, "community.updated")


def transfer(tx: ConversationTx, user_id: int, member_id: int, max_owned: int) -> None:
    """The owner becomes an admin, the member the owner. Raises: LimitReached when he owns `max_owned` already."""
    acting(tx, user_id, Role.OWNER)
    if member_id == user_id:
        raise BadParameter("You own this community already.", field="memberid")
    fellow(tx, member_id)
    if tx.owned_count(member_id) >= max_owned:
        raise LimitReached(
            "This member owns {limit} communities already, more are not allowed.", field="memberid", limit=max_owned
        )
    tx.set_role(user_id, Role.ADMIN)
    tx.set_role(member_id, Role.OWNER)
    tx.silence(member_id, 0)
    tx.set_community(owner_id=member_id)
    system_lines.say(tx, "transferred", "{by} handed the community over to {users}", by=user_id, user_ids=(member_id,))
    system_lines.tell(tx, 0, "community.updated")


def silence(tx: ConversationTx, user_id: int, member_id: int | None, for_ms: int) -> None:
    """One member, or (None) all plain members, may not write for `for_ms`; 0 lets them speak again."""
    actor = acting(tx, user_id, Role.ADMIN)
    if member_id is not None:
        lesser(tx, actor, member_id)
    until_ms = tx.now_ms + for_ms if for_ms else 0
    tx.silence(member_id, until_ms)
    system_lines.say_silence(tx, user_id, () if member_id is None else (member_id,), until_ms)
    system_lines.tell(tx, member_id or 0, "community.updated")


def update(tx: ConversationTx, user_id: int, columns: dict[str, object]) -> None:
    """Changes name, icon, cate, memo, policy. Raises: Conflict (the name is taken)."""
    acting(tx, user_id, Role.ADMIN)
    _, name, _, _ = tx.community()
    tx.set_community(**columns)
    new_name = columns.get("name", name)
    if new_name != name:
        system_lines.say(tx, "renamed", "{by} renamed the community to {name}", by=user_id, name=str(new_name))
    system_lines.tell(tx, 0, "community.updated")


def announce(tx: ConversationTx, user_id: int, announcement: str) -> None:
    acting(tx, user_id, Role.ADMIN)
    tx.set_community(announcement=announcement)
    text = "{by} announced: {quote}" if announcement else "{by} removed the announcement"
    system_lines.say(tx, "announced", text, by=user_id, quote=announcement)
    system_lines.tell(tx, 0, "community.updated")


def dissolve(tx: ConversationTx, user_id: int) -> None:
    acting(tx, user_id, Role.OWNER)
    system_lines.tell(tx, 0, "community.dissolved")
    tx.dissolve()
