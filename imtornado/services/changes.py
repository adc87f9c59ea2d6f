"""Changes of stored messages: recall, edit, reactions, and what has changed since."""

from collections.abc import Callable
from typing import TypeVar, cast

from imtornado.change_records import ChangePage
from imtornado.config import Config
from imtornado.drafts import Change, Changed, ConversationTx
from imtornado.records import Kind, conversation_key
from imtornado.services import change_rules
from imtornado.services.change_rules import Altered
from imtornado.services.community_changes import Commit
from storage.store import Store

T = TypeVar("T")


def run(commit: Commit, user_id: int, kind: Kind, dstid: int, rule: Callable[[ConversationTx], T]) -> T:
    """What the rule returned, after the commit. Worker threads; blocks. Raises: what it raised, NotFound, Busy."""
    outcome = commit(Change(key=conversation_key(kind, user_id, dstid), apply=rule))
    return cast(T, cast(Changed, outcome).result)


class Changes:
    """Every method takes the acting user and the conversation first, and runs on a worker thread.

    Raises, everywhere: NotFound (not his conversation, not his to see, gone), Busy (outcome unknown: a repeat of what
    has happened changes nothing).
    """

    def __init__(self, store: Store, config: Config, commit: Commit) -> None:
        self._store = store
        self._commit = commit
        self._within_ms = config.messages.recall_s * 1000

    def since(self, user_id: int, kind: Kind, dstid: int, ver: int, limit: int) -> ChangePage:
        """At most `limit` changes after `ver`, of messages that he may see; for one who left up to his leaving."""
        return self._store.conversations.changes(user_id, kind, dstid, ver, limit)

    def recall(self, user_id: int, kind: Kind, dstid: int, seq: int) -> Altered:
        """Raises: NotAllowed (neither his nor is he an admin), TooLate."""
        return self._run(user_id, kind, dstid, lambda tx: change_rules.recall(tx, user_id, seq, self._within_ms))

    def edit(self, user_id: int, kind: Kind, dstid: int, *, seq: int, content: str) -> Altered:
        """`content` within the limits of a message.

        Raises: NotAllowed (not a text of his own), TooLate, NotFriends, Silenced, AccountDisabled.
        """
        rule = change_rules.edit
        return self._run(user_id, kind, dstid, lambda tx: rule(tx, user_id, seq, content, self._within_ms))

    def react(self, user_id: int, kind: Kind, dstid: int, *, seq: int, emoji: str, on: bool) -> Altered:
        """Raises: BadParameter, LimitReached (too many emojis), NotFriends, Silenced, AccountDisabled."""
        change_rules.check_emoji(emoji)
        return self._run(user_id, kind, dstid, lambda tx: change_rules.react(tx, user_id, seq, emoji, on))

    def _run(self, user_id: int, kind: Kind, dstid: int, rule: Callable[[ConversationTx], Altered]) -> Altered:
        return run(self._commit, user_id, kind, dstid, rule)
