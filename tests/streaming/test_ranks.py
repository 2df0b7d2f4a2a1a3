"""Data parallelism: two real ranks with a cache each, and every conversation stays with one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from model.checkpoint import NANO
from streaming.engine import VllmEngine
from streaming.errors import SessionFull
from streaming.places import RANK, Places
from tests.streaming.test_engine import listening, output, spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[VllmEngine]:
    made = await VllmEngine.start(NANO, ["--data-parallel-size", "2", "--max-num-seqs", "16"])
    yield made
    await made.close()


async def test_forks_find_their_listeners_blocks_on_its_rank(engine: VllmEngine) -> None:
    assert engine.ranks == 2

    async def conversation(name: str) -> tuple[int | None, int, int]:
        """The rank, what the listener had settled, and what a fork of it found cached."""
        with engine.admit():
            async with listening(engine) as listener:
                context = await spoken(engine, listener, 4.0, name)
                settled = len(listener.context)
                # Tasks of the conversation know its rank, whoever spawned them within it.
                forks = [asyncio.create_task(output(engine, context)) for _ in range(2)]
                told = [await fork for fork in forks]
                assert len({text for text, _ in told}) == 1
                return RANK.get(), settled, min(last.cached_tokens for _, last in told)

    told = await asyncio.gather(*(conversation(f"talk-{n}") for n in range(4)))
    assert sorted(rank for rank, *_ in told if rank is not None) == [0, 0, 1, 1]
    for _, settled, cached in told:
        assert cached >= settled - 2 * engine.block
    counted = [(rank.queried, rank.hits) for rank in engine.figures.ranks]
    assert all(queried and hits for queried, hits in counted), counted


async def test_a_fork_elsewhere_finds_nothing(engine: VllmEngine) -> None:
    """That it is the rank which does it."""
    with engine.admit():
        mine = RANK.get()
        assert mine is not None
        async with listening(engine) as listener:
            context = await spoken(engine, listener, 4.0, "elsewhere")
            _, here = await output(engine, context)
            other = RANK.set(1 - mine)
            told = engine.prompt.human_text("the same words of a system prompt, many times over. " * 8)
            RANK.reset(other)
            assert here.cached_tokens >= len(listener.context) - 2 * engine.block
            plain = await cached_twice(engine, told, mine, 1 - mine)
            assert plain[0] > 0 and plain[1] == 0


async def cached_twice(engine: VllmEngine, ids: list[int], first: int, second: int) -> tuple[int, int]:
    """What the same text finds cached again on its rank, and on another one."""
    from streaming.context import Context

    found = []
    for rank in (first, first, second):
        token = RANK.set(rank)
        _, last = await output(engine, Context.of(ids), 4)
        RANK.reset(token)
        found.append(last.cached_tokens)
    return found[1], found[2]


async def test_conversations_go_where_most_is_free() -> None:
    places = Places(total=1000, each=400, ranks=2)
    assert places.free == 1600
    with ExitStack() as first:
        first.enter_context(places.one())
        assert RANK.get() == 0 and places.reserved == (400, 0)
        with places.one():
            assert RANK.get() == 1
            with places.one(), places.one():
                assert places.reserved == (800, 800) and places.free == 0
                with pytest.raises(SessionFull, match="all 4 places"), places.one():
                    pass
        assert RANK.get() == 0 and places.reserved == (400, 0)
    assert RANK.get() is None
    with Places(total=1000, each=400).one():
        assert RANK.get() is None  # one cache: nobody has to choose
