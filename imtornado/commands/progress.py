"""How far a command has come, for whoever waits for it."""

import time
from typing import TextIO

BAR_WIDTH = 40
TERMINAL_S, LOG_S = 0.2, 10.0  # between two showings


class Progress:
    """A bar where somebody looks, else a line now and then."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._stream = stream
        self._shown_at = 0.0
        self._longest = 0
        self._is_terminal = stream.isatty()

    def show(self, done: int, text: str) -> None:
        """`done` of the total; `text` says it in words."""
        now = time.monotonic()
        last = done >= self._total
        if not last and now - self._shown_at < (TERMINAL_S if self._is_terminal else LOG_S):
            return
        self._shown_at = now
        if self._is_terminal:
            part = min(1.0, done / self._total) if self._total else 1.0
            bar = "#" * round(part * BAR_WIDTH)
            self._longest = max(self._longest, len(text))
            self._stream.write(f"\r[{bar:<{BAR_WIDTH}}] {part:4.0%}  {text:<{self._longest}}" + ("\n" if last else ""))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()
