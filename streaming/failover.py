"""What one request does when its engine has died, or has forgotten what it was told: it goes on all the same.

Knows no turns and no wire, and of a request only how to make its context anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from streaming.context import Context
from streaming.engine import Engine
from streaming.errors import EngineUnavailable, Forgotten
from streaming.speaker import Lost

MOST_DEATHS = 5  # of engines under one request: perhaps it is what kills them
PATIENCE_SECONDS = 120.0  # without an engine; then a reply fails


@dataclass
class Failover:
    """One request's. `forgotten` is called where the engine lives and has forgotten the conversation."""

    engine: Engine
    anew: Callable[[], Context]  # all of it, with its data
    forgotten: Callable[[], None]
    wanted: Callable[[], bool] = lambda: True  # somebody waits for what comes of it
    patience: float = PATIENCE_SECONDS
    deaths: int = 0
    told_again: bool = False

    async def __call__(self, lost: Lost) -> Context:
        """What to send, once there is somebody to send it to. Raises what was lost where it ends there."""
        if not self.wanted():
            raise lost
        if isinstance(lost, Forgotten):
            if self.told_again:
                raise lost
            self.told_again = True
            self.forgotten()
        else:
            self.deaths += 1
            if self.deaths > MOST_DEATHS:
                raise lost
            await self._successor()
        return self.anew()

    async def _successor(self) -> None:
        try:
            async with asyncio.timeout(self.patience):
                await self.engine.ready()
        except TimeoutError:
            raise EngineUnavailable(f"there has been no engine for {self.patience:g} s") from None
