"""Changes of stored messages: recall, edit, reactions, and what has changed since."""

from collections.abc import Callable

from imtornado.change_records import ChangePage
from imtornado.config import Config
from imtornado.drafts import Change, ConversationTx
from imtornado.records import Kind, conversation_key
from imtornado.services import change_rules
from storage.store import Store


class Changes:
    """Every method takes the acting user and the conversation first.

    `recall`, `edit` and `react` return what the writer is to commit, with an `Altered` as its result; what they are
    said to raise is its outcome. Everywhere: NotFound (not his conversation, not his to see, gone), Busy (outcome
    unknown: a repeat of what has happened changes nothing).
    """

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._within_ms = config.messages.recall_s * 1000

    def since(self, user_id: int, kind: Kind, dstid: int, ver: int, limit: int) -> ChangePage:
        """At most `limit` changes after `ver`, of messages that he may see; for one who left up to his leaving.

        Worker threads only.
        """
        return self._store.conversations.changes(user_id, kind, dstid, ver, limit)

    def recall(self, user_id: int, kind: Kind, dstid: int, seq: int) -> Change:
        """Raises: NotAllowed (neither his nor is he an admin), TooLate."""
        return change_of(user_id, kind, dstid, lambda tx: change_rules.recall(tx, user_id, seq, self._within_ms))

    def edit(self, user_id: int, kind: Kind, dstid: int, *, seq: int, content: str) -> Change:
        """`content` within the limits of a message.

        Raises: NotAllowed (not a text of his own), TooLate, NotFriends, Silenced, AccountDisabled.
        """
        rule = change_rules.edit
        return change_of(user_id, kind, dstid, lambda tx: rule(tx, user_id, seq, content, self._within_ms))

    def react(self, user_id: int, kind: Kind, dstid: int, *, seq: int, emoji: str, on: bool) -> Change:
        """Raises: BadParameter (at once), LimitReached (too many emojis), NotFriends, Silenced, AccountDisabled."""
        change_rules.check_emoji(emoji)
        return change_of(user_id, kind, dstid, lambda tx: change_rules.react(tx, user_id, seq, emoji, on))


def change_of(user_id: int, kind: Kind, dstid: int, rule: Callable[[ConversationTx], object]) -> Change:
    """What the rule does to his conversation, and returns, when the writer applies it."""
    return Change(key=conversation_key(kind, user_id, dstid), apply=rule)
