"""The storage interface. This module is the contract; `tests/storage/` holds every backend to it.

It is grouped by noun: people in `people_store`, what they talk in in `chat_store`, files in `file_store`, the search in
`search_store`; here is what holds for all of them, and how they come together.

Every method is one transaction and is called on a worker thread, never on the IOLoop. Unique indexes decide
duplicates; limits that count lock the counted row first. `now_ms` comes from the store's clock. A method that
changes a relation, session, profile or community writes the events of the change in the same transaction and
hands them to `on_events` after the commit.

Kinds of events (their `data` is JSON with wire names; a NOTICE unless marked *):
    contact.request {userid}, contact.added {userid}, contact.removed {userid}, contact.updated {userid}
    profile.updated {userid}            for the user himself; watchers hear of it through presence
    community.joined {dstid}, community.left {dstid}, community.kicked {dstid}, community.request {dstid, userid}
    community.updated {dstid}, community.dissolved {dstid}          for all members
    session.added {id}, *session.ended {id}, *account.disabled {}
    conversation.updated {kind, dstid, deleted?}    pin, mute, clear of one's own; `deleted`: seqs deleted for himself

Raises, everywhere: Busy when the database is locked, full or away (nothing was committed, or the outcome is unknown).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from imtornado.clock import Clock
from imtornado.drafts import Draft, Outcome
from imtornado.errors import Busy
from imtornado.records import Event
from imtornado.timings import Timings
from storage.chat_store import Communities, Conversations
from storage.chat_store import NewCommunity as NewCommunity
from storage.file_store import PartialUploads, Uploads
from storage.people_store import PASSWORD as PASSWORD
from storage.people_store import REGISTRATION as REGISTRATION
from storage.people_store import Contacts, Passwords, Sessions, Tickets, Users
from storage.people_store import NewSession as NewSession
from storage.people_store import NewUser as NewUser
from storage.search_store import Search, SearchIndex


class Unsettled(Busy):
    """The batch may have been committed; `settle` gives its outcomes. Raises: Busy, as long as it cannot be told."""

    def __init__(self, settle: Callable[[], list[Outcome]]) -> None:
        super().__init__("The database is busy. Please try again.", retry_after_ms=1000)
        self.settle = settle


class Events(Protocol):
    def position(self) -> int:
        """The id of the newest event, 0 when there is none."""

    def after(self, event_id: int, limit: int) -> tuple[Event, ...]:
        """Ascending by id."""

    def prune(self, before_ms: int, limit: int) -> int:
        """Removes about `limit` of the oldest events of before then; how many it were, fewer where no more are left."""


class Cached(Protocol):
    """What is remembered of the database, bounded; `hits` were found there, `misses` were not."""

    hits: int
    misses: int

    def __len__(self) -> int: ...


class Store(Protocol):
    users: Users
    passwords: Passwords
    tickets: Tickets
    sessions: Sessions
    contacts: Contacts
    communities: Communities
    conversations: Conversations
    search: Search
    search_index: SearchIndex
    events: Events
    uploads: Uploads
    partial_uploads: PartialUploads
    clock: Clock
    timings: Timings  # of its transactions, by the method that opened them; those of `commit` are "batch"
    caches: Mapping[str, Cached]  # by what they remember

    @property
    def epoch(self) -> str:
        """The database's own uuid: a restore makes a new one."""

    def on_events(self, callback: Callable[[Sequence[Event]], None]) -> None:
        """`callback` gets, after each commit outside of `commit` and on the committing thread, the events it wrote."""

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """One transaction for all drafts, in order; an outcome for each. Threads of the writer only.

        Repeats of a (sender, cid) get the first one's place with `dup`; the same cid with another body is a
        CidConflict; a sender without the right at this moment gets NotFriends, NotMember or Silenced (AccountDisabled
        where his account is). A url or pic under /resource/
        becomes a file use, or NotFound(field=url|pic) where the sender neither uploaded it nor may see it. A reply to a
        seq outside his window is BadParameter(field=reply). No draft can make another fail.
        Raises: Busy: the whole batch has an unknown outcome. Unsettled: and it will be known.
        """

    @property
    def commits_at_once(self) -> bool:
        """`commit` may run on several threads, each with conversations of its own."""

    def settled_ms(self) -> int:
        """The stamp to give somebody now: every change of an earlier time is seen by whoever reads from now on."""

    def reserve_ids(self, count: int) -> int:
        """First of `count` message ids that nobody else will ever get; below 2**53."""

    def hold(self, job: str, holder: str, for_ms: int) -> bool:
        """True: `holder` is the one who does the job, for so long from now. False: another one is.

        Asked again in time he stays it; whoever falls silent is followed by the next who asks.
        """

    def let_go(self, job: str, holder: str) -> None:
        """Who asks next gets the job at once, if `holder` has it still."""

    def check(self) -> None:
        """Proves that the database answers. Raises: Busy."""

    def checkpoint(self) -> None:
        """What was removed leaves the database's journal too, where it keeps one. Raises: Busy."""

    def close(self) -> None:
        """Closes every connection. No call may follow."""
