"""What a request does when its engine is gone, or has forgotten: it waits, tells all again, or gives up."""

from __future__ import annotations

import asyncio

import pytest

from streaming.context import Context
from streaming.errors import EngineUnavailable, Forgotten
from streaming.failover import MOST_DEATHS, Failover
from tests.scripted import ScriptedEngine

DEAD, LOST = EngineUnavailable("dead"), Forgotten("lost")
ANEW = Context.of([1, 2, 3])


class Told:
    def __init__(self, engine: ScriptedEngine, *, wanted: bool = True, patience: float = 60.0) -> None:
        self.forgotten = 0
        self.again = Failover(engine, lambda: ANEW, self._forgotten, lambda: wanted, patience)

    def _forgotten(self) -> None:
        self.forgotten += 1


async def test_it_waits_for_the_next_engine_and_tells_it_everything() -> None:
    engine = ScriptedEngine()
    engine.kill()
    waiting = asyncio.create_task(Told(engine).again(DEAD))
    await asyncio.sleep(0)
    assert not waiting.done()
    engine.revive()
    assert await waiting == ANEW


async def test_it_waits_only_so_long() -> None:
    engine = ScriptedEngine()
    engine.kill()
    with pytest.raises(EngineUnavailable, match="no engine for 0 s"):
        await Told(engine, patience=0.0).again(DEAD)


async def test_what_nobody_wants_is_given_up_at_once() -> None:
    engine = ScriptedEngine()
    for lost in (DEAD, LOST):
        with pytest.raises(type(lost)):
            await Told(engine, wanted=False).again(lost)


async def test_what_was_forgotten_is_told_once_more() -> None:
    told = Told(ScriptedEngine())
    assert await told.again(LOST) == ANEW and told.forgotten == 1
    with pytest.raises(Forgotten):
        await told.again(LOST)
    assert told.forgotten == 1


async def test_what_kills_every_engine_is_given_up() -> None:
    told = Told(ScriptedEngine())
    for _ in range(MOST_DEATHS):
        assert await told.again(DEAD) == ANEW
    with pytest.raises(EngineUnavailable):
        await told.again(DEAD)
