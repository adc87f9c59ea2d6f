"""Read marks come with every line that scrolls into view, and only the last one counts."""

import asyncio
from collections.abc import Callable

from imtornado.drafts import ReadDraft

GAP_S = 1.0  # least time between two writes of one read mark

Submit = Callable[[ReadDraft], None]


class ReadMarks:
    """Loop only. At most one write a second for each conversation of a user."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # {(user_id, key of the conversation): what waits behind a mark that was written a moment ago}
        self._waiting: dict[tuple[int, str], tuple[ReadDraft, Submit] | None] = {}

    def take(self, draft: ReadDraft, submit: Submit) -> None:
        """Submits it now or within a second, unless a higher one comes until then."""
        place = (draft.user_id, draft.key)
        if place not in self._waiting:
            self._rest(place)
            submit(draft)
            return
        waiting = self._waiting[place]
        if waiting is None or waiting[0].seq < draft.seq:
            self._waiting[place] = draft, submit

    def _rest(self, place: tuple[int, str]) -> None:
        self._waiting[place] = None
        self._loop.call_later(GAP_S, self._go_on, place)

    def _go_on(self, place: tuple[int, str]) -> None:
        waiting = self._waiting.pop(place)
        if waiting is not None:
            self._rest(place)
            draft, submit = waiting
            submit(draft)
