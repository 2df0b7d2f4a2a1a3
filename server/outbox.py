"""What waits to be sent to one client: nothing is dropped, and text does not pile up.

The session tells things at its own pace, and may not be made to wait. So a text delta is merged into the one
that waits before it, as vLLM merges the outputs of a slow consumer; everything else keeps its place. What a
client may leave unread is bounded: beyond that it counts as gone. Knows no sockets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

MAX_WAITING = 1000  # events; a spoken turn has about 20 once its deltas are merged


SOUND = "response.output_audio.delta"  # base64, of which two pieces are not one


class SlowClient(Exception):
    """The client does not read what it is sent."""


class Outbox:
    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._waiting: deque[dict[str, Any]] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: dict[str, Any]) -> None:
        """Never blocks and never fails: an overflow is told to whoever sends."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and _same_text(last, event):
            self._waiting[-1] = {**last, "delta": last["delta"] + event["delta"]}
        else:
            self._waiting.append(event)
        self._filled.set()

    async def get(self) -> dict[str, Any]:
        """The oldest event, once there is one. Raises SlowClient when too many wait."""
        await self._filled.wait()
        if len(self._waiting) > self._limit:
            raise SlowClient(f"{len(self._waiting)} events are unread")
        event = self._waiting.popleft()
        if not self._waiting:
            self._filled.clear()
        return event

    async def some(self, seconds: float) -> list[dict[str, Any]]:
        """All that waits, once something does or the time is up. Raises SlowClient when too many wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._filled.wait()
        if len(self._waiting) > self._limit:
            raise SlowClient(f"{len(self._waiting)} events are unread")
        events = list(self._waiting)
        self._waiting.clear()
        self._filled.clear()
        return events


def _same_text(before: dict[str, Any], event: dict[str, Any]) -> bool:
    same = before["type"] == event["type"] and before.get("item_id") == event.get("item_id")
    return same and "delta" in event and event["type"] != SOUND
