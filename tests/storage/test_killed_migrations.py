"""Migrations that are killed before (on MySQL: and after) any of their statements, and run again; two at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.storage.dying import Dying, dying
from tests.storage.whole import contents, epochs, schema


@pytest.fixture
def migration() -> Iterator[Dying]:
    with dying("tests.storage.whole:bring_up_to_date") as process:
        yield process


LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
# A database of its own for each death takes SQLite milliseconds, and MySQL seconds.
SHORT_STEPS = {"sqlite": 5, "mysql": 73}


@pytest.mark.parametrize("every_one", [False, pytest.param(True, marks=LONG)])
def test_killed_at_any_statement_and_run_again_it_is_as_if_nothing_had_been(
    migration: Dying, fresh_url: Callable[[], str], every_one: bool
) -> None:
    undisturbed = fresh_url()
    assert not migration.run(0, undisturbed)
    expected, rows = schema(undisturbed), {name: digest.rows for name, digest in contents(undisturbed).items()}
    step = 1 if every_one else SHORT_STEPS[undisturbed.partition(":")[0]]
    deaths, killed_at = 0, step
    while migration.run(killed_at, url := fresh_url()):
        assert not migration.run(0, url)
        assert schema(url) == expected, f"after a death at statement {killed_at}"
        assert {name: digest.rows for name, digest in contents(url).items()} == rows, killed_at
        assert len(epochs(url)) == 1
        deaths, killed_at = deaths + 1, killed_at + step
    assert deaths > 3, "the deaths did not fall into the migrations"


def test_a_migration_that_is_killed_again_and_again_gets_on(migration: Dying, fresh_url: Callable[[], str]) -> None:
    undisturbed, url = fresh_url(), fresh_url()
    migration.run(0, undisturbed)
    deaths, killed_at = 0, 60
    while migration.run(killed_at, url):
        deaths, killed_at = deaths + 1, killed_at + 40
    assert deaths > 1
    assert schema(url) == schema(undisturbed)


def test_two_processes_at_once_make_one_schema(fresh_url: Callable[[], str]) -> None:
    undisturbed, url = fresh_url(), fresh_url()
    with dying("tests.storage.whole:bring_up_to_date") as one, dying("tests.storage.whole:bring_up_to_date") as other:
        one.run(0, undisturbed)
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(lambda process: process.run(0, url), (one, other)))
    assert outcomes == [False, False]
    assert schema(url) == schema(undisturbed)
    assert len(epochs(url)) == 1


def test_one_that_was_killed_lets_the_other_go_on(fresh_url: Callable[[], str]) -> None:
    undisturbed, url = fresh_url(), fresh_url()
    with dying("tests.storage.whole:bring_up_to_date") as one, dying("tests.storage.whole:bring_up_to_date") as other:
        one.run(0, undisturbed)
        with ThreadPoolExecutor(2) as pool:
            killed, done = list(pool.map(lambda work: work[0].run(work[1], url), ((one, 40), (other, 0))))
    assert not done
    assert schema(url) == schema(undisturbed), f"the first was {'killed' if killed else 'too late to be killed'}"
