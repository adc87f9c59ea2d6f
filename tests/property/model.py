"""What the server must hold: conversations, windows, marks and changes, told again in a few plain rules."""

from dataclasses import dataclass, field

Key = tuple[int, int]


@dataclass
class Entry:
    """The message at a seq; `text` None: a line of the server."""

    sender: int
    text: str | None
    mention: tuple[int, ...] = ()
    recalled: bool = False


@dataclass
class Change:
    """`text` of an edit; `emoji` of a reaction that was given (`on`) or taken back."""

    kind: str
    seq: int
    user: int
    text: str = ""
    emoji: str = ""
    on: bool = False


Reactions = dict[str, frozenset[int]]  # {emoji: who gives it}


@dataclass
class Place:
    """A user's place in a conversation."""

    joined: int = 1
    left: int | None = None
    read: int = 0
    sent: int = 0
    cleared: int = 0
    pinned: bool = False
    muted: bool = False
    hidden: set[int] = field(default_factory=set)
    admin: bool = False


@dataclass
class Talk:
    """A conversation; `entries` are its seqs from 1 on."""

    kind: int
    places: dict[int, Place]
    entries: list[Entry] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)  # by ver, from 1 on
    left_ver: dict[int, int] = field(default_factory=dict)  # of those who left
    first: int = 1  # what was before it became too old to be kept

    @property
    def last(self) -> int:
        return len(self.entries)

    @property
    def present(self) -> list[int]:
        return [user for user, place in self.places.items() if place.left is None]

    def is_present(self, user: int) -> bool:
        return user in self.present

    def window(self, user: int) -> tuple[int, int]:
        place = self.places[user]
        return max(place.joined, place.cleared + 1, self.first), self.last if place.left is None else place.left

    def sees(self, user: int, seq: int) -> bool:
        """The seq is in his window."""
        if user not in self.places:
            return False
        first, last = self.window(user)
        return first <= seq <= last

    def reads(self, user: int, seq: int) -> bool:
        """He can read what it says."""
        return self.sees(user, seq) and not self.entries[seq - 1].recalled and seq not in self.places[user].hidden

    def unread(self, user: int) -> tuple[int, bool]:
        """(count, whether he is mentioned among them)."""
        place = self.places[user]
        _, last = self.window(user)
        known = max(place.read, place.sent, place.joined - 1, place.cleared, self.first - 1)
        mentioned = any(
            user in self.entries[seq - 1].mention and self.entries[seq - 1].sender != user and self.reads(user, seq)
            for seq in range(known + 1, last + 1)
        )
        return max(0, last - known), mentioned

    def is_listed(self, user: int, *, notebook: bool) -> bool:
        first, last = self.window(user)
        return self.is_present(user) and (first <= last or self.places[user].pinned or notebook)

    def append(self, entry: Entry) -> int:
        """The seq of a message."""
        self.entries.append(entry)
        if entry.text is not None:
            self.places[entry.sender].sent = self.last
        return self.last

    def line(self, actor: int) -> None:
        """The server says what the actor did; that is no news to him, unless older lines still are."""
        before = self.last
        self.entries.append(Entry(actor, None))
        place = self.places[actor]
        if before <= max(place.read, place.sent, place.joined - 1, place.cleared, self.first - 1):
            place.sent = self.last

    def enter(self, user: int) -> None:
        place = self.places.setdefault(user, Place())
        place.joined, place.left, place.admin = self.last + 1, None, False
        self.left_ver.pop(user, None)
        self.line(user)

    def depart(self, user: int, by: int) -> None:
        self.line(by)
        self.places[user].left = self.last
        self.left_ver[user] = len(self.changes)

    def ver(self, user: int) -> int:
        """The newest change that is his to know."""
        return self.left_ver.get(user, len(self.changes))

    def changes_seen(self, user: int) -> list[tuple[int, str, int]]:
        """(ver, change, seq) of those that he may fetch."""
        return [
            (ver, change.kind, change.seq)
            for ver, change in enumerate(self.changes[: self.ver(user)], start=1)
            if self.sees(user, change.seq) and change.seq not in self.places[user].hidden
        ]

    def state(self, seq: int, ver: int) -> tuple[str | None, bool, Reactions]:
        """(text, edited, reactions) of a message as it stood after the change `ver`."""
        text, edited = self.entries[seq - 1].text, False
        given: dict[str, set[int]] = {}
        for change in self.changes[:ver]:
            if change.seq == seq and change.kind == "edit":
                text, edited = change.text, True
            elif change.seq == seq and change.kind == "react":
                users = given.setdefault(change.emoji, set())
                (users.add if change.on else users.discard)(change.user)
        return text, edited, {emoji: frozenset(users) for emoji, users in given.items() if users}


@dataclass
class People:
    """Who knows whom."""

    friends: set[frozenset[int]] = field(default_factory=set)
    blocks: set[tuple[int, int]] = field(default_factory=set)

    def may_write(self, user: int, other: int) -> int:
        """0, or the code of the refusal."""
        if (user, other) in self.blocks or (other, user) in self.blocks:
            return 40304
        return 0 if user == other or frozenset((user, other)) in self.friends else 40302
