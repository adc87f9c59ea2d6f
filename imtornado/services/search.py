"""Finding messages by their words."""

from imtornado import tokenizer
from imtornado.errors import BadParameter, NotAllowed
from imtornado.records import Kind, Record
from imtornado.search_records import Found
from storage.store import Store


class Hit(Record, frozen=True):
    """A message that was found, and the part of its text with the words; "" where only its file's name has them."""

    found: Found
    excerpt: str


class HitPage(Record, frozen=True):
    """Newest first. `next_cursor` is "" after the last page; a page may be short, or empty, and not the last.

    `indexing` says on the last one that the index is still to be filled, so that hits may be missing.
    """

    hits: tuple[Hit, ...]
    next_cursor: str
    indexing: bool


class Search:
    """Worker threads only. Raises, everywhere: Busy."""

    def __init__(self, store: Store, enabled: bool) -> None:
        self._store = store
        self._enabled = enabled

    def messages(self, user_id: int, text: str, place: tuple[Kind, int] | None, cursor: str, limit: int) -> HitPage:
        """What he may see now and holds all words of the text, in one conversation (kind, dstid) or in all.

        Raises: BadParameter (nothing that can be looked up, a foreign cursor), NotFound (no conversation of his),
        NotAllowed (switched off).
        """
        if not self._enabled:
            raise NotAllowed("Searching is switched off on this server.")
        wanted = tokenizer.query(text)
        page = self._store.search.find(user_id, wanted, place, _parse_cursor(cursor), limit)
        hits = tuple(Hit(found, tokenizer.excerpt(found.message.content, wanted)) for found in page.rows)
        position = page.next_position
        cursor = ".".join(f"{number:x}" for number in position) if position else ""
        return HitPage(hits, cursor, page.behind)


def _parse_cursor(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    try:
        at_ms, conversation_id, seq = (int(part, 16) for part in text.split("."))
    except ValueError:
        raise BadParameter("This is not a cursor that this server gave.", field="after") from None
    if not all(0 <= number < 2**53 for number in (at_ms, conversation_id, seq)):
        raise BadParameter("This is not a cursor that this server gave.", field="after")
    return at_ms, conversation_id, seq
