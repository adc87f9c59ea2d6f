"""How the search index lies in the database, and how a text leaves it.

A conversation's messages stand on shelves of 4096 seqs, each in its slot. An entry (shelf, token, slot) says that the
text there has the token: what a query finds is candidates, proved by their texts. What is written at one time lies
close together, on the newest shelf of each conversation, and what expires goes shelf by shelf.

Entries are made by `search_index` behind the log. Whatever takes a text away drops its entries in the same transaction.
"""

from collections.abc import Iterable

import msgspec

from imtornado.tokenizer import folded, tokens
from storage.transactions import LIST_LIMIT, Tx

SHELF_SEQS = 4096
_SHELVES = 1 << 20  # of a conversation
# Texts that people wrote: not lines of the server, nor the JSON of cards, places and calls.
_TEXT_MEDIA = frozenset({1, 2, 4, 6, 7, 8, 10})


class _File(msgspec.Struct):
    name: str = ""


def shelf_of(conversation_id: int, seq: int) -> int:
    return conversation_id * _SHELVES + seq // SHELF_SEQS


def slot_of(seq: int) -> int:
    return seq % SHELF_SEQS


def seq_at(shelf: int, slot: int) -> int:
    return shelf % _SHELVES * SHELF_SEQS + slot


def searched_text(media: int, content: str, file: str) -> str:
    """What of a message can be found, folded: its text and the name of its file, "" for nothing."""
    text = folded(content) if media in _TEXT_MEDIA else ""
    if file and (name := file_name(file)):
        text = f"{text}\n{folded(name)}"
    return text


def file_name(file: str) -> str:
    """The name in the JSON of a file."""
    try:
        return msgspec.json.decode(file, type=_File).name
    except msgspec.DecodeError:
        return ""


def forget(tx: Tx, conversation_id: int, seq: int, texts: Iterable[str]) -> None:
    """Drops the entries of folded texts that the message `seq` has lost.

    Its row was changed before in this transaction: either the job of the index had it by then or it never will.
    """
    if seq > tx.number("SELECT seq FROM search_progress WHERE conversation_id = ?", conversation_id):
        return
    lost = sorted({token for text in texts for token in tokens(text)})
    for start in range(0, len(lost), LIST_LIMIT):
        part = lost[start : start + LIST_LIMIT]
        places = ",".join("?" * len(part))
        tx.execute(
            f"DELETE FROM search_entry WHERE shelf = ? AND slot = ? AND token IN ({places})",
            (shelf_of(conversation_id, seq), slot_of(seq), *part),
        )


def expire(tx: Tx, conversation_id: int, first_seq: int) -> None:
    """Drops the entries of all messages below `first_seq`."""
    shelf = shelf_of(conversation_id, first_seq)
    tx.execute("DELETE FROM search_entry WHERE shelf >= ? AND shelf < ?", (conversation_id * _SHELVES, shelf))
    tx.execute("DELETE FROM search_entry WHERE shelf = ? AND slot < ?", (shelf, slot_of(first_seq)))
