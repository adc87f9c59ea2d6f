"""What every handler is given: the settings, the services, the live side and the threads."""

from collections.abc import Callable
from dataclasses import dataclass

from imtornado.clock import Clock
from imtornado.config import Config
from imtornado.live.hub import Live
from imtornado.metrics import Metrics
from imtornado.passwords import Passwords
from imtornado.services.accounts import Accounts
from imtornado.services.arrivals import Arrivals
from imtornado.services.changes import Changes
from imtornado.services.communities import Communities
from imtornado.services.contacts import Contacts
from imtornado.services.messages import Messages
from imtornado.services.resumable import Resumable
from imtornado.services.search import Search
from imtornado.services.signatures import Signatures
from imtornado.services.throttle import Throttle
from imtornado.services.uploads import Uploads
from imtornado.services.views import Views
from imtornado.workers import Workers


@dataclass(frozen=True, slots=True)
class Context:
    """What `app.py` builds once and every handler gets."""

    config: Config
    workers: Workers
    clock: Clock
    throttle: Throttle
    metrics: Metrics
    passwords: Passwords
    check_storage: Callable[[], None]  # worker thread; raises Busy when the database does not answer
    is_draining: Callable[[], bool]  # IOLoop; True from SIGTERM on
    accounts: Accounts
    contacts: Contacts
    communities: Communities
    messages: Messages
    search: Search
    changes: Changes
    views: Views
    arrivals: Arrivals
    uploads: Uploads
    resumable: Resumable
    signatures: Signatures
    live: Live
