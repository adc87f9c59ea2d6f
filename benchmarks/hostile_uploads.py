"""What uploads that are meant to harm cost: time until they are refused, memory, and how long others wait meanwhile.

    python benchmarks/hostile_uploads.py

A server with one worker process gets every upload of tests/hostile.py, one after the other. Beside it somebody asks
/healthz again and again, which the event loop answers itself: what that takes longer than it should is what the loop
lagged. Promised: refused within 2 s, lag below 50 ms, less than 100 MB more memory of server and worker together.
Exits 1 when that does not hold.
"""

import http.client
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import hostile, pictures
from tests.fixtures.server import Server
from tests.handlers.uploading import form, head_of_upload, post_file, raw, read_answer
from tests.people import Person
from tests.usage import usage

WITHIN_S, LAG_MS, MEMORY_BYTES = 2.0, 50.0, 100_000_000
PAUSE_S = 0.002


class Pulse:
    """Asks for /healthz on one connection, again and again; `worst_ms` is the longest wait since it was last read."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._ended = threading.Event()
        self._worst_ms = 0.0
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def worst_ms(self) -> float:
        worst, self._worst_ms = self._worst_ms, 0.0
        return worst

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _beat(self) -> None:
        while not self._ended.wait(PAUSE_S):
            started = time.perf_counter()
            self._connection.request("GET", "/healthz")
            self._connection.getresponse().read()
            self._worst_ms = max(self._worst_ms, (time.perf_counter() - started) * 1000)


def endless(person: Person, start: bytes, more: bytes) -> int:
    """The status of a form that does not end."""
    connection = raw(person.port, head_of_upload(person, "Transfer-Encoding: chunked"))
    connection.settimeout(60)
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (start, *([more] * 16)) if piece)
    answered = threading.Event()

    def send() -> None:
        try:
            while not answered.is_set():
                connection.sendall(pieces)
        except OSError:
            return

    sending = threading.Thread(target=send)
    sending.start()
    try:
        return read_answer(connection).status
    finally:
        answered.set()
        sending.join()


def main() -> int:
    made = {name: make() for name, make in hostile.BOMBS.items()}
    packed = hostile.packed()
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), ("security.throttle=no",))
        try:
            person = Person(server.port, "Ann")
            for kind in ("JPEG", "AVIF"):
                post_file(person, form(pictures.encoded(pictures.quarters(), kind)))
            before = usage(server).memory_bytes
            pulse = Pulse(server.port)
            time.sleep(1)
            print(f"{'':>28} {'refused after':>14} {'longest wait':>13}")
            print(f"{'nothing':>28} {'':>14} {pulse.worst_ms():>10.1f} ms")
            uploads = {name: lambda body=body: post_file(person, body).status for name, body in made.items()}
            uploads["gzip"] = lambda: post_file(person, packed, Content_Encoding="gzip").status
            for name, (start, more) in hostile.ENDLESS.items():
                uploads[f"endless {name}"] = lambda start=start, more=more: endless(person, start, more)
            for name, send in uploads.items():
                pulse.worst_ms()
                started = time.perf_counter()
                status = send()
                took_s, lag_ms = time.perf_counter() - started, pulse.worst_ms()
                good = 400 <= status < 500 and took_s < WITHIN_S and lag_ms < LAG_MS
                kept &= good
                print(f"{name:>28} {took_s:>12.2f} s {lag_ms:>10.1f} ms{'' if good else '   NOT kept'}")
            pulse.close()
            grown = usage(server).memory_bytes - before
        finally:
            server.close()
    kept &= grown < MEMORY_BYTES
    print(f"memory of server and worker: {grown / 1e6:.1f} MB more at most")
    print("promised: kept" if kept else "promised: NOT kept")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
