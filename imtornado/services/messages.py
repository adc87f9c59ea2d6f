"""Reading what was said: conversations and their history. Writing goes through `live.writer`."""

from imtornado.errors import BadParameter
from imtornado.records import Conversation, HistoryPage, Kind, Record
from storage.store import Store

FIRST_PAGE = (0, 0)


class ConversationPage(Record, frozen=True):
    """`next_cursor` is "" after the last page; `now_ms` was read before the rows: ask `since` from there."""

    rows: tuple[Conversation, ...]
    next_cursor: str
    now_ms: int


class Messages:
    """Every method takes the acting user first and runs on a worker thread. Raises, everywhere: Busy."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def conversations(self, user_id: int, cursor: str, since_ms: int | None, limit: int) -> ConversationPage:
        """Newest message first; with `since_ms` what changed since, the ones left too, what moved longest ago first.

        Raises: BadParameter.
        """
        now_ms = self._store.settled_ms()
        place = _parse_cursor(cursor)
        if since_ms is None:
            rows = self._store.conversations.list(user_id, *place, limit)
        else:
            rows = self._store.conversations.changed(user_id, since_ms, place, limit)
        last = rows[-1] if len(rows) == limit else None
        return ConversationPage(rows, f"{last.place_ms:x}.{last.conversation_id:x}" if last else "", now_ms)

    def history(
        self, user_id: int, kind: Kind, dstid: int, *, before: int | None, after: int | None, limit: int
    ) -> HistoryPage:
        """Every seq next to `before` or `after` inside the user's window. Raises: NotFound, BadParameter."""
        if before is not None and after is not None:
            raise BadParameter("Name before or after, not both.", field="before")
        return self._store.conversations.history(user_id, kind, dstid, before, after, limit)

    def readers(self, user_id: int, community_id: int, seq: int) -> tuple[int, ...]:
        """Members who have read the community up to `seq`, by id. Raises: NotFound (outside of his window)."""
        return self._store.conversations.readers(user_id, community_id, seq)


def _parse_cursor(text: str) -> tuple[int, int]:
    if not text:
        return FIRST_PAGE
    changed, _, conversation_id = text.partition(".")
    try:
        return int(changed, 16), int(conversation_id, 16)
    except ValueError:
        raise BadParameter("This is not a cursor that this server gave.", field="after") from None
