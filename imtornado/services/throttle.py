"""Limits on guessing: token buckets in memory, by monotonic time.

A restart forgets them, which a guesser cannot cause and an operator may want. IOLoop only.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from imtornado.config import Security
from imtornado.errors import TooManyRequests

_MAX_BUCKETS = 20_000  # about 4 MB; the bucket touched longest ago goes first
_MAX_KNOWN = 20_000


class Buckets:
    """A bucket for each key: `capacity` tries at once, refilled evenly over `period_s`."""

    def __init__(self, capacity: int, period_s: float, now: Callable[[], float]) -> None:
        self._capacity = float(capacity)
        self._per_second = capacity / period_s
        self._now = now
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # {key: (tries left, at)}

    def __len__(self) -> int:
        return len(self._levels)

    def wait_s(self, key: Hashable) -> float:
        """Seconds until the key may try; 0 when it may now. Takes nothing."""
        return max(0.0, (1.0 - self._level(key)) / self._per_second)

    def take(self, key: Hashable) -> None:
        """Uses up one try of the key."""
        self._levels[key] = (max(0.0, self._level(key) - 1.0), self._now())
        self._levels.move_to_end(key)
        while len(self._levels) > _MAX_BUCKETS:
            self._levels.popitem(last=False)

    def _level(self, key: Hashable) -> float:
        left, at = self._levels.get(key, (self._capacity, 0.0))
        return min(self._capacity, left + (self._now() - at) * self._per_second)


class Throttle:
    """The limits of `[security]`. Each method raises TooManyRequests with the time to wait, or counts the try."""

    def __init__(self, security: Security, now: Callable[[], float] = time.monotonic) -> None:
        self._on = security.throttle
        self._mobiles = Buckets(security.logins_per_minute, 60.0, now)
        self._devices = Buckets(security.logins_per_minute, 60.0, now)
        self._addresses = Buckets(3 * security.logins_per_minute, 60.0, now)
        self._registrations = Buckets(security.registrations_per_hour, 3600.0, now)
        self._lookups = Buckets(security.lookups_per_minute, 60.0, now)
        self._searches = Buckets(security.searches_per_minute, 60.0, now)
        self._messages = Buckets(security.messages_per_minute, 60.0, now)
        self._known: OrderedDict[tuple[str, str], None] = (
            OrderedDict()
        )  # (mobile, address) that gave the right password

    def log_in(self, mobile: str, address: str) -> None:
        """A password is about to be tried.

        An address that logged in with this mobile before has a bucket of its own: strangers who guess cannot lock
        the owner out.
        """
        network = _network(address)
        own = (mobile, network) in self._known
        tries = (self._devices, (mobile, network)) if own else (self._mobiles, mobile)
        self._take(tries, (self._addresses, network))

    def logged_in(self, mobile: str, address: str) -> None:
        """The password was right: the address is known for this mobile from now on."""
        self._known[(mobile, _network(address))] = None
        self._known.move_to_end((mobile, _network(address)))
        while len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    def prove(self, session_id: int) -> None:
        """Somebody logged in is about to prove his password. Strangers who guess it elsewhere cannot hinder him."""
        self._take((self._devices, session_id))

    def register(self, address: str) -> None:
        """An account is about to be made."""
        self._take((self._registrations, _network(address)))

    def look_up(self, session_id: int) -> None:
        """A person is about to be looked up by mobile or id."""
        self._take((self._lookups, session_id))

    def search(self, session_id: int) -> None:
        """Messages are about to be searched for."""
        self._take((self._searches, session_id))

    def send(self, session_id: int) -> None:
        """A message is about to be sent without a socket."""
        self._take((self._messages, session_id))

    def _take(self, *tries: tuple[Buckets, Hashable]) -> None:
        """All or none: a try that one bucket refuses costs nothing in the others. Raises: TooManyRequests."""
        if not self._on:
            return
        wait_s = math.ceil(max(buckets.wait_s(key) for buckets, key in tries))
        if wait_s > 0:
            raise TooManyRequests(
                "Too many tries. Try again in {seconds} s.", retry_after_ms=wait_s * 1000, seconds=wait_s
            )
        for buckets, key in tries:
            buckets.take(key)


def _network(address: str) -> str:
    """What one household or server is: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
