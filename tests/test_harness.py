"""The fixtures do what all tests rely on: what nobody announced fails the test."""

import os
from pathlib import Path

import pytest

from tests.fixtures.services import require

ROOT = Path(__file__).resolve().parents[1]

INNER = """
import asyncio
import logging
import warnings

import pytest

log = logging.getLogger("imtornado.inner")


def test_announced(expect_log):
    lines = expect_log("imtornado", "disk .* full")
    log.error("disk %s is full", "a")
    assert len(lines.records) == 1


def test_quiet():
    log.info("a client's mistake")


def test_bad_warning():
    log.warning("unannounced")


def test_bad_other_text(expect_log):
    expect_log("imtornado", "disk", optional=True)
    log.error("network")


def test_bad_other_logger(expect_log):
    expect_log("imtornado.other", "disk", optional=True)
    log.error("disk")


def test_bad_never_logged(expect_log):
    expect_log("imtornado", "disk")


def test_bad_line_of_tornado():
    logging.getLogger("tornado.general").info("Malformed HTTP message")


def test_bad_python_warning():
    warnings.warn("old", DeprecationWarning)


async def answer():
    return 42


def test_bad_coroutine_never_awaited():
    assert answer()


@pytest.mark.gen_test
async def test_awaited():
    assert await answer() == 42


@pytest.mark.gen_test
async def test_bad_task_that_failed_unseen():
    async def fail():
        raise ValueError("unseen")

    asyncio.create_task(fail())
    await asyncio.sleep(0)


def test_bad_file_left_open(tmp_path):
    (tmp_path / "file").open("w")
"""


def test_whatever_was_not_announced_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest('pytest_plugins = ("tests.fixtures.logs", "tests.fixtures.loop")')
    pytester.makepyfile(test_inner=INNER)
    result = pytester.runpytest_subprocess(
        f"--config-file={ROOT / 'setup.cfg'}",
        f"--rootdir={pytester.path}",
        "-rA",
        str(pytester.path / "test_inner.py"),
    )
    last_word: dict[str, str] = {}  # a test that passed and failed in its teardown has two words
    for line in result.outlines:
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED", "ERROR") and "::" in rest:
            name = rest.split("::")[1].split(" ")[0]
            last_word[name] = word if last_word.get(name) != "ERROR" else "ERROR"
    expected_to_pass = {"test_announced", "test_quiet", "test_awaited"}
    assert {name for name, word in last_word.items() if word == "PASSED"} == expected_to_pass
    assert len(last_word) == INNER.count("def test_")


def test_a_missing_program_is_a_failure_where_all_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMTORNADO_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed: to be seen"):
        require("no-such-program", "to be seen")


def test_a_missing_program_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMTORNADO_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        require("no-such-program", "to be seen")


def test_a_program_that_is_there_is_named_by_its_path() -> None:
    assert os.access(require("sh", "every system has one"), os.X_OK)
