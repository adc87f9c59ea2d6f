"""Why a message is refused; asked only after the right to write was not there, or for a reply or a file."""

from imtornado.drafts import MessageDraft
from imtornado.errors import AccountDisabled, BadParameter, ImError, NotFound, NotFriends, NotMember, Silenced
from imtornado.records import Kind
from imtornado.resource_urls import PREFIX
from storage.file_uses import usable_file
from storage.locked import LockedConversation
from storage.places import blocks
from storage.rows import window
from storage.transactions import Tx


def no_place(kind: int) -> ImError:
    """What a stranger is told, and whoever asks for what does not exist."""
    if kind == Kind.COMMUNITY:
        return NotMember("You are not a member of this community.", field="dstid")
    return NotFriends("You are not friends.", field="dstid")


def refusal(tx: Tx, sender_id: int, kind: int, dstid: int, conversation_id: int) -> ImError | None:
    """Why he may not write there now; None when he may."""
    if tx.number("SELECT disabled_at_ms FROM user WHERE id = ?", sender_id):
        return AccountDisabled("This account is disabled.")
    if kind == Kind.SINGLE:
        if blocks(tx, sender_id, dstid):
            return Silenced("You have blocked this user.", field="dstid")
        if blocks(tx, dstid, sender_id):
            return Silenced("This user does not accept messages from you.", field="dstid")
    place = tx.one(
        "SELECT may_send, left_seq, silenced_until_ms FROM member WHERE user_id = ? AND conversation_id = ?",
        sender_id,
        conversation_id,
    )
    if place is None or not place[0] or place[1] is not None:
        return no_place(kind)
    if place[2] > tx.now_ms:
        return Silenced("You are silenced in this community.", field="dstid", retry_after_ms=place[2] - tx.now_ms)
    return None


def needs_look(draft: MessageDraft) -> bool:
    """A reply, or a file of ours: most messages have neither."""
    return draft.reply_seq != 0 or draft.url.startswith(PREFIX) or draft.pic.startswith(PREFIX)


def files_of(tx: Tx, draft: MessageDraft, conversation: LockedConversation) -> set[str] | ImError:
    """The files that the message uses, or why it is refused. Whoever may not write here is told that, nothing else."""
    place = tx.one(
        "SELECT joined_seq, cleared_seq, left_seq FROM member WHERE user_id = ? AND conversation_id = ?",
        draft.sender_id,
        conversation.conversation_id,
    )
    conversation_id = conversation.conversation_id
    if place is None or refusal(tx, draft.sender_id, draft.kind, draft.dstid, conversation_id) is not None:
        return set()  # the right to write will say it
    first, last = window(conversation.first_seq, conversation.last_seq, *place)
    if draft.reply_seq and not first <= draft.reply_seq <= last:
        return BadParameter("There is no message to reply to.", field="reply")
    try:
        files = (usable_file(tx, getattr(draft, field), draft.sender_id, field) for field in ("url", "pic"))
        return {file for file in files if file is not None}
    except NotFound as error:
        return error.bare()
