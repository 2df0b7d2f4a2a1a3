"""A fork of the listener that thinks and speaks: reasoning, then the reply, streamed.

Its context is the listener's, so the engine finds all but the last tokens in its prefix cache. It has no
side effect: who drops it drops a request. Knows no turns and no wire.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from model.reasoning import ReasoningParser, Reply, Thinking
from streaming.context import Context
from streaming.engine import Engine, Sampling


@dataclass(frozen=True)
class Told:
    """What came of one engine step, and the counts so far."""

    parts: tuple[Thinking | Reply, ...]
    reasoning_tokens: int
    reply_tokens: int
    cached_tokens: int
    finish: str | None  # "stop", "length" or None while it goes on


async def speak(
    engine: Engine, context: Context, thinking: bool, max_tokens: int
) -> AsyncGenerator[Told, None]:
    """Think and reply to a context that ends with the user's turn.

    Aborts its request when the consumer goes away. Raises EngineUnavailable.
    """
    whole = context + Context.of(engine.prompt.assistant_open(thinking))
    parser = ReasoningParser(thinking)
    reasoning = reply = 0
    sampling = Sampling(max_tokens, engine.temperature)
    async with aclosing(engine.generate(whole, sampling)) as deltas:
        async for delta in deltas:
            was_thinking = parser.thinking
            parts = parser.push(delta.text)
            if delta.finish:
                parts += parser.finish()
            if was_thinking:
                reasoning += delta.tokens
            else:
                reply += delta.tokens
            yield Told(tuple(parts), reasoning, reply, delta.cached_tokens, delta.finish)
