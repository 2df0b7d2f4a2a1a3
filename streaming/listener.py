"""The persistent engine session of one conversation: audio and heard text go in, in order.

It has two contexts. The logical one is what has been appended, at once; the engine's own follows it,
one append at a time: whatever comes while an append runs goes out merged with the next. A speaker forks
the logical context and repeats its tokens, so that the engine finds the listener's blocks in its prefix
cache. With each append the engine says how likely the turn ends there. It can never be rolled back; what
does not belong in it must not be appended.
Knows no turns, no microphone and no wire.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from streaming.context import Context
from streaming.engine import Engine


class Listener:
    """One resumable request. `run` must run for it to have any effect; cancelling `run` frees it."""

    def __init__(
        self,
        engine: Engine,
        appended: Callable[[float], None] = lambda seconds: None,
        ending: Callable[[int, float], None] = lambda at, over: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._appended = appended  # told after each append how long it took, for metrics
        self._clock = clock
        self._handed = 0.0  # when the newest append was
        self._ending = ending  # told behind audio: the context's length, and how likely the turn is over
        self._context = Context()
        self._sent = 0
        self._in_cache = 0
        self._wanted = 0  # how much of the context is to be in the engine
        self._wake = asyncio.Event()

    @property
    def context(self) -> Context:
        """Everything appended. Audio that the engine holds comes without its data."""
        return self._context

    @property
    def in_cache(self) -> int:
        """Tokens that the engine has confirmed."""
        return self._in_cache

    def append(self, part: Context, *, later: bool = False) -> None:
        """Add to the context; with `later` the engine gets it together with the next append, or a flush."""
        self._context += part
        if not later:
            self.flush()

    def flush(self) -> None:
        """Let the engine have all that was appended."""
        self._wanted = len(self._context)
        self._wake.set()

    async def run(self) -> None:
        """Hold the engine's request open. Raises EngineUnavailable."""
        async with aclosing(self._engine.listen(self._appends())) as confirmations:
            async for over in confirmations:
                self._in_cache = self._sent
                if over is not None:
                    self._ending(self._sent, over)
                # Only whole blocks are found again, and vLLM always computes the last tokens of a prompt
                # anew; data left out of a part that is not found would kill the engine. One block to spare.
                whole = (self._in_cache // self._engine.block - 1) * self._engine.block
                self._context = self._context.without_data(whole)
                self._appended(self._clock() - self._handed)
                self._wake.set()

    async def _appends(self) -> AsyncGenerator[Context, None]:
        while True:
            while self._sent == self._wanted or self._in_cache < self._sent:
                self._wake.clear()
                await self._wake.wait()
            part = self._context[self._sent : self._wanted]
            self._sent, self._handed = self._wanted, self._clock()
            yield part
