"""The part of the storage interface that finds messages by their words; what `store.py` says holds here too."""

from typing import Protocol

from imtornado.search_records import FoundPage, Indexed
from imtornado.tokenizer import Query


class Search(Protocol):
    def find(
        self,
        user_id: int,
        query: Query,
        place: tuple[int, int] | None,
        before: tuple[int, int, int] | None,
        limit: int,
    ) -> FoundPage:
        """Messages with all terms of the query that he may see now, in one conversation (kind, dstid) or in all.

        The same windows, gone and deleted seqs and texts as `Conversations.history`. At most `limit` rows; fewer, or
        none, beside a position to go on from where very much had to be looked through. Raises: NotFound (as history).
        """


class SearchIndex(Protocol):
    """The index behind `Search`: a few seconds behind the messages. Of several processes one works at it at a time."""

    def step(self, holder: str, limit: int) -> Indexed | None:
        """Indexes `limit` messages or so, in one transaction with its progress. None: another holder does it now."""

    def start_anew(self) -> None:
        """Lets the next steps empty the index and make it again from the messages."""

    def waiting(self) -> int:
        """Messages that are not indexed yet. Looks at every conversation."""

    def is_complete(self) -> bool:
        """Nothing waits to be indexed at this moment."""
