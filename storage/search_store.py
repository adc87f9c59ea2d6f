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
    """The index behind `Search`. Of several processes one works at it at a time.

    The last messages of a conversation, its tail, are looked at by `Search` itself: they come into the index when they
    are many or have rested for a while. `tails` asks for them all at once.
    """

    def step(self, holder: str, limit: int, *, tails: bool = False) -> Indexed | None:
        """Indexes `limit` messages or so, in one transaction with its progress. None: another holder does it now."""

    def start_anew(self) -> None:
        """Lets the next steps empty the index and make it again from the messages."""

    def waiting(self) -> int:
        """Messages that are not indexed yet. Looks at every conversation."""

    def is_complete(self, *, tails: bool = False) -> bool:
        """A step has nothing to do at this moment."""
