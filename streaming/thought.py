"""One speaker's request, and what of it nobody has heard yet.

A thought keeps its steps until somebody takes them: at a pause nobody does, and they are there at once when
the turn has ended. So what is never taken has no effect beyond the engine, whose request belongs to `task`:
cancelling that aborts it, whoever listens. While it is held it goes on, and nothing of it is told.
Knows no engine, no turns and no events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from model.reasoning import Thinking
from streaming.context import Context
from streaming.errors import EngineUnavailable, SessionError
from streaming.speaker import Manner, Told


@dataclass
class Thought:
    """`wanted`: a reply takes it. `ended`: nothing more comes, because of `error` if there is one.

    `anew` makes the context for an engine that has read nothing of it, None: as it is. `carried`: nobody will
    take it, and only its thoughts go on, until they have ended.
    """

    context: Context
    manner: Manner
    wanted: bool = False
    tokens: int = 0
    ended: bool = False
    error: SessionError | EngineUnavailable | None = None
    task: asyncio.Task[None] | None = None
    anew: Callable[[], Context] | None = None
    chain: str = ""  # so far
    carried: bool = False
    before: Told | None = None  # what another one has told of it, and this one goes on behind
    _over: bool = False  # the chain has ended
    _held: bool = False
    _steps: deque[Told] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, told: Told) -> None:
        self._steps.append(told)
        self.chain += "".join(part.text for part in told.parts if isinstance(part, Thinking))
        self._over |= not told.beside and not all(isinstance(part, Thinking) for part in told.parts)
        if self.carried and self._over:
            self.abort()
        self.tokens = told.reasoning_tokens + told.reply_tokens
        self._news.set()

    def end(self, error: SessionError | EngineUnavailable | None = None) -> None:
        self.ended, self.error = True, error
        self._news.set()

    def carry(self) -> None:
        self.carried = True
        if self._over:
            self.abort()

    def hold(self, on: bool) -> None:
        self._held = on
        self._news.set()

    def again(self) -> Context:
        return self.context if self.anew is None else self.anew()

    def abort(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def told(self) -> AsyncGenerator[Told, None]:
        """All of it, from the beginning, for one listener. Raises `error` at its end."""
        while True:
            while self._steps and not self._held:
                yield self._steps.popleft()
            if self.ended and not self._held:
                break
            self._news.clear()
            await self._news.wait()
        if self.error is not None:
            raise self.error
