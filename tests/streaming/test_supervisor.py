"""Engines come and go; whoever asks is told, waits, and is served by the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from streaming.context import Context
from streaming.engine import Sampling
from streaming.errors import EngineUnavailable, SessionFull
from streaming.supervisor import LONGEST_PAUSE, Supervisor, pause
from tests.scripted import ScriptedEngine

ANYTHING = Context.of([1])


class Starts:
    """Makes engines, or fails, as it is told."""

    def __init__(self) -> None:
        self.made: list[ScriptedEngine] = [ScriptedEngine()]
        self.failures: list[Exception] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self) -> ScriptedEngine:
        await self.may.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(ScriptedEngine())
        return self.made[-1]


@asynccontextmanager
async def supervising(starts: Starts, clock: Callable[[], float] = lambda: 0.0) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(starts.made[0], starts, first_pause=0.0, clock=clock)
    watching = asyncio.create_task(supervisor.watch())
    try:
        yield supervisor
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await supervisor.close()


async def output(supervisor: Supervisor) -> str:
    return "".join([delta.text async for delta in supervisor.generate(ANYTHING, Sampling(100))])


async def test_a_dead_engine_is_closed_and_followed_by_another() -> None:
    starts = Starts()
    async with supervising(starts) as supervisor:
        first = await output(supervisor)
        assert first and supervisor.generation == 1
        starts.made[0].kill()
        with pytest.raises(EngineUnavailable):
            await output(supervisor)
        await supervisor.ready()
        assert supervisor.generation == 2 and not starts.made[0].alive
        assert await output(supervisor) == first
        assert len(starts.made) == 2


async def test_requests_under_way_end_with_their_engine() -> None:
    starts = Starts()
    starts.made[0].gate = asyncio.Event()
    async with supervising(starts) as supervisor:
        request = asyncio.create_task(output(supervisor))
        await asyncio.sleep(0.01)
        starts.made[0].kill()
        with pytest.raises(EngineUnavailable):
            await request


@pytest.mark.fault(
    fault="engine restart that fails",
    provoked="the next two starts of the engine fail",
    seen="`/healthz` says `restarting`, and why; replies wait",
    kept="the conversations; starts are tried again, after longer and longer pauses",
)
async def test_a_restart_that_fails_is_tried_again_and_told() -> None:
    starts = Starts()
    starts.failures = [RuntimeError("out of\nmemory"), OSError()]
    starts.may.clear()
    async with supervising(starts) as supervisor:
        starts.made[0].kill()
        waiting = [asyncio.create_task(supervisor.ready()) for _ in range(3)]
        troubles = []
        while not all(task.done() for task in waiting):
            starts.may.set()
            await asyncio.sleep(0)
            if supervisor.trouble not in troubles:
                troubles.append(supervisor.trouble)
        assert troubles == ["", "out of memory", "OSError"]
        assert supervisor.generation == 2 and supervisor.trouble == ""
        await asyncio.gather(*waiting)


async def test_two_deaths_in_a_row() -> None:
    starts = Starts()
    async with supervising(starts) as supervisor:
        for generation in (2, 3):
            starts.made[-1].kill()
            await supervisor.ready()
            assert supervisor.generation == generation
        assert await output(supervisor)


async def test_a_place_is_kept_through_a_restart() -> None:
    starts = Starts()
    starts.made[0].max_tokens = 8192
    async with supervising(starts) as supervisor:
        with supervisor.admit():
            starts.may.clear()
            starts.made[0].kill()
            with pytest.raises(EngineUnavailable), supervisor.admit():
                pass
            starts.may.set()
            await supervisor.ready()
            with pytest.raises(SessionFull), supervisor.admit():
                pass
        with supervisor.admit():
            pass


async def test_whoever_waits_is_told_when_it_is_over() -> None:
    starts = Starts()
    starts.may.clear()
    async with supervising(starts) as supervisor:
        starts.made[0].kill()
        waiting = asyncio.create_task(supervisor.ready())
        await asyncio.sleep(0.01)
    with pytest.raises(EngineUnavailable, match="stopping"):
        await waiting


def test_pauses_grow_up_to_a_bound() -> None:
    assert [pause(n) for n in range(8)] == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert pause(10_000) == LONGEST_PAUSE
