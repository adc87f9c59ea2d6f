"""The store on a relational database: the parts put together. What the dialects differ in stands behind `Database`."""

from collections.abc import Callable, Mapping, Sequence

from imtornado.clock import Clock
from imtornado.drafts import Draft, Outcome
from imtornado.records import Event
from storage.chat_store import Communities, Conversations
from storage.communities import SqlCommunities
from storage.contacts import SqlContacts
from storage.conversations import SqlConversations
from storage.database import Database
from storage.events import SqlEvents
from storage.file_store import PartialUploads, Uploads
from storage.jobs import SqlJobs
from storage.messages import Committer
from storage.partial_uploads import SqlPartialUploads
from storage.passwords import SqlPasswords
from storage.people_store import Contacts, Passwords, Sessions, Tickets, Users
from storage.search import SqlSearch
from storage.search_index import SqlSearchIndex
from storage.search_store import Search, SearchIndex
from storage.sessions import SqlSessions
from storage.store import Cached, Events
from storage.tickets import SqlTickets
from storage.transactions import Transactions
from storage.uploads import SqlUploads
from storage.users import SqlUsers


class SqlStore:
    """`store.Store`; the database has the current schema already."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._transactions = Transactions(database, clock)
        self._committer = Committer(self._transactions)
        self.caches: Mapping[str, Cached] = {"conversations": self._committer.known}
        self.clock = clock
        self.timings = self._transactions.timings
        self.users: Users = SqlUsers(self._transactions)
        self.passwords: Passwords = SqlPasswords(self._transactions)
        self.tickets: Tickets = SqlTickets(self._transactions)
        self.sessions: Sessions = SqlSessions(self._transactions)
        self.contacts: Contacts = SqlContacts(self._transactions)
        self.communities: Communities = SqlCommunities(self._transactions)
        self.conversations: Conversations = SqlConversations(self._transactions)
        self.search: Search = SqlSearch(self._transactions)
        self.search_index: SearchIndex = SqlSearchIndex(self._transactions)
        self.events: Events = SqlEvents(self._transactions)
        self.uploads: Uploads = SqlUploads(self._transactions)
        self.partial_uploads: PartialUploads = SqlPartialUploads(self._transactions)
        self._jobs = SqlJobs(self._transactions)
        self._epoch = self._start()

    def _start(self) -> str:
        """The epoch; the clock is set not to run behind what is stored."""
        with self._transactions.read() as tx:
            for newest in (
                "SELECT max(changed_at_ms) FROM conversation",
                "SELECT max(changed_at_ms) FROM member",
                "SELECT max(created_at_ms) FROM event",
            ):
                self.clock.at_least(tx.number(newest))
            row = tx.one("SELECT value FROM meta WHERE name = 'epoch'")
        return str(row[0]) if row else ""

    @property
    def epoch(self) -> str:
        return self._epoch

    def on_events(self, callback: Callable[[Sequence[Event]], None]) -> None:
        self._transactions.on_events(callback)

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        return self._committer.commit(drafts)

    @property
    def commits_at_once(self) -> bool:
        return self._database.many_writers

    def settled_ms(self) -> int:
        return self._transactions.settled_ms()

    def reserve_ids(self, count: int) -> int:
        with self._transactions.write() as tx:
            return tx.next_ids("message", count)

    def hold(self, job: str, holder: str, for_ms: int) -> bool:
        return self._jobs.hold(job, holder, for_ms)

    def let_go(self, job: str, holder: str) -> None:
        self._jobs.let_go(job, holder)

    def check(self) -> None:
        with self._transactions.read() as tx:
            tx.one("SELECT value FROM meta WHERE name = 'epoch'")

    def checkpoint(self) -> None:
        self._database.checkpoint()

    def close(self) -> None:
        self._database.close()
