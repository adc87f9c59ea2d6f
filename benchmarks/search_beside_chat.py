"""What the chat notices of the index of searches: the same load with it and without it, in turn.

    python benchmarks/search_beside_chat.py --wsload PATH [--rounds 3] [--seconds 6] [--rate N] [--folder DIR]

100 sockets in pairs write to each other, 16 open messages each (or `--rate` messages a second of all together), the
server on core 0 and the generator (wsload) on core 1. Every message has words of its own. What the rounds without the
index leave waits to be indexed in those with it, so that the index has work all the time. SQLite.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MESSAGE = (
    '{"cmd":10,"userid":@SELF@,"dstid":@PEER@,"media":1,"cid":"@RUN@-@SELF@-@SEQ@",'
    '"content":"ts:@TS@ 今天下午三点@SEQ@号开会 请@SELF@准时 hello there no@SEQ@"}'
)


def run(options: argparse.Namespace, folder: Path, enabled: str) -> dict[str, float]:
    settings = (f"storage.url=sqlite:///{folder}/im.db", "server.port=0", f"search.enabled={enabled}")
    settings += ("security.throttle=no", "log.level=warning", f"uploads.folder={folder}/resource")
    command = ["taskset", "-c", "0", sys.executable, "-m", "imtornado", "serve"]
    command += [part for setting in settings for part in ("--set", setting)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r":(\d+)$", server.stdout.readline().strip())
        assert found, "the server did not start"
        load = ["taskset", "-c", "1", options.wsload, "--port", found[1], "--paths", f"{folder}/paths/pairs100.txt"]
        load += ["--server-pid", str(server.pid), "--template", MESSAGE, "--warm", "1", "--time", str(options.seconds)]
        load += ["-H", "Sec-WebSocket-Protocol: im.v1"]
        load += ["--drain", "3", "--order", "--fanout", "1", "--ack", '"cmd":1,', "--mixed"]
        load += ["--rate", str(options.rate)] if options.rate else ["--window", "16"]
        done = subprocess.run([*load, "send"], capture_output=True, text=True, check=True)
        report = json.loads(done.stdout.splitlines()[-1])
        return {
            "acked_per_s": report["acked_total"] / max(1, report["sent_total"]) * report["sent_per_s"],
            "ack_p50_ms": report["ack_us"]["p50"] / 1000,
            "ack_p99_ms": report["ack_us"]["p99"] / 1000,
            "missing": report["missing"],
            "out_of_order": report["out_of_order"],
        }
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--wsload", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        prepare = [sys.executable, "-m", "imtornado", "bench", "prepare", "--out", f"{folder}/paths"]
        subprocess.run([*prepare, "--set", f"storage.url=sqlite:///{folder}/im.db"], cwd=ROOT, check=True)
        reports: dict[str, list[dict[str, float]]] = {"no": [], "yes": []}
        for number in range(options.rounds):
            # The database grows, and a larger one is slower: each goes first in every other round.
            for enabled in ("no", "yes") if number % 2 == 0 else ("yes", "no"):
                report = run(options, folder, enabled)
                reports[enabled].append(report)
                print(f"search.enabled={enabled}: {json.dumps(report)}", flush=True)
        for key in ("acked_per_s", "ack_p50_ms", "ack_p99_ms"):
            without, with_it = (statistics.median(report[key] for report in reports[on]) for on in ("no", "yes"))
            print(f"{key}: without {without:.1f}, with {with_it:.1f}, ratio {with_it / without:.3f}")


if __name__ == "__main__":
    main()
