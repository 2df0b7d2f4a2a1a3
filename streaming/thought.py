"""One speaker's request, and how much of what it says has been told.

A thought that belongs to no reply yet, or whose reply is held back, keeps its steps; who takes them tells
them, at once. It ends once, well or not. So what nobody takes has no effect beyond the engine, whose
request belongs to `task`: cancelling that aborts it. Knows no engine, no turns and no events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from streaming.context import Context
from streaming.events import SessionError, Status
from streaming.reply import ActiveReply
from streaming.speaker import Manner, Told


@dataclass(frozen=True)
class End:
    status: Status = "completed"
    reason: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, error: SessionError) -> End:
        return cls("failed", error.code, str(error))


@dataclass
class Thought:
    """`reply` is None as long as nobody hears it."""

    context: Context
    manner: Manner
    reply: ActiveReply | None = None
    held: bool = False
    tokens: int = 0
    end: End | None = None  # once the speaker has ended
    task: asyncio.Task[None] | None = None
    _steps: deque[Told] = field(default_factory=deque)

    def take(self, told: Told) -> None:
        self._steps.append(told)
        self.tokens = told.reasoning_tokens + told.reply_tokens

    def finish(self, end: End | None = None) -> None:
        """The speaker has ended; by itself unless told otherwise."""
        self.end = end or End()

    @property
    def heard(self) -> bool:
        return self.reply is not None and not self.held

    @property
    def failed(self) -> bool:
        return self.end is not None and self.end.status == "failed"

    def untold(self) -> Iterator[Told]:
        """What is to be told now."""
        while self.heard and self._steps:
            yield self._steps.popleft()

    def abort(self) -> None:
        if self.task is not None:
            self.task.cancel()
