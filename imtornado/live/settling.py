"""A batch of which nobody knows whether it was committed: its writer asks until the database tells.

Otherwise what was committed would stay unheard of until something else happened in its conversation.
"""

import logging
import threading
from collections.abc import Sequence

from imtornado.drafts import Draft, Outcome
from imtornado.errors import Busy
from storage.store import Store, Unsettled

log = logging.getLogger(__name__)

PAUSE_S = 0.2


def commit(store: Store, drafts: Sequence[Draft], stopping: threading.Event) -> list[Outcome]:
    """As `Store.commit`, but for a batch that is unsettled only where the writer is stopped. Raises: Busy."""
    try:
        return store.commit(drafts)
    except Unsettled as unsettled:
        while True:
            try:
                return unsettled.settle()
            except Busy:
                if stopping.wait(PAUSE_S):
                    log.error("whether a batch of %d drafts was committed stays unknown", len(drafts))
                    raise
