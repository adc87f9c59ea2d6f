"""Pools of threads: how many work, how many wait, and what waited for too long."""

import asyncio
import gc
import threading
import weakref
from time import monotonic

import pytest

from imtornado.drafts import ReadDraft
from imtornado.errors import Busy
from imtornado.live.writer import Pending, Waiter
from imtornado.timings import Timings
from imtornado.workers import Pool


@pytest.mark.gen_test(timeout=60)
async def test_a_pool_tells_who_works_and_who_waits() -> None:
    waits, work = Timings(), Timings()
    pool, go_on = Pool("test", 2, 1, waits=waits, work=work), threading.Event()
    calls = [asyncio.ensure_future(pool.call(go_on.wait, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    assert (pool.waiting, pool.busy, pool.queued, pool.refused) == (3, 2, 1, 0)
    with pytest.raises(Busy):
        await pool.call(go_on.wait, 60)
    assert pool.refused == 1
    go_on.set()
    assert await asyncio.gather(*calls) == [True] * 3
    assert (pool.waiting, pool.busy, pool.queued) == (0, 0, 0)
    assert waits.sums()["test"][0] == work.sums()["test"][0] == 3
    pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_what_waited_too_long_for_a_thread_is_refused_and_not_made() -> None:
    pool, began, go_on, made = Pool("test", 1, 8, wait_ms=60_000), threading.Event(), threading.Event(), list[int]()

    def hold() -> bool:
        began.set()
        return go_on.wait(60)

    running = asyncio.ensure_future(pool.call(hold))
    assert await asyncio.to_thread(began.wait, 60)
    pool.wait_s = 0.001
    late = asyncio.ensure_future(pool.call(made.append, 1))
    await asyncio.sleep(0.05)  # the least that must pass, and not what is waited for
    go_on.set()
    assert await running
    with pytest.raises(Busy):
        await late
    assert not made
    assert (pool.refused, pool.waiting) == (1, 0)
    pool.wait_s = 60
    await pool.call(made.append, 2)
    assert made == [2]
    pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_caller_is_told_when_his_time_is_over_and_what_waits_is_not_made() -> None:
    pool, began, go_on, made = Pool("test", 1, 8), threading.Event(), threading.Event(), list[int]()

    def hold() -> bool:
        began.set()
        return go_on.wait(60)

    running = asyncio.ensure_future(pool.call(hold))
    assert await asyncio.to_thread(began.wait, 60)
    with pytest.raises(Busy):
        await pool.call_until(monotonic() + 0.01, made.append, 1)
    assert (pool.refused, pool.waiting) == (1, 2)
    go_on.set()
    assert await running
    await pool.call_until(monotonic() + 60, made.append, 2)
    assert made == [2]
    pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_caller_whose_time_is_over_leaves_the_thread_at_its_work() -> None:
    pool, go_on = Pool("test", 1, 8), threading.Event()
    with pytest.raises(Busy):
        await pool.call_until(monotonic() + 0.01, go_on.wait, 60)
    assert pool.waiting == 1
    go_on.set()
    assert await pool.call(go_on.is_set)
    assert pool.waiting == 0
    pool.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_call_that_fails_keeps_nothing_of_what_it_was_given() -> None:
    """Not even until the collector of circles comes, which it seldom does."""

    class Load:
        pass

    def fail(_load: Load) -> None:
        raise Busy("busy")

    async def refused(load: Load) -> None:
        try:
            await pool.call_until(monotonic() + 60, fail, load)
        except Busy:
            return

    pool = Pool("test", 1, 8)
    load = Load()
    kept = weakref.ref(load)
    gc.disable()
    try:
        await refused(load)
        del load
        pool.close()
        assert kept() is None
    finally:
        gc.enable()


def test_who_was_refused_by_the_writer_is_kept_by_nobody() -> None:
    waiter, refusal = Waiter(), Busy("busy")
    waiter.answered(Pending(ReadDraft(1, 10, 2, seq=3), waiter), refusal)
    kept = weakref.ref(waiter)
    gc.disable()
    try:
        with pytest.raises(Busy, match=str(refusal)) as caught:
            waiter.result()
        del waiter, caught
        assert kept() is None
    finally:
        gc.enable()
