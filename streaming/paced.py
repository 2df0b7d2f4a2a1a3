"""Mind-paced speaking: two forks of a context, one that thinks and one that speaks meanwhile.

What is said when stands in streaming/pacing.py; here are the requests. Both belong to whoever awaits `pace`:
cancelled, it aborts both. Formulation is a speaker like any other, and outlives its engine like any other;
articulation goes on once formulation does, with the same context. Knows no turns and no wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from model.reasoning import Part, Reply, Thinking
from streaming.context import Context
from streaming.engine import Engine, Sampling
from streaming.errors import EngineUnavailable, Forgotten, SessionError
from streaming.events import Pacing
from streaming.pacing import Pacer
from streaming.speaker import Again, Lost, Manner, Told, speak

Tell = Callable[[Told], None]


async def pace(
    engine: Engine,
    context: Context,
    manner: Manner,
    pacing: Pacing,
    again: Again,
    tell: Tell,
    before: Told | None = None,
) -> None:
    """Think and reply at once, told step by step. `again` and what is raised: as in `speak`.

    `before`: what somebody else has told, whose thoughts have not ended: both go on behind it, and what was
    said is compared with the reply to all thoughts, whoever said it.
    """
    forks = Forks(engine, context, manner, pacing, again, tell)
    if before is not None:
        forks.go_on(before)
    try:
        async with asyncio.TaskGroup() as tasks:
            forks.articulating = tasks.create_task(forks.articulate())
            await forks.formulate()
            forks.articulating.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


class Forks:
    """`articulating` is the task of that name."""

    articulating: asyncio.Task[None]

    def __init__(
        self, engine: Engine, context: Context, manner: Manner, pacing: Pacing, again: Again, tell: Tell
    ) -> None:
        self._engine = engine
        self._context = context
        self._manner = manner
        self._again = again
        self._tell = tell
        self._pacer = Pacer(pacing)
        self._chain = ""
        self._thoughts = Told((), 0, 0, 0, None)  # the newest of them
        self._before: Told | None = None  # that formulation goes on behind
        self._articulated = 0  # tokens
        self._news = asyncio.Event()

    def go_on(self, told: Told) -> None:
        """Behind what somebody else has told."""
        thoughts = tuple(part for part in told.parts if isinstance(part, Thinking))
        self._chain = "".join(part.text for part in thoughts)
        said = "".join(part.text for part in told.parts if isinstance(part, Reply))
        self._articulated = told.reply_tokens
        self._before = self._thoughts = replace(told, parts=thoughts, reply_tokens=0, beside=False)
        self._pacer.go_on(self._chain, told.reasoning_tokens, said)

    @property
    def _left(self) -> int:
        """Tokens: all that were made count, also those that were not told."""
        told = self._thoughts
        return self._manner.max_tokens - told.reasoning_tokens - told.reply_tokens - self._articulated

    # --- formulation ---

    async def formulate(self) -> None:
        thoughts = speak(self._engine, self._context, self._manner, self._anew, self._before)
        async with aclosing(thoughts) as steps:
            async for told in steps:
                self._thoughts = told
                if told.finish is None and self._left <= 0:
                    told = replace(told, finish="length")
                self._take(told)
                if told.finish is not None:
                    return

    async def _anew(self, lost: Lost) -> Context:
        self._context = await self._again(lost)
        return self._context

    def _take(self, told: Told) -> None:
        thoughts = "".join(part.text for part in told.parts if isinstance(part, Thinking))
        self._chain += thoughts
        self._pacer.thought(self._chain, told.reasoning_tokens)
        self._news.set()
        parts: list[Part] = []
        for part in told.parts:
            if not isinstance(part, Thinking):
                self.articulating.cancel()
            match part:
                case Reply(text):
                    parts += _reply(self._pacer.conclude(text))
                case Thinking():
                    parts.append(part)
                case _:
                    parts += [*_reply(self._pacer.conclude("", over=True)), part]
        if told.finish is not None:
            self.articulating.cancel()
            parts += _reply(self._pacer.conclude("", over=True, cut=told.finish == "length"))
        self._tell(replace(told, parts=tuple(parts), reply_tokens=told.reply_tokens + self._articulated))

    # --- articulation ---

    async def articulate(self) -> None:
        """Until cancelled, or until there is nothing more to say beforehand."""
        lost: Context | None = None
        while self._left > 0:
            if not self._pacer.due or self._context is lost:
                self._news.clear()
                await self._news.wait()
                continue
            context = self._context
            try:
                await self._segment(context)
            except (EngineUnavailable, Forgotten):
                self._pacer.lost()
                lost = context  # formulation is told the same, and gets another
            except SessionError:
                return  # what is wrong with it, formulation will say

    async def _segment(self, context: Context) -> None:
        chain, segment = self._pacer.begin()
        head = self._engine.prompt.assistant_behind(chain, self._pacer.said)
        sampling = Sampling(self._left, self._engine.temperature, sure=True)
        async with aclosing(self._engine.generate(context + Context.of(head), sampling)) as deltas:
            async for delta in deltas:
                self._articulated += delta.tokens
                told = segment.take(delta.text, delta.tokens, delta.sure, delta.finish)
                self._pacer.tell(segment, told)
                if told:
                    self._tell(self._beside(Reply(told)))
                if segment.over:
                    self._tell(self._beside())
                    return

    def _beside(self, *parts: Part) -> Told:
        counts = self._thoughts
        return Told(
            parts,
            counts.reasoning_tokens,
            counts.reply_tokens + self._articulated,
            counts.cached_tokens,
            None,
            beside=True,
        )


def _reply(text: str) -> list[Part]:
    return [Reply(text)] if text else []
