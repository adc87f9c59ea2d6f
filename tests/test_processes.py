"""Worker processes: what a call does to its own process harms no other."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from imtornado.errors import Busy, UnsupportedKind
from imtornado.processes import Bounds, ProcessFailed, ProcessPool

ROOT = Path(__file__).resolve().parents[1]


def double(number: int) -> int:
    return 2 * number


def refuse() -> None:
    raise UnsupportedKind("Not {kind}.", field="file", kind="this")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def spin() -> None:
    while True:
        pass


def wait_for(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.01)


def swallow_memory() -> int:
    return len(bytearray(3 << 30))


def give_what_no_pipe_carries() -> object:
    return lambda: None


def has_ended(process: int, timeout_s: float = 60.0) -> bool:
    """Waits until the process has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool("test", 1, 8, Bounds(memory_bytes=1 << 30, cpu_s=1, wall_s=100.0))
    yield pool
    pool.close()


@pytest.mark.gen_test(timeout=150)
async def test_results_and_errors_come_back(pool: ProcessPool) -> None:
    assert await pool.call(double, 21) == 42
    with pytest.raises(UnsupportedKind, match="Not this") as caught:
        await pool.call(refuse)
    assert (caught.value.field, caught.value.sentence, caught.value.code) == ("file", "Not {kind}.", 41501)
    with pytest.raises(RuntimeError, match="no pipe carries"):
        await pool.call(give_what_no_pipe_carries)
    process = await pool.call(os.getpid)
    assert process == await pool.call(os.getpid) != os.getpid()


@pytest.mark.gen_test(timeout=150)
async def test_a_crash_fails_its_own_call_only(pool: ProcessPool) -> None:
    crashed, *others = await asyncio.gather(
        pool.call(crash), *(pool.call(double, number) for number in range(5)), return_exceptions=True
    )
    assert isinstance(crashed, ProcessFailed)
    assert others == [0, 2, 4, 6, 8]


@pytest.mark.gen_test(timeout=150)
async def test_an_idle_process_that_died_is_replaced(pool: ProcessPool) -> None:
    process = await pool.call(os.getpid)
    os.kill(process, signal.SIGKILL)
    assert has_ended(process)
    assert await pool.call(double, 4) == 8


@pytest.mark.gen_test(timeout=150)
async def test_cpu_time_is_bounded(pool: ProcessPool) -> None:
    with pytest.raises(ProcessFailed):
        await pool.call(spin)
    assert await pool.call(double, 4) == 8


@pytest.mark.gen_test(timeout=150)
async def test_waiting_is_bounded(io_loop: IOLoop, tmp_path: Path) -> None:
    with contextlib.closing(ProcessPool("test", 1, 8, Bounds(wall_s=6.0))) as pool:
        with pytest.raises(ProcessFailed, match="longer"):
            await pool.call(wait_for, str(tmp_path / "never"))
        assert await pool.call(double, 4) == 8


@pytest.mark.gen_test(timeout=150)
async def test_memory_is_bounded(pool: ProcessPool) -> None:
    with pytest.raises(MemoryError):
        await pool.call(swallow_memory)
    assert await pool.call(double, 4) == 8


@pytest.mark.gen_test(timeout=150)
async def test_a_full_queue_refuses_at_once(io_loop: IOLoop, tmp_path: Path) -> None:
    with contextlib.closing(ProcessPool("test", 1, 2, Bounds())) as pool:
        calls = [asyncio.ensure_future(pool.call(wait_for, str(tmp_path / "now"))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await pool.call(double, 4)
        (tmp_path / "now").touch()
        await asyncio.gather(*calls)
        assert pool.waiting == 0


@pytest.mark.gen_test(timeout=150)
async def test_closing_ends_running_calls(io_loop: IOLoop, tmp_path: Path) -> None:
    pool = ProcessPool("test", 1, 2, Bounds())
    process = await pool.call(os.getpid)
    calls = [asyncio.ensure_future(pool.call(wait_for, str(tmp_path / "never"))) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.to_thread(pool.close)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [ProcessFailed, ProcessFailed]
    assert pool.waiting == 0
    assert has_ended(process)


PARENT = """
import asyncio, os
from imtornado.processes import ProcessPool
async def main():
    pool = ProcessPool("test", 1, 2)
    print(await pool.call(os.getpid), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_killed_parent_leaves_no_process_behind() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        encoding="ascii",
        env={"PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not has_ended(child, timeout_s=0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert has_ended(child)
