"""The lines that the server itself writes into a community, and the events it tells: text for people, JSON for clients.

A line's text is for clients that know no better; ours build the sentence from the event {kind, userids, by, …} in
the reader's language (docs/protocol.md, media 20). This module and `protocol` alone know the wire's words.
"""

from collections.abc import Sequence

import msgspec

from imtornado.drafts import ConversationTx
from imtornado.protocol import ROLES, rfc3339
from imtornado.records import Role


def say(
    tx: ConversationTx, kind: str, template: str, *, by: int, user_ids: Sequence[int] = (), quote: str = "", **more: str
) -> None:
    """Appends a system line.

    `template` has places for nicknames, {by} and {users}, for {quote}, and for `more`, which the event carries too.
    """
    names = tx.nicknames((by, *user_ids))
    users = ", ".join(names.get(user_id, str(user_id)) for user_id in user_ids)
    event = {"kind": kind, "userids": list(user_ids), "by": by} | more
    content = template.format(by=names.get(by, str(by)), users=users, quote=quote, **more)
    tx.say(by, content, msgspec.json.encode(event).decode())


def say_role(tx: ConversationTx, by: int, user_id: int, role: Role) -> None:
    text = "{by} made {users} an admin" if role == Role.ADMIN else "{users} is no longer an admin"
    say(tx, "role", text, by=by, user_ids=(user_id,), role=ROLES[role])


def say_silence(tx: ConversationTx, by: int, user_ids: Sequence[int], until_ms: int) -> None:
    """Nobody in `user_ids`: all plain members. `until_ms` 0: they may speak again."""
    if until_ms:
        text = "{by} silenced {users} until {until}" if user_ids else "{by} silenced all members until {until}"
        say(tx, "silenced", text, by=by, user_ids=user_ids, until=rfc3339(until_ms))
    else:
        text = "{by} lets {users} speak again" if user_ids else "{by} lets all members speak again"
        say(tx, "unsilenced", text, by=by, user_ids=user_ids)


def tell(tx: ConversationTx, user_id: int, kind: str) -> None:
    """An event about this community for one user, or for all members (user_id 0)."""
    tx.tell(user_id, kind, msgspec.json.encode({"dstid": tx.community_id}).decode())


def tell_request(tx: ConversationTx, asker_id: int) -> None:
    """Owner and admins hear that somebody asks to be let in."""
    data = msgspec.json.encode({"dstid": tx.community_id, "userid": asker_id}).decode()
    for admin_id in tx.admin_ids():
        tx.tell(admin_id, "community.request", data)
