"""What a server in a process of its own uses of the machine, by Linux's /proc."""

from pathlib import Path
from typing import NamedTuple

from tests.fixtures.server import Server


class Usage(NamedTuple):
    """Of a server and its workers: CPU in seconds, the most that either has had in memory in bytes."""

    cpu_s: float
    loop_s: float  # of the thread that serves everybody
    memory_bytes: int


def usage(server: Server) -> Usage:
    processes = [server.pid]
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        processes += map(int, (task / "children").read_text().split())
    cpu_s, memory = 0.0, 0
    for process in processes:
        folder = Path(f"/proc/{process}")
        cpu_s += sum(on_cpu_s(task) for task in (folder / "task").iterdir())
        memory += 1024 * int(next(line.split()[1] for line in status(folder) if line.startswith("VmHWM")))
    return Usage(cpu_s, on_cpu_s(Path(f"/proc/{server.pid}/task/{server.pid}")), memory)


def on_cpu_s(task: Path) -> float:
    return int((task / "schedstat").read_text().split()[0]) / 1e9


def status(folder: Path) -> list[str]:
    return (folder / "status").read_text().splitlines()


def memory_bytes(server: Server) -> int:
    """The most that the server's process has had in memory."""
    return 1024 * int(next(line.split()[1] for line in status(Path(f"/proc/{server.pid}")) if line.startswith("VmHWM")))
