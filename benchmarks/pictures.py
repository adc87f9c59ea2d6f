"""What a photograph of 12 million pixels costs: time of one core, sizes, and what the chat beside it notices.

    python benchmarks/pictures.py [--rounds 5] [--seconds 20]

First the conversion alone, in this process. Then a server: two friends write to each other 50 times a second over
sockets, without and with a third who uploads such photographs one after the other, all the time. Promised: at most
600 kB, a thumbnail of at most 15 kB, 500 ms of one core, and a 99th percentile below 20 ms from sending to receiving.
Exits 1 when that does not hold.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from imtornado.attachments import convert
from tests import pictures
from tests.fixtures.server import Server
from tests.handlers.uploading import form, post_file
from tests.people import Person

SIZE = (4000, 3000)
RATE = 50
PICTURE_BYTES, THUMB_BYTES, CPU_MS, P99_MS = 600_000, 15_000, 500, 20


def photograph(number: int) -> bytes:
    """About 4 MB, as a phone makes it: smooth areas, edges and grain; no two are alike."""
    image = pictures.grainy(*SIZE, sigma=20)
    image.paste(pictures.quarters(1200, 900), (300 + number % 100, 300))
    return pictures.encoded(image, "JPEG", quality=88, exif=pictures.exif(1))


def conversion(rounds: int) -> tuple[float, int, int, int]:
    """(median ms of CPU, bytes of the original, of the picture, of the thumbnail)."""
    with tempfile.TemporaryDirectory() as folder:
        source, result, thumb = (Path(folder) / name for name in ("source", "result", "thumb"))
        source.write_bytes(photograph(0))
        times_ms = []
        for _ in range(rounds + 1):  # the first one loads the codecs
            started = time.process_time()
            convert(str(source), str(result), str(thumb), 25_000_000)
            times_ms.append((time.process_time() - started) * 1000)
        sizes = [file.stat().st_size for file in (source, result, thumb)]
    return statistics.median(times_ms[1:]), sizes[0], sizes[1], sizes[2]


def delivery_ms(ann: Person, bob: Person, seconds: float) -> list[float]:
    """Times from sending to receiving, in ms."""
    sender, receiver = ann.connect(), bob.connect()
    times_ms = []
    began = time.monotonic()
    for number in range(int(seconds * RATE)):
        wait = began + number / RATE - time.monotonic()
        if wait > 0:
            time.sleep(wait)  # an open loop: the clock says when the next one is due
        message = ann.message(bob.user_id, f"message {number}")
        started = time.perf_counter()
        sender.send(message)
        while receiver.json().get("content") != message["content"]:
            pass
        times_ms.append((time.perf_counter() - started) * 1000)
        sender.until(cmd=1)
    sender.close()
    receiver.close()
    return times_ms


def p99(times_ms: list[float]) -> float:
    return statistics.quantiles(times_ms, n=100)[98]


def beside_chat(seconds: float) -> tuple[float, float, int]:
    """(p99 ms without uploads, with uploads, photographs that were taken meanwhile)."""
    photographs = [photograph(number) for number in range(12)]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), ("security.throttle=no", "contacts.confirm=no", "uploads.user_bytes=99999999999"))
        try:
            ann, bob, cid = (Person(server.port, name) for name in ("Ann", "Bob", "Cid"))
            ann.call("/contact/addfriend", dstid=bob.user_id)
            quiet = p99(delivery_ms(ann, bob, seconds))
            ended = threading.Event()
            stored = 0

            def upload() -> None:
                nonlocal stored
                while not ended.is_set():
                    # What follows the end of a JPEG makes it another file, of which the same work is done.
                    data = photographs[stored % len(photographs)] + b"%08d" % stored
                    assert post_file(cid, form(data)).code == 0
                    stored += 1

            uploading = threading.Thread(target=upload)
            uploading.start()
            busy = p99(delivery_ms(ann, bob, seconds))
            ended.set()
            uploading.join()
            return quiet, busy, stored
        finally:
            server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    cpu_ms, original, picture, thumb = conversion(options.rounds)
    print(f"{SIZE[0]}x{SIZE[1]}, {original / 1e6:.1f} MB -> {picture / 1000:.0f} kB and {thumb / 1000:.1f} kB")
    print(f"{cpu_ms:.0f} ms of one core")
    quiet, busy, stored = beside_chat(options.seconds)
    print(f"chat p99 {quiet:.1f} ms alone, {busy:.1f} ms beside {stored} photographs in {options.seconds:g} s")
    kept = picture <= PICTURE_BYTES and thumb <= THUMB_BYTES and cpu_ms <= CPU_MS and busy < P99_MS
    print("promised: kept" if kept else "promised: NOT kept")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
