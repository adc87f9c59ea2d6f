"""Lines of the log: nobody forges, floods or reads secrets from them."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.web import Application, HTTPError, RequestHandler

from imtornado import log
from tests.fixtures.logs import ExpectLog

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+: ")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes during the test; the handlers of pytest are put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    log.set_up("info", stream=stream)
    root.handlers += before
    yield stream
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def say(message: str, *values: object) -> None:
    logging.getLogger("imtornado.test").info(message, *values)


def test_a_line_has_time_level_and_logger(stream: io.StringIO) -> None:
    say("user %d logged in", 7)
    assert LINE.match(stream.getvalue())
    assert stream.getvalue().endswith(" INFO imtornado.test: user 7 logged in\n")


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x00"])
def test_a_value_cannot_begin_a_line_or_steer_a_terminal(stream: io.StringIO, break_: str) -> None:
    say("nickname %s", f"eve{break_}2026-01-01T00:00:00.000Z ERROR imtornado.app: forged")
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert len(written.splitlines()) == 1
    assert break_ not in written[:-1]


def test_a_lone_surrogate_can_be_written(stream: io.StringIO) -> None:
    say("name %s", "\udcff")
    stream.getvalue().encode("utf-8")


def test_a_line_has_at_most_2_kb(stream: io.StringIO) -> None:
    say("name %s", "聊" * 10_000)
    line = stream.getvalue().rstrip("\n")
    assert 1900 < len(line.encode("utf-8")) <= log.LINE_LIMIT_BYTES
    assert line.endswith(" ...")


def test_a_traceback_cannot_be_mistaken_for_events(stream: io.StringIO, expect_log: ExpectLog) -> None:
    expect_log("imtornado.test", "it broke")
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000Z ERROR imtornado.app: forged " + "y" * 5000)
    except ValueError:
        logging.getLogger("imtornado.test").exception("it broke")
    first, *others = stream.getvalue().splitlines()
    assert LINE.match(first)
    assert any("forged" in line for line in others)
    assert not [line for line in others if not line.startswith("    | ")]
    assert max(len(line.encode("utf-8")) for line in others) <= log.LINE_LIMIT_BYTES


def test_a_deep_traceback_is_cut_in_its_middle(stream: io.StringIO, expect_log: ExpectLog) -> None:
    def dig(depth: int, other: int) -> None:
        if depth == 0:
            raise ValueError("the bottom")
        dig(other - 1, depth - 1)

    expect_log("imtornado.test", "deep")
    try:
        dig(100, 100)
    except ValueError:
        logging.getLogger("imtornado.test").exception("deep")
    lines = stream.getvalue().splitlines()
    assert len(lines) <= log.TRACEBACK_LIMIT_LINES + 2
    assert "the bottom" in lines[-1]


@pytest.mark.parametrize(
    "text",
    [
        "GET /chat?id=1&token=SECRET",
        "uri='/chat?token=SECRET&id=1'",
        "token%3DSECRET",
        "passwd=SECRET",
        '{"passwd": "SECRET"}',
        "Cookie: im_session=SECRET; theme=dark",
        "Authorization: Bearer SECRET",
        "{'invite': 'SECRET'}",
    ],
)
def test_secrets_are_blanked_whoever_logs_them(stream: io.StringIO, text: str) -> None:
    say("%s", text)
    assert "SECRET" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_json_lines_hold_the_same(stream: io.StringIO, expect_log: ExpectLog) -> None:
    expect_log("imtornado.test", "it broke")
    logging.getLogger().handlers[0].setFormatter(log.JsonFormatter())
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("imtornado.test").exception('it broke "badly" for token=%s', "SECRET")
    written = stream.getvalue()
    assert written.count("\n") == 1
    entry = json.loads(written)
    assert set(entry) == {"time", "level", "logger", "message", "traceback"}
    assert (entry["level"], entry["logger"]) == ("ERROR", "imtornado.test")
    assert entry["message"] == 'it broke "badly" for token=***'
    assert entry["traceback"][-2:] == ["ValueError: a", "b"]


class Answer(RequestHandler):
    def get(self, status: str) -> None:
        if status == "500":
            raise RuntimeError("broken on purpose")
        raise HTTPError(int(status))


@pytest.fixture
def app() -> Application:
    return Application([(r"/answer/(\d+)", Answer)], log_function=log.log_request)


@pytest.mark.gen_test
async def test_requests_are_logged_without_their_query(
    stream: io.StringIO, http_client: AsyncHTTPClient, base_url: str
) -> None:
    await http_client.fetch(f"{base_url}/answer/404?token=SECRET&q=private", raise_error=False)
    access = [line for line in stream.getvalue().splitlines() if " imtornado.access: " in line]
    assert len(access) == 1
    assert re.search(r" INFO imtornado\.access: GET /answer/404 404 \d+\.\d ms (127\.0\.0\.1|::1)$", access[0])
    assert "SECRET" not in stream.getvalue()
    assert "private" not in access[0]


@pytest.mark.gen_test
async def test_our_failures_are_errors_and_tornados_dump_of_the_request_holds_no_token(
    stream: io.StringIO, http_client: AsyncHTTPClient, base_url: str, expect_log: ExpectLog
) -> None:
    expect_log("tornado.application", "Uncaught exception")
    expect_log("imtornado.access", r"GET /answer/500 500")
    await http_client.fetch(f"{base_url}/answer/500?token=SECRET", raise_error=False)
    assert " ERROR imtornado.access: GET /answer/500 500 " in stream.getvalue()
    assert "broken on purpose" in stream.getvalue()
    assert "SECRET" not in stream.getvalue()
