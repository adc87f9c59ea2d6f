"""Figures of /metrics, and waiting for them: what the server has no event for."""

import http.client
import re
import ssl
import time

WITHIN_S = 60


def figure(port: int, name: str, tls: ssl.SSLContext | None = None) -> float:
    """The figure now."""
    return figures(port, name, tls=tls)[0]


def figures(port: int, *names: str, tls: ssl.SSLContext | None = None) -> list[float]:
    """Several figures of one moment: two answers are of two, and a late client may come between."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = [re.search(rf"^imtornado_{name} (\S+)$", text, re.MULTILINE) for name in names]
    assert all(found), text
    return [float(each[1]) for each in found if each]


def wait_for_figure(port: int, name: str, least: float) -> None:
    until = time.monotonic() + WITHIN_S
    while figure(port, name) < least:
        assert time.monotonic() < until, f"{name} never was {least}"
        time.sleep(0.005)


def wait_until_all_closed(port: int, tls: ssl.SSLContext | None = None) -> None:
    """Until no socket is registered and every one that was opened is counted as closed."""
    until = time.monotonic() + WITHIN_S
    while True:
        now, opened, closed = figures(port, "sockets", "sockets_opened_total", "sockets_closed_total", tls=tls)
        if now == 0 and opened == closed:
            return
        assert time.monotonic() < until, f"{now} stay registered of clients that left; {opened} opened, {closed} closed"
        time.sleep(0.02)
