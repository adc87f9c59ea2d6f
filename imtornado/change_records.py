"""Records of what became of stored messages; what `records` says of all records goes for these too."""

from imtornado.records import Record


class MessageChange(Record, frozen=True):
    """A recall, edit or reaction of a stored message. `data` is a JSON object with wire names, "" for none.

    `blind` holds the present members who may not see that message: of the change they hear nothing but its ver.
    """

    kind: int
    dstid: int  # the community, or the other user as the actor calls him
    actor_id: int
    ver: int
    change: str
    seq: int
    data: str
    blind: frozenset[int] = frozenset()


class ChangePage(Record, frozen=True):
    """Changes that the caller may see, ascending. He has then all up to `ver`; `last_ver` is the newest for him."""

    changes: tuple[MessageChange, ...]
    ver: int
    last_ver: int
