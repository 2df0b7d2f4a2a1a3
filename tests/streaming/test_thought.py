"""What nobody takes is kept; what is taken comes once, in order, but not while it is held."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from model.reasoning import Reply
from streaming.context import Context
from streaming.errors import Refused
from streaming.speaker import Manner, Told
from streaming.thought import Thought


def thought() -> Thought:
    return Thought(Context(), Manner(thinking=True, max_tokens=9))


def step(number: int) -> Told:
    return Told((Reply(str(number)),), 1, number, 0, None)


async def take(t: Thought, into: list[Told]) -> None:
    async with aclosing(t.told()) as steps:
        async for told in steps:
            into.append(told)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_was_thought_is_told_at_once_and_the_rest_as_it_comes() -> None:
    t, told = thought(), list[Told]()
    t.take(step(0))
    t.take(step(1))
    assert t.tokens == 2
    listening = asyncio.create_task(take(t, told))
    await settle()
    assert told == [step(0), step(1)]
    t.take(step(2))
    await settle()
    assert told == [step(0), step(1), step(2)] and not listening.done()
    t.end()
    await listening


async def test_what_is_held_is_not_told_until_it_is_released_not_even_its_end() -> None:
    t, told = thought(), list[Told]()
    listening = asyncio.create_task(take(t, told))
    t.hold(True)
    t.take(step(0))
    t.end()
    await settle()
    assert told == [] and not listening.done()
    t.hold(False)
    await listening
    assert told == [step(0)]


async def test_a_failure_comes_behind_what_was_good() -> None:
    t, told = thought(), list[Told]()
    t.take(step(0))
    t.end(Refused("no"))
    with pytest.raises(Refused):
        await take(t, told)
    assert told == [step(0)]
