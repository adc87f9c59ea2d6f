"""Who may use and see which file: a URL is not a right."""

from imtornado.errors import NotFound
from imtornado.resource_urls import PREFIX
from storage.transactions import Tx

_CLAIMED = "SELECT 1 FROM upload_claim WHERE name = ? AND user_id = ?"
_PUBLIC = "SELECT 1 FROM file_use WHERE name = ? AND conversation_id = 0 LIMIT 1"
# Driven by the places of the user (CROSS JOIN keeps the order): a popular file may stand in very many messages.
# After a SELECT of columns of the message `x` or its use `f`; `more` joins what else is wanted.
IN_MESSAGE = (
    " FROM member m"
    " CROSS JOIN file_use f ON f.name = ? AND f.conversation_id = m.conversation_id AND f.seq >= m.joined_seq"
    " AND f.seq > m.cleared_seq AND (m.left_seq IS NULL OR f.seq <= m.left_seq)"
    " CROSS JOIN conversation c0 ON c0.id = m.conversation_id AND f.seq >= c0.first_seq"
    " CROSS JOIN message x ON x.conversation_id = f.conversation_id AND x.seq = f.seq AND x.gone = 0"
    "{more} WHERE m.user_id = ? AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.user_id = m.user_id"
    " AND h.conversation_id = f.conversation_id AND h.seq = f.seq) LIMIT 1"
)


def resource_name(url: str) -> str:
    """The name in a URL of ours, "" in any other."""
    return url[len(PREFIX) :].partition("?")[0].partition("#")[0] if url.startswith(PREFIX) else ""


def file_named(tx: Tx, name: str, lock: str = "") -> str | None:
    """The main name of the file with this name or thumbnail; None for an unknown one."""
    row = tx.one(f"SELECT name FROM upload WHERE name = ?{lock}", name) or (
        tx.one(f"SELECT name FROM upload WHERE thumb = ?{lock}", name) if name else None
    )
    return None if row is None else str(row[0])


def may_see(tx: Tx, file: str, user_id: int) -> bool:
    """He uploaded it, or may see one of its uses now."""
    return (
        tx.one(_CLAIMED, file, user_id) is not None
        or tx.one(_PUBLIC, file) is not None
        or tx.one("SELECT 1" + IN_MESSAGE.format(more=""), file, user_id) is not None
    )


def usable_file(tx: Tx, url: str, user_id: int, field: str) -> str | None:
    """The main name of the file behind a URL of ours, None for any other URL. Raises: NotFound (not his to use)."""
    name = resource_name(url)
    if not url.startswith(PREFIX):
        return None
    file = file_named(tx, name, tx.database.for_share)  # it shall not be forgotten before our use of it is seen
    if file is None or not may_see(tx, file, user_id):
        raise NotFound("There is no such file.", field=field)
    return file


def use_in_profile(tx: Tx, user_id: int, old_url: str, new_url: str) -> None:
    """Moves the user's profile use from one picture to the other. Raises: NotFound(field=avatar)."""
    file = usable_file(tx, new_url, user_id, "avatar")
    _move(tx, old_url, file, user_id=user_id)


def use_in_community(tx: Tx, community_id: int, user_ids: tuple[int, ...], old_url: str, new_url: str) -> None:
    """Moves the community's use; one of `user_ids` must be able to use the new icon. Raises: NotFound(field=icon)."""
    file = None
    for place, user_id in enumerate(user_ids, start=1):
        try:
            file = usable_file(tx, new_url, user_id, "icon")
            break
        except NotFound:
            if place == len(user_ids):
                raise
    _move(tx, old_url, file, community_id=community_id)


def _move(tx: Tx, old_url: str, file: str | None, *, user_id: int = 0, community_id: int = 0) -> None:
    old_file = file_named(tx, resource_name(old_url))
    if old_file == file:
        return
    if old_file is not None:
        tx.execute(
            "DELETE FROM file_use WHERE name = ? AND conversation_id = 0 AND seq = 0"
            " AND user_id = ? AND community_id = ?",
            (old_file, user_id, community_id),
        )
    if file is not None:
        tx.execute(
            "INSERT INTO file_use (name, conversation_id, seq, user_id, community_id) VALUES (?, 0, 0, ?, ?)",
            (file, user_id, community_id),
        )
