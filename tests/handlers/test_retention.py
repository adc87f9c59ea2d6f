"""A server that keeps messages for a day: what is older goes while it runs, and clients are told so."""

import secrets
import time
from contextlib import closing
from pathlib import Path

from imtornado.clock import Clock
from imtornado.services.accounts import token_hash
from imtornado.services.retention import HELD_MS, JOB
from storage.backends import open_database, open_store
from storage.population import Population
from tests.handlers.house import open_house
from tests.live.figures import wait_for_figure
from tests.people import call

HOUR_MS = 3_600_000
WITHIN_S = 60


def a_week_of_messages(url: str) -> tuple[tuple[int, int], tuple[str, str]]:
    """Two friends and their tokens; one message an hour, the second has read none."""
    database = open_database(url)
    population = Population(database, Clock())
    ada, bea = population.add_users(2, "-")
    tokens = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    population.add_sessions({ada: token_hash(tokens[0]), bea: token_hash(tokens[1])}, 30)
    (conversation_id,) = population.add_friends([(ada, bea)])
    now_ms = Clock().now_ms()
    population.add_messages(
        [
            (conversation_id, seq, ada, f"cid-{seq}", f"text {seq}", now_ms - (168 - seq) * HOUR_MS)
            for seq in range(1, 169)
        ]
    )
    population.settle({conversation_id: 168})
    database.close()
    return (ada, bea), tokens


def test_old_messages_go_while_the_server_runs(tmp_path: Path, database: str) -> None:
    (ada, _), (_, token) = a_week_of_messages(database.removeprefix("storage.url="))
    with open_house(tmp_path, database, "messages.keep_days=1") as house:
        until = time.monotonic() + WITHIN_S
        where = {"kind": 10, "dstid": ada}
        while True:
            page = call(house.port, "/message/history", where | {"after": 0, "limit": 200}, token=token)
            if page["first"] in (145, 146):  # the last 24 hours
                break
            assert time.monotonic() < until, page
            time.sleep(0.05)
        assert page["expired"] is True
        assert [row["seq"] for row in page["rows"]] == list(range(page["first"], 169))
        (row,) = [row for row in call(house.port, "/message/conversations", token=token)["rows"] if row["dstid"] == ada]
        assert (row["first"], row["last_seq"]) == (page["first"], 168)
        assert call(house.port, "/message/history", where | {"before": page["first"]}, token=token)["rows"] == []
        wait_for_figure(house.port, "expired_messages_total", page["first"] - 1)


def test_a_server_that_stops_in_order_leaves_the_work_to_whoever_comes_next(tmp_path: Path, database: str) -> None:
    a_week_of_messages(database.removeprefix("storage.url="))
    with open_house(tmp_path, database, "messages.keep_days=1") as house:
        wait_for_figure(house.port, "expired_messages_total", 1)
        assert not house.store.hold(JOB, "another", HELD_MS)
    with closing(open_store(database.removeprefix("storage.url="), Clock())) as store:
        assert store.hold(JOB, "another", HELD_MS)


def test_nothing_goes_by_itself(tmp_path: Path, database: str) -> None:
    (ada, _), (_, token) = a_week_of_messages(database.removeprefix("storage.url="))
    with open_house(tmp_path, database) as house:
        page = call(house.port, "/message/history", {"kind": 10, "dstid": ada, "after": 0}, token=token)
        assert (page["first"], page["expired"]) == (1, False)
