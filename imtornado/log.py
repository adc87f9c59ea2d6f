"""Log lines that a client cannot forge, flood or fill with secrets.

A line is one event: control characters are escaped, a line is cut at 2 KB, and what looks like the value of a
secret parameter is blanked whoever wrote it (Tornado itself prints whole addresses with `token=` in them).
"""

import logging
import re
import sys
import time
from typing import TextIO

import msgspec
from tornado.web import RequestHandler

LINE_LIMIT_BYTES = 2048
TRACEBACK_LIMIT_LINES = 60
_MARGIN = (
    "    | "  # in front of a traceback's lines, whose text may come from a client, so that none looks like an event
)

_access = logging.getLogger("imtornado.access")

# Everything that a terminal or a line-wise reader takes for more than a letter, and lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SECRET = re.compile(
    r"""(?ix)
    (\b(?:token|im_session|passwd|plainpwd|password|newpasswd|oldpasswd|secret|invite|authorization)
        ["']?\s*(?:=|:|%3d)\s*["']?(?:bearer\s+)?|\bbearer\s+)
    [^\s&;,"'<>)}\]]+"""
)


def escaped(text: str, limit_bytes: int = LINE_LIMIT_BYTES) -> str:
    """The text on one line: CR, LF and other control characters as backslash escapes, secrets blanked, cut."""
    shown = _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    shown = _SECRET.sub(r"\1***", shown)
    encoded = shown.encode("utf-8")
    if len(encoded) <= limit_bytes:
        return shown
    return encoded[: limit_bytes - 4].decode("utf-8", "ignore") + " ..."


class TextFormatter(logging.Formatter):
    """`2026-11-23T23:57:01.123Z WARNING imtornado.live.writer: message`, then the traceback behind `    | `."""

    def format(self, record: logging.LogRecord) -> str:
        line = escaped(f"{_timestamp(record)} {record.levelname} {record.name}: {record.getMessage()}")
        frames = (f"{_MARGIN}{escaped(frame, LINE_LIMIT_BYTES - len(_MARGIN))}" for frame in _traceback(self, record))
        return "\n".join((line, *frames))


class JsonFormatter(logging.Formatter):
    """`{"time": …, "level": …, "logger": …, "message": …, "traceback": [line, …]}`, one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": escaped(record.getMessage()),
        }
        traceback = _traceback(self, record)
        if traceback:
            fields["traceback"] = [escaped(frame) for frame in traceback]
        return msgspec.json.encode(fields).decode("utf-8")


def set_up(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Sends the process's log to `stream` (stderr), replacing what was set up before."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # These repeat at debug what our own lines say, with whole addresses and statements in them.
    for name in ("peewee", "asyncio", "PIL"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))


def log_request(handler: RequestHandler) -> None:
    """A line for a finished request, for Tornado's `log_function`: its path, never its query or body."""
    request = handler.request
    status = handler.get_status()
    level = logging.INFO if status < 500 else logging.WARNING if status == 503 else logging.ERROR
    milliseconds = 1000.0 * request.request_time()
    _access.log(
        level, "%s %s %d %.1f ms %s", request.method, request.path[:300], status, milliseconds, request.remote_ip
    )


def ignore_request(handler: RequestHandler) -> None:
    """For `log_function` where `log.access` is off: only failures of ours are written."""
    if handler.get_status() >= 500:
        log_request(handler)


def _timestamp(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The record's exception and stack as lines; of a very long one the first and the last."""
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts += formatter.formatException(record.exc_info).splitlines()
    if record.stack_info:
        parts += record.stack_info.splitlines()
    if len(parts) > TRACEBACK_LIMIT_LINES:
        half = TRACEBACK_LIMIT_LINES // 2
        parts[half:-half] = [f"... {len(parts) - 2 * half} lines ..."]
    return parts
