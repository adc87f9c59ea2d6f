"""What 50 sockets that never read cost the 450 beside them: the others' delivery times, with and without them.

    python benchmarks/slow_readers.py [--rounds 5] [--seconds 12]

A community of 500 with one socket a member. One member writes 25 messages of 4 kB a second, each of which goes to
all. A sleeper, whose kernel takes 4 kB, overflows after about nine seconds, so a run holds all that happens to one:
filling up, waiting, 4000, reset. Runs without and with sleepers take turns; medians over the rounds.

The server has the first core and this program the last. Promised: p99 with sleepers <= 1.25 x p99 without + 2 ms, and
less than 1 MB of memory for each. Exits 1 when that does not hold.
"""

import argparse
import http.client
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKETS = 500
SLEEPERS = 50
RATE = 25
STAMP = re.compile(rb"ts:([0-9]{19});")
TAIL_BYTES = 40  # longer than a stamp: one that two reads share is found with the second
FILLING = "x" * 4000


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int, list[list[str]]]]:
    """(port, process, [PATH SELF PEER] of the members) of a running server with a community of SOCKETS members."""
    command = [sys.executable, "-m", "imtornado"]
    settings = ["--set", f"storage.url=sqlite:///{folder}/im.db", "--set", "security.throttle=no"]
    sizes = ["--sockets", f"{SOCKETS}", "--pairs", "1", "--room", f"{SOCKETS}", "--rooms", "1", "--room-members", "2"]
    prepare = [*command, "bench", "prepare", "--out", f"{folder}/paths", *sizes, *settings]
    subprocess.run(prepare, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    serve = [*command, "serve", *settings, "--set", "server.port=0", "--set", f"uploads.folder={folder}/resource"]
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    os.sched_setaffinity(process.pid, {0})
    try:
        assert process.stdout is not None
        port = int(re.search(r":(\d+)$", process.stdout.readline().strip())[1])  # type: ignore[index]
        lines = (folder / "paths" / f"room{SOCKETS}.txt").read_text().splitlines()
        yield port, process.pid, [line.split() for line in lines[:SOCKETS]]
    finally:
        process.terminate()
        process.wait()


def opened(port: int, path: str, receive_bytes: int = 0) -> socket.socket:
    """A chat socket after its 101."""
    client = socket.socket()
    if receive_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: im.v1\r\n\r\n".encode()
    )
    head = client.recv(1024)
    assert head.startswith(b"HTTP/1.1 101"), head
    client.setblocking(False)
    return client


def message(community: str, run: str, number: int) -> bytes:
    """A masked text frame (with zeros, so that the text stands in it as it is) that says when it was made."""
    text = f"ts:{time.time_ns()};{FILLING}"
    body = f'{{"cmd":11,"dstid":{community},"media":1,"content":"{text}","cid":"{run}-{number}"}}'.encode()
    return b"\x81\xfe" + len(body).to_bytes(2, "big") + b"\0\0\0\0" + body


def memory_kb(process: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])  # type: ignore[index]


def closed_as_slow(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    found = re.search(
        r"^imtornado_slow_readers_closed_total (\S+)", connection.getresponse().read().decode(), re.MULTILINE
    )
    connection.close()
    return float(found[1])  # type: ignore[index]


def run(port: int, process: int, members: list[list[str]], sleepers: int, seconds: float) -> dict[str, float]:
    """One run: delivery times of those that read, in ms, and the server's memory."""
    readers = [opened(port, path) for path, _, _ in members[sleepers:]]
    asleep = [opened(port, path, 4096) for path, _, _ in members[:sleepers]]
    tails = dict.fromkeys(readers, b"")
    times_ns: list[int] = []
    closed = closed_as_slow(port)
    before_kb = most_kb = memory_kb(process)
    community, name = members[0][2], f"{time.time_ns()}"
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader, selectors.EVENT_READ)
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds + 1:
        if now < seconds and now * RATE >= sent:
            readers[0].sendall(message(community, name, sent))
            sent += 1
            most_kb = max(most_kb, memory_kb(process))
        for key, _ in selector.select(0.002):
            data = tails[key.fileobj] + key.fileobj.recv(262144)  # type: ignore[index, union-attr]
            arrived, at = time.time_ns(), 0
            for found in STAMP.finditer(data):
                times_ns.append(arrived - int(found[1]))
                at = found.end()
            tails[key.fileobj] = data[max(at, len(data) - TAIL_BYTES) :]  # type: ignore[index]
    for client in (*readers, *asleep):
        client.close()
    assert len(times_ns) == sent * (len(readers) - 1), f"{len(times_ns)} of {sent * (len(readers) - 1)} arrived"
    cuts = statistics.quantiles(times_ns, n=100)
    return {
        "p50_ms": cuts[49] / 1e6,
        "p99_ms": cuts[98] / 1e6,
        "kB_each": (most_kb - before_kb) / sleepers if sleepers else 0.0,
        "closed_4000": closed_as_slow(port) - closed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12)
    options = parser.parse_args()
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    results: dict[int, list[dict[str, float]]] = {0: [], SLEEPERS: []}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (port, process, members):
        for _ in range(options.rounds):
            for sleepers, runs in results.items():
                runs.append(run(port, process, members, sleepers, options.seconds))
                shown = "  ".join(f"{name} {value:8.2f}" for name, value in runs[-1].items())
                print(f"{sleepers:3} of {SOCKETS} never read:  {shown}", flush=True)
    p99 = {sleepers: statistics.median(run["p99_ms"] for run in runs) for sleepers, runs in results.items()}
    limit, each_kb = 1.25 * p99[0] + 2, max(run["kB_each"] for run in results[SLEEPERS])
    print(f"median p99: {p99[0]:.2f} ms without, {p99[SLEEPERS]:.2f} ms with, at most {limit:.2f} ms promised")
    print(f"memory: at most {each_kb:.0f} kB for each that never read")
    return 0 if p99[SLEEPERS] <= limit and each_kb < 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
