"""The limits on guessing, by a clock of the test's own."""

import pytest

from imtornado.config import Security
from imtornado.errors import TooManyRequests
from imtornado.services import throttle
from imtornado.services.throttle import Buckets, Throttle

OWNER, STRANGER = "192.0.2.1", "198.51.100.1"
LIMITS = Security(logins_per_minute=6, registrations_per_hour=2, lookups_per_minute=3)


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def limits(hand: Hand) -> Throttle:
    return Throttle(LIMITS, hand)


def tries(limits: Throttle, count: int, mobile: str = "1", address: str = STRANGER) -> int:
    """How many of `count` log-in tries are let through."""
    passed = 0
    for _ in range(count):
        try:
            limits.log_in(mobile, address)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_a_mobile_is_tried_so_often_a_minute_from_wherever(limits: Throttle, hand: Hand) -> None:
    assert sum(tries(limits, 1, address=f"198.51.100.{number}") for number in range(20)) == 6
    hand.now_s += 10
    assert tries(limits, 5, address="203.0.113.1") == 1
    hand.now_s += 3600
    assert tries(limits, 20, address="203.0.113.2") == 6


def test_the_time_to_wait_is_told_and_is_enough(limits: Throttle, hand: Hand) -> None:
    tries(limits, 6)
    with pytest.raises(TooManyRequests) as refused:
        limits.log_in("1", STRANGER)
    assert refused.value.retry_after_ms == 10_000
    hand.now_s += refused.value.retry_after_ms / 1000
    limits.log_in("1", STRANGER)


def test_an_address_tries_three_times_as_much_over_all_mobiles(limits: Throttle) -> None:
    assert sum(tries(limits, 1, mobile=str(number)) for number in range(40)) == 18


def test_an_ipv6_household_is_one_address(limits: Throttle) -> None:
    assert sum(tries(limits, 1, str(number), f"2001:db8::{number:x}") for number in range(40)) == 18
    assert tries(limits, 1, "99", "2001:db8:0:1::1") == 1


def test_guesses_of_strangers_do_not_lock_the_owner_out(limits: Throttle) -> None:
    limits.log_in("1", OWNER)
    limits.logged_in("1", OWNER)
    assert tries(limits, 20, address=STRANGER) == 5
    assert tries(limits, 10, address=OWNER) == 6


def test_a_known_address_guesses_no_more_than_others(limits: Throttle) -> None:
    limits.logged_in("1", OWNER)
    assert tries(limits, 50, address=OWNER) == 6
    assert tries(limits, 50, "2", OWNER) == 6


def test_a_refused_try_costs_nothing_elsewhere(limits: Throttle) -> None:
    assert tries(limits, 100) == 6
    assert sum(tries(limits, 1, mobile=str(number)) for number in range(2, 40)) == 12


def test_registrations_by_address_and_look_ups_by_session(limits: Throttle) -> None:
    for _ in range(2):
        limits.register(STRANGER)
    with pytest.raises(TooManyRequests):
        limits.register(STRANGER)
    limits.register(OWNER)
    for _ in range(3):
        limits.look_up(1)
    with pytest.raises(TooManyRequests):
        limits.look_up(1)
    limits.look_up(2)


def test_switched_off_nothing_is_limited(hand: Hand) -> None:
    assert tries(Throttle(Security(throttle=False, logins_per_minute=1), hand), 100) == 100


def test_memory_is_bounded_however_many_keys_come(hand: Hand) -> None:
    buckets = Buckets(1, 60.0, hand)
    for number in range(throttle._MAX_BUCKETS + 100):
        buckets.take(number)
    assert len(buckets) == throttle._MAX_BUCKETS
    assert buckets.wait_s(throttle._MAX_BUCKETS) > 0
