"""What a user calls conversations and people."""

from collections.abc import Iterable, Mapping

from imtornado.records import Kind
from storage.rows import destination
from storage.transactions import Tx


def headings_of(tx: Tx, user_id: int, keys: Mapping[int, str]) -> dict[int, tuple[str, str]]:
    """{conversation_id: (title, avatar)} of conversations {conversation_id: key}."""
    peers = {}  # {conversation_id: the other}
    for conversation_id, key in keys.items():
        kind, dstid = destination(key, user_id)
        if kind == Kind.SINGLE:
            peers[conversation_id] = dstid
    communities = tx.among(
        "SELECT conversation_id, name, icon FROM community WHERE conversation_id IN ({})",
        [conversation_id for conversation_id in keys if conversation_id not in peers],
    )
    found = {conversation_id: (name or "", icon) for conversation_id, name, icon in communities}
    names = nicknames_of(tx, user_id, peers.values())
    avatars: dict[int, str] = dict(tx.among("SELECT id, avatar FROM user WHERE id IN ({})", set(peers.values())))
    for conversation_id, peer_id in peers.items():
        found[conversation_id] = names.get(peer_id, ""), avatars.get(peer_id, "")
    return {conversation_id: found.get(conversation_id, ("", "")) for conversation_id in keys}


def nicknames_of(tx: Tx, user_id: int, user_ids: Iterable[int]) -> dict[int, str]:
    """{user: the remark that he gave him, or else his nickname}."""
    wanted = set(user_ids)
    names: dict[int, str] = dict(tx.among("SELECT id, nickname FROM user WHERE id IN ({})", wanted))
    remarks = tx.among(
        "SELECT friend_id, remark FROM contact WHERE friend_id IN ({}) AND owner_id = ? AND remark <> ''",
        wanted,
        user_id,
    )
    return names | dict(remarks)
