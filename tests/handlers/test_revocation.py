"""Once a revocation is answered nothing is allowed any more, whatever is under way and whatever is remembered."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imtornado.errors import Code
from storage.backends import open_store
from tests.handlers.calls import post_json
from tests.handlers.house import House, open_house
from tests.people import PASSWORD, Person

ROUNDS = 6
CALLERS = 3
WITHIN_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    with open_house(folder) as opened:
        yield opened


def revoke(house: House, person: Person, token: str) -> None:
    current = {row["id"] for row in person.rows("/user/sessions") if row["current"]}
    for row in person.rows("/user/sessions"):
        if row["id"] not in current:
            person.call("/user/revoke", id=row["id"])


def change_password(house: House, person: Person, token: str) -> None:
    person.call("/user/passwd", old=PASSWORD, new=PASSWORD)  # ends the other sessions


def log_out(house: House, person: Person, token: str) -> None:
    post_json(house.port, "/user/logout", {}, Authorization=f"Bearer {token}")


def disable(house: House, person: Person, token: str) -> None:
    house.store.users.set_disabled(person.user_id, True)


ENDINGS = [revoke, change_password, log_out, disable]


@pytest.mark.parametrize("end", ENDINGS)
def test_no_call_that_begins_after_the_answer_is_let_in(
    house: House, end: Callable[[House, Person, str], None]
) -> None:
    for _ in range(ROUNDS):
        person = house.person("Ada")
        token = person.log_in()
        calls: list[tuple[float, int]] = []  # (when it began, its code)
        stop = threading.Event()

        def call(token: str = token, calls: list[tuple[float, int]] = calls, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                began = time.monotonic()
                calls.append((began, post_json(house.port, "/user/me", {}, Authorization=f"Bearer {token}").code))

        callers = [threading.Thread(target=call) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        wait_until(lambda calls=calls: len(calls) >= 20)  # type: ignore[misc]
        end(house, person, token)
        ended = time.monotonic()
        after = len(calls)
        wait_until(lambda calls=calls, after=after: len(calls) >= after + 20)  # type: ignore[misc]
        stop.set()
        for caller in callers:
            caller.join(WITHIN_S)
        assert {code for _, code in calls} == {Code.OK, Code.NOT_LOGGED_IN}
        assert {code for began, code in calls if began > ended} == {Code.NOT_LOGGED_IN}


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.002)


def test_a_change_of_the_profile_is_seen_by_the_next_call_of_every_session(house: House) -> None:
    person = house.person("Ada")
    other = person.log_in()
    for number in range(20):
        person.call("/user/update", nickname=f"Ada {number}")
        me = post_json(house.port, "/user/me", {}, Authorization=f"Bearer {other}").envelope["data"]
        assert me["nickname"] == f"Ada {number}"


def test_an_administrator_who_is_none_any_more_is_refused_at_once(house: House) -> None:
    person = house.person("Ada")
    for is_admin in (True, False) * 5:
        house.store.users.set_admin(person.user_id, is_admin)
        assert person.data("/user/me")["admin"] is is_admin


def test_what_another_process_ends_is_ended_here_soon(house: House, folder: Path) -> None:
    """As `imtornado user disable` does it: this process hears of it by the table of events alone."""
    person = house.person("Ada")
    assert person.data("/user/me")["id"] == person.user_id
    elsewhere = open_store(f"sqlite:///{folder}/im.db", house.store.clock)
    elsewhere.users.set_disabled(person.user_id, True)
    elsewhere.close()

    headers = {"Authorization": f"Bearer {person.token}"}
    wait_until(lambda: post_json(house.port, "/user/me", {}, **headers).code == Code.NOT_LOGGED_IN)
