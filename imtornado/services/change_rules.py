"""Who may recall, edit and react, as functions of the writer's transaction.

As `community_rules`: rights are read from the transaction that makes the change, so that what committed first wins,
and a rule keeps nothing outside of `tx`. A conversation that one is not in and one that never was are the same
NotFound, and so are a seq outside of one's window, an unknown one and a message that is gone.
"""

import unicodedata

import msgspec

from imtornado.drafts import ConversationTx, ViewTx
from imtornado.errors import BadParameter, LimitReached, NotAllowed, NotFound, TooLate
from imtornado.protocol import rfc3339
from imtornado.records import SYSTEM_MEDIA, Gone, Message, Record, Role

TEXT_MEDIA = 1
EMOJI_CHARACTERS = 8
EMOJI_BYTES = 64
EMOJIS_OF_A_MESSAGE = 20
EMOJIS_OF_A_USER = 5  # on one message
# They only shape the character before them: joiner, presentation, skin tone, and the tags of flags.
_SHAPING = frozenset("\u200d\ufe0e\ufe0f") | {
    chr(code) for code in (*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080))
}


class Altered(Record, frozen=True):
    """The ver of the change; `dup`: it stood so already, nothing was changed, and `ver` is the newest."""

    seq: int
    ver: int
    dup: bool


def check_emoji(emoji: str) -> None:
    """Raises: BadParameter unless it is short and visible."""
    plain = [character for character in emoji if character not in _SHAPING]
    if not 0 < len(plain) <= EMOJI_CHARACTERS or len(emoji.encode()) > EMOJI_BYTES:
        raise BadParameter("An emoji has 1 to {count} characters.", field="emoji", count=EMOJI_CHARACTERS)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp") for character in plain):
        raise BadParameter("An emoji may not hold blanks or control characters.", field="emoji")


def recall(tx: ConversationTx, user_id: int, seq: int, within_ms: int) -> Altered:
    """Takes a message back for everybody: its sender in time, an admin of the community at any time.

    Whoever might recall it and finds it recalled has what he wanted. Raises: NotFound, NotAllowed, TooLate.
    """
    message = _within(tx, present(tx, user_id), seq)
    may_always = is_admin(tx, user_id)
    if message.gone and (message.gone != Gone.RECALLED or not (may_always or message.sender_id == user_id)):
        raise NotFound("There is no such message.", field="seq")
    if message.gone:
        return Altered(seq, tx.messages.ver, dup=True)
    if message.media == SYSTEM_MEDIA or not (may_always or message.sender_id == user_id):
        raise NotAllowed("Only its sender or an admin may recall a message.", field="seq")
    if not may_always:
        _in_time(tx, message, within_ms)
    tx.messages.blank(seq, Gone.RECALLED)
    return Altered(seq, tx.messages.record(user_id, "recall", seq, ""), dup=False)


def edit(tx: ConversationTx, user_id: int, seq: int, content: str, within_ms: int) -> Altered:
    """Gives a text message of his own another text, in time and while he may write.

    Raises: NotFound, NotAllowed, TooLate, and what sending raises for want of the right to write.
    """
    view = present(tx, user_id)
    message = _visible(tx, view, seq)
    if message.sender_id != user_id or message.media != TEXT_MEDIA:
        raise NotAllowed("Only text messages of your own can be edited.", field="seq")
    if message.content == content:
        return Altered(seq, tx.messages.ver, dup=True)
    _may_write(view)
    _in_time(tx, message, within_ms)
    data = msgspec.json.encode({"content": content, "edited": rfc3339(tx.now_ms)}).decode()
    ver = tx.messages.record(user_id, "edit", seq, data)
    tx.messages.rewrite(seq, content, ver)
    return Altered(seq, ver, dup=False)


def react(tx: ConversationTx, user_id: int, seq: int, emoji: str, on: bool) -> Altered:
    """Puts an emoji of his below a message or takes it away. Giving one needs the right to write, taking it back not.

    Raises: NotFound, LimitReached, and what sending raises for want of the right to write.
    """
    view = present(tx, user_id)
    _visible(tx, view, seq)
    tally = tx.messages.tally(seq, user_id)
    count, mine = tally.get(emoji, (0, False))
    if mine == on:
        return Altered(seq, tx.messages.ver, dup=True)
    if on:
        _may_write(view)
        if emoji not in tally and len(tally) >= EMOJIS_OF_A_MESSAGE:
            raise LimitReached("A message has at most {limit} emojis.", field="emoji", limit=EMOJIS_OF_A_MESSAGE)
        if sum(given for _, given in tally.values()) >= EMOJIS_OF_A_USER:
            raise LimitReached(
                "You can give at most {limit} emojis to a message.", field="emoji", limit=EMOJIS_OF_A_USER
            )
    tx.messages.react(seq, user_id, emoji, on)
    data = msgspec.json.encode({"emoji": emoji, "on": on, "count": count + (1 if on else -1)}).decode()
    return Altered(seq, tx.messages.record(user_id, "react", seq, data), dup=False)


def of_member(tx: ConversationTx, user_id: int) -> ViewTx:
    """His view, of one who left too. Raises: NotFound for a stranger."""
    view = tx.view(user_id)
    if view is None:
        raise no_conversation(tx)
    return view


def present(tx: ConversationTx, user_id: int) -> ViewTx:
    """His view; he is in the conversation now. Raises: NotFound."""
    view = of_member(tx, user_id)
    if not view.present:
        raise no_conversation(tx)
    return view


def no_conversation(tx: ConversationTx) -> NotFound:
    """As of a conversation that never was."""
    if tx.community_id:
        return NotFound("There is no such community.", field="dstid")
    return NotFound("There is no such conversation.", field="dstid")


def is_admin(tx: ConversationTx, user_id: int) -> bool:
    state = tx.member(user_id)
    return state is not None and state.present and state.role >= Role.ADMIN


def _within(tx: ConversationTx, view: ViewTx, seq: int) -> Message:
    first, last = view.window
    message = tx.messages.get(seq) if first <= seq <= last else None
    if message is None:
        raise NotFound("There is no such message.", field="seq")
    return message


def _visible(tx: ConversationTx, view: ViewTx, seq: int) -> Message:
    message = _within(tx, view, seq)
    if message.gone or view.hides(seq):
        raise NotFound("There is no such message.", field="seq")
    return message


def _may_write(view: ViewTx) -> None:
    why = view.refusal()
    if why is not None:
        raise why


def _in_time(tx: ConversationTx, message: Message, within_ms: int) -> None:
    if tx.now_ms - message.created_at_ms > within_ms:
        raise TooLate("This message is older than {seconds} s.", field="seq", seconds=within_ms // 1000)
