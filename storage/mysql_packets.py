"""Statements that wait for the next one, to go to the server with it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pymysql


class Later:
    """Statements that wait, and what they did: `database.Later`."""

    __slots__ = ("_count", "_rows", "_send", "_waiting")

    def __init__(self, send: Callable[[], None], statements: int) -> None:
        self._send = send
        self._waiting = statements
        self._count = 0
        self._rows: list[Any] = []

    @property
    def rowcount(self) -> int:
        self._ask()
        return self._count

    def fetchall(self) -> list[Any]:
        self._ask()
        return self._rows

    def _ask(self) -> None:
        if self._waiting:
            self._send()
        if self._waiting:
            raise pymysql.err.InterfaceError(0, "this was never sent: its transaction has ended")

    def answered(self, count: int, rows: list[Any]) -> None:
        self._waiting -= 1
        self._count += count
        self._rows += rows


Statement = tuple[str | bytes, Later | None]


def packets(statements: Iterable[Statement], limit_bytes: int) -> Iterator[list[Statement]]:
    """As many statements in each as the limit takes; a longer one goes alone."""
    packet: list[Statement] = []
    size = 0
    for statement in statements:
        text = statement[0]
        length = 1 + (len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode()))
        if packet and size + length > limit_bytes:
            yield packet
            packet, size = [], 0
        packet.append(statement)
        size += length
    if packet:
        yield packet
