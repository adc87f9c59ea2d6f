"""What a call over HTTP costs the server, with and without what it remembers of sessions (`caches.sessions`).

    python benchmarks/calls.py [--seconds 4] [--rounds 3] [--folder DIR]

One user with 100 chats asks over 8 kept connections as fast as he is answered, without and with the cache in turn:
who he is, the newest page of a chat, and the list of his chats. Calls a second, and processor time of the server.
"""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reads import Filled, fill

from tests.fixtures.server import Server

CONNECTIONS = 8
CHATS, MESSAGES = 100, 10_000
TICKS = os.sysconf("SC_CLK_TCK")


def requests(filled: Filled) -> dict[str, bytes]:
    """{label: the bytes of a request}."""
    bodies = {
        "/user/me": "{}",
        "/message/history": f'{{"kind":10,"dstid":{filled.friend_id},"limit":50}}',
        "/message/conversations": '{"limit":50}',
    }
    return {
        path: (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {filled.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        for path, body in bodies.items()
    }


def ask(port: int, request: bytes, until: float, counts: list[int]) -> None:
    """Answers until then, one after the other."""
    count = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while time.monotonic() < until:
            connection.sendall(request)
            head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
            if b" 200 " not in head[:20]:
                raise SystemExit(f"refused: {head!r}")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            left = length - len(body)
            while left > 0:
                left -= len(connection.recv(min(left, 1 << 20)))
            count += 1
    counts.append(count)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(server: Server, request: bytes, seconds: float) -> tuple[float, float]:
    """(calls a second, microseconds of the server's processor for each)."""
    counts: list[int] = []
    before, began = cpu_s(server.pid), time.monotonic()
    threads = [
        threading.Thread(target=ask, args=(server.port, request, began + seconds, counts)) for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls, took_s = sum(counts), time.monotonic() - began
    return calls / took_s, (cpu_s(server.pid) - before) / calls * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    options = parser.parse_args()
    figures: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        filled = fill(f"sqlite:///{name}/im.db", MESSAGES, CHATS)
        for size in (0, 10_000) * options.rounds:
            server = Server(Path(name), (f"caches.sessions={size}", "security.throttle=no"))
            for path, request in requests(filled).items():
                figures.setdefault((path, size), []).append(run(server, request, options.seconds))
            server.stop()
            server.close()
    for (path, size), found in sorted(figures.items()):
        rate, cost = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{path:24} caches.sessions={size:<6} {rate:7,.0f} calls/s {cost:6.0f} us of the processor")


if __name__ == "__main__":
    main()
