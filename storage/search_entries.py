"""Where a text stands in the search index, and how it leaves it.

A conversation has shelves of its own, which follow each other (`search_pages` tells what a shelf holds). What is
written at one time lies close together, on the newest shelf of each conversation, and what expires goes shelf by shelf.

Entries are made by `search_index` behind the log. Whatever takes a text away drops its entries in the same transaction.
"""

from collections.abc import Iterable

import msgspec

from imtornado.tokenizer import folded, tokens
from storage.search_pages import SHELF_SEQS, take_away
from storage.transactions import Tx

_SHELVES = 1 << 20  # of a conversation
# Texts that people wrote: not lines of the server, nor the JSON of cards, places and calls.
_TEXT_MEDIA = frozenset({1, 2, 4, 6, 7, 8, 10})


class _File(msgspec.Struct):
    name: str = ""


def first_shelf(conversation_id: int) -> int:
    return conversation_id * _SHELVES


def shelf_of(conversation_id: int, seq: int) -> int:
    return first_shelf(conversation_id) + seq // SHELF_SEQS


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

    Its row was changed before in this transaction: either the job of the index had it by then or it never will. The
    progress of the conversation stays locked: until the commit the job writes none of its pages.
    """
    sql = f"SELECT seq FROM search_progress WHERE conversation_id = ?{tx.database.for_update}"
    if seq <= tx.number(sql, conversation_id):
        lost = {token for text in texts for token in tokens(text)}
        take_away(tx, shelf_of(conversation_id, seq), slot_of(seq), lost)
