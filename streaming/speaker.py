"""A fork of the listener that thinks and speaks: reasoning, then the reply, streamed.

Its context is the listener's, so the engine finds all but the last tokens in its prefix cache. Where the
model does not come to the reply by itself (its chain has had its budget, or ended without being closed), or
the reply is to begin in a certain way (with a call), the request ends with the chain, and another repeats
that, as text, closed, and goes on behind it. In the same way a reply outlives its engine: another one goes on
behind what has been told. It has no side effect: who drops it drops a request. Knows no turns and no wire.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from model.prompt import TRANSCRIBE, Prompt
from model.reasoning import Call, Part, ReasoningParser, Reply, Thinking
from model.tools import CALL, END_CALL
from streaming.context import Context
from streaming.draft import agreed
from streaming.engine import Delta, Engine, Sampling
from streaming.errors import EngineUnavailable, Forgotten
from streaming.events import Pacing

Lost = EngineUnavailable | Forgotten
Again = Callable[[Lost], Awaitable[Context]]


@dataclass(frozen=True)
class Manner:
    """How to reply. `begun`: the text that the reply is to begin with, the head of a call.

    `pacing`: how to speak while thinking; None: afterwards. `draft`: thoughts about the beginning of what is
    said; those that it would have had anyway are its first ones.
    """

    thinking: bool
    max_tokens: int  # reasoning and reply together
    max_reasoning: int | None = None
    begun: str = ""
    pacing: Pacing | None = None
    draft: str = ""


@dataclass(frozen=True)
class Told:
    """What came of one engine step, and the counts so far.

    `beside`: it is of the reply, while the thoughts go on; without parts: nothing more of it for now.
    """

    parts: tuple[Part, ...]
    reasoning_tokens: int
    reply_tokens: int
    cached_tokens: int  # of the first request
    finish: str | None  # "stop", "length" or None while it goes on
    beside: bool = False


async def give_up(lost: Lost) -> Context:
    raise lost


async def speak(
    engine: Engine,
    context: Context,
    manner: Manner,
    again: Again = give_up,
    told: Told | None = None,
) -> AsyncGenerator[Told, None]:
    """Think and reply to a context that ends with the user's turn.

    `again` is asked for the context anew when the engine has died or has forgotten it, and raises where the
    reply is not to go on. `told`: what somebody else has told of it; it goes on behind that. Aborts its
    request when the consumer goes away. Raises EngineUnavailable, Forgotten and Refused.
    """
    progress = Progress(manner)
    if told is not None:
        progress.go_on(told)
    elif manner.thinking and manner.draft:
        begun = await agreed(engine, context, manner.draft)
        if begun:
            yield progress.begin(begun, len(engine.prompt.encode(begun)))
    while True:
        try:
            async with aclosing(_request(engine, context, progress)) as steps:
                async for step in steps:
                    yield step
            if progress.ended:
                return
        except (EngineUnavailable, Forgotten) as lost:
            context = await again(lost)
            progress.resume()


async def _request(engine: Engine, context: Context, progress: Progress) -> AsyncGenerator[Told, None]:
    """Until its end, or until another request has to go on behind the chain."""
    closed, head = progress.closed, progress.head(engine.prompt)
    sampling = Sampling(max(1, progress.tokens_left), engine.temperature)
    async with aclosing(engine.generate(context + Context.of(head), sampling)) as deltas:
        async for delta in deltas:
            yield progress.take(delta)
            if progress.closed is not closed:
                return
    progress.ended = True


async def transcribe(
    engine: Engine, context: Context, max_tokens: int, again: Again = give_up, written: str = ""
) -> AsyncGenerator[str, None]:
    """What was said in the turn that ends the context: the same again, with a typed request behind the audio.

    The space that a first word brings along is left out. `again` as in `speak`; `written`: what somebody else
    has written down of it, and what comes is behind that. Aborts its request when the consumer goes away.
    Raises EngineUnavailable, Forgotten and Refused.
    """
    prompt = engine.prompt

    def asked(context: Context) -> Context:
        closed = len(prompt.human_close())
        return context[: len(context) - closed] + Context.of(prompt.human_close(TRANSCRIBE))

    async def asked_again(lost: Lost) -> Context:
        return asked(await again(lost))

    begun, manner = bool(written), Manner(thinking=False, max_tokens=max_tokens)
    behind = Told((Reply(written),), 0, 0, 0, None) if written else None
    async with aclosing(speak(engine, asked(context), manner, asked_again, behind)) as steps:
        async for told in steps:
            for part in told.parts:
                if not isinstance(part, Reply):
                    continue
                text = part.text if begun else part.text.lstrip()
                if text:
                    begun = True
                    yield text


class Progress:
    """One reply so far. `closed`: the next request begins behind the chain, which we close.

    `chain` and `said` are what has been told of the thoughts and of the reply, calls included.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._cached: int | None = None
        self._reasoning = self._reply = 0
        self._parser = ReasoningParser(manner.thinking)
        self.chain = self.said = ""
        self.closed = self.ended = False
        if not manner.thinking:
            self._close()

    @property
    def tokens_left(self) -> int:
        return self._manner.max_tokens - self._reasoning - self._reply

    def head(self, prompt: Prompt) -> list[int]:
        """What the next request goes on behind."""
        if self.closed:
            return prompt.assistant_behind(self.chain, self.said or self._manner.begun)
        return prompt.assistant_open(True) + prompt.encode(self.chain)

    def begin(self, chain: str, tokens: int) -> Told:
        """The first thoughts, which are there already."""
        self.chain, self._reasoning = chain, tokens
        self._parser.push(chain)
        return Told((Thinking(chain),), tokens, 0, 0, None)

    def go_on(self, told: Told) -> None:
        """Behind what was told of it, all in one. Its reply has begun where there are parts of it."""
        self._reasoning, self._reply, self._cached = (
            told.reasoning_tokens,
            told.reply_tokens,
            told.cached_tokens,
        )
        self.chain = "".join(part.text for part in told.parts if isinstance(part, Thinking))
        self.said = "".join(_written(part) for part in told.parts)
        if any(not isinstance(part, Thinking) for part in told.parts):
            self._close()
        else:
            self.resume()

    def resume(self) -> None:
        """Another engine goes on, behind what has been told; what was held back comes once more."""
        if self._parser.thinking and not self.closed:
            self._parser = ReasoningParser(thinking=True)
            self._parser.push(self.chain)
        else:
            self._close()

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
        self.said += "".join(_written(part) for part in parts)
        return Told(tuple(parts), self._reasoning, self._reply, self._cached, finish)

    def _to_be_closed(self, finish: str | None) -> bool:
        if not self._parser.thinking:  # the model has closed it itself, and the reply follows
            return bool(self._manner.begun)
        budget = self._manner.max_reasoning
        return finish is not None or (budget is not None and self._reasoning >= budget)

    def _close(self) -> None:
        self.closed = True
        self._parser = ReasoningParser(thinking=False)
        self._parser.push(self.said or self._manner.begun)


def _written(part: Part) -> str:
    """A part of the reply as the model wrote it."""
    match part:
        case Reply(text):
            return text
        case Call(text):
            return CALL + text + END_CALL
    return ""
