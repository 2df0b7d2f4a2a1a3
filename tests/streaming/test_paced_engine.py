"""Nano itself thinks and speaks at once, and carries its thoughts on: what its engine finds in its cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from model.checkpoint import NANO
from model.prompt import END_THINK
from model.reasoning import Reply, Thinking
from model.training.world.instructions import NANO as INSTRUCTIONS
from streaming.context import Context
from streaming.conversation import Entry
from streaming.draft import agreed
from streaming.engine import Delta, Likelihood, Sampling, VllmEngine
from streaming.events import Message, Pacing
from streaming.microphone import RATE
from streaming.paced import pace
from streaming.recall import spoken
from streaming.speaker import Manner, Told, give_up
from tests.processes import RECORDINGS

pytestmark = pytest.mark.asyncio(loop_scope="module")
MANNER = Manner(True, 120)


class Watched:
    """A real engine, and of each of its requests the prompt and what of it was cached."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self.seen: list[tuple[Context, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        first = True
        async with aclosing(self._engine.generate(context, sampling)) as deltas:
            async for delta in deltas:
                if first:
                    self.seen.append((context, delta.cached_tokens))
                first = False
                yield delta

    async def likelihoods(self, context: Context, behind: Sequence[int]) -> list[Likelihood]:
        return await self._engine.likelihoods(context, behind)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[VllmEngine]:
    made = await VllmEngine.start(NANO)
    yield made
    await made.close()


def question(engine: VllmEngine, share: float = 1.0) -> Context:
    """A recorded sum, or the beginning of it."""
    samples, rate = soundfile.read(RECORDINGS / "sum.wav", dtype="int16")
    assert rate == RATE
    heard = samples[: int(len(samples) * share)]
    entry = Entry([Message(f"sum_{len(heard)}", "user", True)], np.asarray(heard))
    return Context.of(engine.prompt.system(INSTRUCTIONS)) + spoken(entry, engine.prompt, engine.n_mels)


async def chain(engine: VllmEngine, context: Context) -> tuple[str, str]:
    """What it thinks and replies without a pace."""
    head, text = Context.of(engine.prompt.assistant_open(True)), ""
    async with aclosing(engine.generate(context + head, Sampling(120))) as deltas:
        async for delta in deltas:
            text += delta.text
    thoughts, _, reply = text.partition(END_THINK)
    return thoughts.strip(), reply.strip()


def joined(steps: list[Told], kind: type[Thinking] | type[Reply]) -> str:
    return "".join(part.text for step in steps for part in step.parts if isinstance(part, kind))


async def paced(engine: VllmEngine, context: Context, pacing: Pacing) -> tuple[list[Told], Watched]:
    watched, steps = Watched(engine), list[Told]()
    await pace(watched, context, MANNER, pacing, give_up, steps.append)
    return steps, watched


@pytest.mark.parametrize("speak_first", [False, True])
async def test_it_says_what_it_would_have_said_and_its_thoughts_are_read_once(
    engine: VllmEngine, speak_first: bool
) -> None:
    context = question(engine)
    thoughts, reply = await chain(engine, context)
    steps, watched = await paced(engine, context, Pacing(speak_first, think_segment=8, sure=0.6))
    assert joined(steps, Thinking) == thoughts
    assert joined(steps, Reply).endswith(reply)
    assert joined([step for step in steps if step.beside], Reply)
    formulation = context + Context.of(engine.prompt.assistant_open(True))
    articulations = [(read, cached) for read, cached in watched.seen if read.ids != formulation.ids]
    assert len(articulations) == len(watched.seen) - 1 > 0
    for _, cached in articulations:
        assert cached >= len(context) // engine.block * engine.block
    assert engine.running() == 0


async def test_whoever_leaves_leaves_no_request(engine: VllmEngine) -> None:
    going = asyncio.create_task(
        pace(engine, question(engine), MANNER, Pacing(True, 4), give_up, lambda told: None)
    )
    while engine.running() < 2:
        assert not going.done()
        await asyncio.sleep(0.001)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    assert engine.running() == 0


async def test_a_draft_holds_as_far_as_it_would_have_been_thought(engine: VllmEngine) -> None:
    """Greedy and checked in one pass, it is the same as thinking token by token."""
    half, whole = question(engine, 0.6), question(engine)
    draft, _ = await chain(engine, half)
    kept = await agreed(engine, whole, draft)
    thoughts, _ = await chain(engine, whole)
    assert thoughts.startswith(kept) and draft.startswith(kept)
    assert kept.startswith("heard:")


async def test_what_the_cache_holds_already_was_not_computed_and_is_not_told(engine: VllmEngine) -> None:
    context = question(engine, 0.8)
    ids = engine.prompt.encode("heard: what is " * 30)
    assert len(await engine.likelihoods(context, ids)) == len(ids)
    assert await engine.likelihoods(context, ids) == []
