"""One reply in the making: what has been told of it, and when. Knows no engine and no wire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from streaming.events import Reason, ResponseDone, Status, Timings, Usage


@dataclass
class ActiveReply:
    """`asked_at` is the clock (seconds) that its timings count from."""

    response_id: str
    item_id: str
    asked_at: float
    metadata: Mapping[str, str] | None
    usage: Usage
    timings: Timings = field(default_factory=Timings)
    thinking: str = ""
    text: str = ""
    thinking_told: bool = False  # its end was
    task: asyncio.Task[None] | None = None

    def since(self, now: float) -> float:
        """Milliseconds."""
        return (now - self.asked_at) * 1000.0

    def done(self, status: Status, reason: Reason | None, message: str | None, now: float) -> ResponseDone:
        return ResponseDone(
            self.response_id,
            self.item_id,
            status,
            self.text,
            self.thinking,
            self.usage,
            replace(self.timings, done=self.since(now)),
            reason,
            message,
            self.metadata,
        )
