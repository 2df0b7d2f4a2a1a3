"""Appends go out in order, one at a time, merged when they come faster; what is cached loses its data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from streaming.context import Audio, Context
from streaming.errors import EngineUnavailable
from streaming.listener import Listener
from tests.scripted import ScriptedEngine


def chunk(name: str, tokens: int = 5) -> Context:
    return Context((9,) * tokens, (Audio(name, 0, tokens, name),))


@asynccontextmanager
async def running(listener: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_appends_arrive_in_order_and_are_confirmed() -> None:
    engine = ScriptedEngine()
    told: list[float] = []
    listener = Listener(engine, told.append, clock=count().__next__)
    async with running(listener):
        for name in "abc":
            listener.append(chunk(name))
            await settle()
    assert [[a.key for a in c.audio] for c in engine.appends[0]] == [["a"], ["b"], ["c"]]
    assert listener.in_cache == 15
    assert told == [1, 1, 1]  # each from being handed over to being in the cache


async def test_what_comes_faster_goes_out_merged() -> None:
    engine = ScriptedEngine()
    listener = Listener(engine)
    for name in "abc":
        listener.append(chunk(name))
    async with running(listener):
        await settle()
    assert [len(c) for c in engine.appends[0]] == [15]


async def test_later_waits_for_the_next_append() -> None:
    engine = ScriptedEngine()
    listener = Listener(engine)
    async with running(listener):
        listener.append(chunk("a"), later=True)
        await settle()
        assert engine.appends == [[]]
        listener.append(chunk("b"))
        await settle()
    assert [len(c) for c in engine.appends[0]] == [10]


async def test_data_is_kept_for_the_last_blocks_only() -> None:
    engine = ScriptedEngine()
    listener = Listener(engine)
    async with running(listener):
        for i in range(20):  # 100 tokens: 3 whole blocks of 32, one of them to spare
            listener.append(chunk(str(i)))
        await settle()
    held = [a.key for a in listener.context.audio if a.data is None]
    assert held == [str(i) for i in range(12)]  # those that end within 64 tokens


async def test_each_append_tells_how_likely_the_turn_ends_there() -> None:
    engine = ScriptedEngine()
    engine.over = lambda context: len(context) / 100
    told: list[tuple[int, float]] = []
    listener = Listener(engine, ending=lambda at, over: told.append((at, over)))
    async with running(listener):
        for name in "ab":
            listener.append(chunk(name))
            await settle()
    assert told == [(5, 0.05), (10, 0.1)]


async def test_ending_it_closes_the_request() -> None:
    engine = ScriptedEngine()
    listener = Listener(engine)
    async with running(listener):
        listener.append(chunk("a"))
        await settle()
        assert engine.running() == 1
    assert engine.running() == 0


async def test_a_dead_engine_is_told() -> None:
    engine = ScriptedEngine()
    engine.alive = False
    listener = Listener(engine)
    listener.append(chunk("a"))
    with pytest.raises(EngineUnavailable):
        await listener.run()
