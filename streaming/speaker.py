"""A fork of the listener that thinks and speaks: reasoning, then the reply, streamed.

Its context is the listener's, so the engine finds all but the last tokens in its prefix cache. Where the
model does not come to the reply by itself (its chain has had its budget, or ended without being closed), or
the reply is to begin in a certain way (with a call), the request ends with the chain, and another repeats
that, as text, closed, and goes on behind it. It has no side effect: who drops it drops a request.
Knows no turns and no wire.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from model.prompt import TRANSCRIBE
from model.reasoning import Part, ReasoningParser, Reply, Thinking
from streaming.context import Context
from streaming.engine import Delta, Engine, Sampling


@dataclass(frozen=True)
class Manner:
    """How to reply. `begun`: the text that the reply is to begin with, the head of a call."""

    thinking: bool
    max_tokens: int  # reasoning and reply together
    max_reasoning: int | None = None
    begun: str = ""


@dataclass(frozen=True)
class Told:
    """What came of one engine step, and the counts so far."""

    parts: tuple[Part, ...]
    reasoning_tokens: int
    reply_tokens: int
    cached_tokens: int  # of the first request
    finish: str | None  # "stop", "length" or None while it goes on


async def speak(engine: Engine, context: Context, manner: Manner) -> AsyncGenerator[Told, None]:
    """Think and reply to a context that ends with the user's turn.

    Aborts its request when the consumer goes away. Raises EngineUnavailable, Forgotten and Refused.
    """
    prompt, progress = engine.prompt, Progress(manner)
    while True:
        closed = progress.closed
        head = (
            prompt.assistant_behind(progress.chain, manner.begun) if closed else prompt.assistant_open(True)
        )
        sampling = Sampling(progress.tokens_left, engine.temperature)
        async with aclosing(engine.generate(context + Context.of(head), sampling)) as deltas:
            async for delta in deltas:
                yield progress.take(delta)
                if progress.closed is not closed:
                    break
            else:
                return


async def transcribe(engine: Engine, context: Context, max_tokens: int) -> AsyncGenerator[str, None]:
    """What was said in the turn that ends the context: the same again, with a typed request behind the audio.

    The space that a first word brings along is left out. Aborts its request when the consumer goes away.
    Raises EngineUnavailable, Forgotten and Refused.
    """
    prompt = engine.prompt
    closed = len(prompt.human_close())
    asked = context[: len(context) - closed] + Context.of(prompt.human_close(TRANSCRIBE))
    begun = False
    async with aclosing(speak(engine, asked, Manner(thinking=False, max_tokens=max_tokens))) as steps:
        async for told in steps:
            for part in told.parts:
                if not isinstance(part, Reply):
                    continue
                text = part.text if begun else part.text.lstrip()
                if text:
                    begun = True
                    yield text


class Progress:
    """One reply so far. `closed`: the next request begins behind the chain, which we close."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._cached: int | None = None
        self._reasoning = self._reply = 0
        self._parser = ReasoningParser(manner.thinking)
        self.chain = ""
        self.closed = False
        if not manner.thinking:
            self._close()

    @property
    def tokens_left(self) -> int:
        return self._manner.max_tokens - self._reasoning - self._reply

    def take(self, delta: Delta) -> Told:
        in_chain = self._parser.thinking
        parts = self._parser.push(delta.text)
        if in_chain:
            self._reasoning += delta.tokens
        else:
            self._reply += delta.tokens
        if self._cached is None:
            self._cached = delta.cached_tokens
        finish = delta.finish
        if in_chain and not self.closed:
            self.chain += "".join(part.text for part in parts if isinstance(part, Thinking))
            if finish != "length" and self._to_be_closed(finish):
                parts, finish = [part for part in parts if isinstance(part, Thinking)], None
                self._close()
        if finish:
            parts += self._parser.finish(cut=finish == "length")
        return Told(tuple(parts), self._reasoning, self._reply, self._cached, finish)

    def _to_be_closed(self, finish: str | None) -> bool:
        if not self._parser.thinking:  # the model has closed it itself, and the reply follows
            return bool(self._manner.begun)
        budget = self._manner.max_reasoning
        return finish is not None or (budget is not None and self._reasoning >= budget)

    def _close(self) -> None:
        self.closed = True
        self._parser = ReasoningParser(thinking=False)
        self._parser.push(self._manner.begun)
