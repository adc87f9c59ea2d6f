"""Figures of /metrics, and waiting for them: what the server has no event for."""

import http.client
import re
import ssl
import time

WITHIN_S = 60


def figure(port: int, name: str, tls: ssl.SSLContext | None = None) -> float:
    """The figure now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(rf"^imtornado_{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def wait_for_figure(port: int, name: str, least: float) -> None:
    until = time.monotonic() + WITHIN_S
    while figure(port, name) < least:
        assert time.monotonic() < until, f"{name} never was {least}"
        time.sleep(0.005)


def wait_until_all_closed(port: int, tls: ssl.SSLContext | None = None) -> None:
    """Until every socket that was opened is closed."""
    until = time.monotonic() + WITHIN_S
    while figure(port, "sockets", tls):
        assert time.monotonic() < until, "sockets of clients that left stay registered"
        time.sleep(0.02)
    assert figure(port, "sockets_opened_total", tls) == figure(port, "sockets_closed_total", tls)
