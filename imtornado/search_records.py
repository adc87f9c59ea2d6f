"""Records of the search; what `records` says of all records goes for these too."""

from imtornado.records import Kind, Message, Record


class Found(Record, frozen=True):
    """A message that holds what was searched for; (kind, dstid) is its conversation as the caller calls it."""

    kind: Kind
    dstid: int
    title: str
    avatar: str
    nickname: str  # of the sender, or what the caller calls him
    message: Message


class FoundPage(Record, frozen=True):
    """Newest first. `next_position` (created_at_ms, conversation_id, seq): go on before it; None at the end.

    `behind` says at the end that there may be more: so many wait to be indexed that the search did not read them all.
    """

    rows: tuple[Found, ...]
    next_position: tuple[int, int, int] | None
    behind: bool


class Indexed(Record, frozen=True):
    """One step of the job behind the search index: how many messages, and how long they had been due."""

    messages: int
    lag_ms: int
    more: bool
