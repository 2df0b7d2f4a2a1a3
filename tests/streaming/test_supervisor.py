"""Engines come and go; whoever asks is told, waits, and is served by the next one."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest

import streaming.supervisor as supervising_module
from streaming.context import Context
from streaming.engine import Sampling
from streaming.errors import EngineUnavailable, SessionFull
from streaming.places import PLACE, Place
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


async def test_nothing_of_a_dead_engine_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its parts refer to each other, and the collector would not come by for hours."""
    monkeypatch.setattr(supervising_module, "SWEEP_SECONDS", 0.01)
    starts = Starts()
    gc.disable()
    try:
        async with supervising(starts) as supervisor:
            dead = starts.made[0]
            dead.itself = dead  # type: ignore[attr-defined]
            gone = asyncio.Event()
            left = weakref.ref(dead, lambda left: gone.set())
            dead.kill()
            with pytest.raises(EngineUnavailable):
                await output(supervisor)
            starts.made.clear()
            del dead
            await supervisor.ready()
            await asyncio.wait_for(gone.wait(), 5)
            assert left() is None
    finally:
        gc.enable()


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


class Idler:
    """In the only place of the engine, idle since 0."""

    held = 100

    def __init__(self, place: Place) -> None:
        self.place = place
        self.parked = asyncio.Event()

    @property
    def idle_since(self) -> float | None:
        return 0.0 if self.place.own.is_set() else None

    def park(self) -> None:
        self.place.lend()
        self.parked.set()


async def test_idle_conversations_make_room_for_others() -> None:
    engine, now = ScriptedEngine(max_tokens=8192), [5.0]
    supervisor = Supervisor(engine, Starts(), clock=lambda: now[0], overcommit=2)
    with supervisor.admit(), ExitStack() as stay:
        first = PLACE.get()
        assert first
        stay.enter_context(supervisor.parking.guest(Idler(first), first.rank))
        with pytest.raises(SessionFull):
            supervisor.check()
        now[0] = 20.0
        supervisor.check()
        assert first.own.is_set() and supervisor.free_tokens() == 0  # a look parks nobody
        with supervisor.admit():
            second = PLACE.get()
            assert second and not first.own.is_set()
            stay.enter_context(supervisor.parking.guest(Idler(second), second.rank))
            first.want()
            assert supervisor.waiting() == 1
            watching = asyncio.create_task(supervisor.watch())
            await first.own.wait()
            assert supervisor.waiting() == 0 and not second.own.is_set()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_it_parks_who_is_idle_where_its_cache_runs_short() -> None:
    starts = Starts()
    engine = starts.made[0]
    async with supervising(starts, lambda: 20.0) as supervisor:
        with supervisor.admit():
            place = PLACE.get()
            assert place
            idler = Idler(place)
            with supervisor.parking.guest(idler, 0):
                await asyncio.sleep(0)
                assert not idler.parked.is_set()
                engine.kv_used, engine.kv_told = engine.kv_tokens, 2
                await idler.parked.wait()


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
