"""Where conversations are kept for other servers: the small interface, and one of this process alone.

A conversation is a record of named fields and the newest events that its client was told, under a key. One
server at a time has it: who claims it last. Whoever had it before learns of it at its next write, which then
has no effect. A record that nobody writes or renews expires. Knows no conversation and no events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Logged = tuple[str, str]  # an event's id, and the event as it was sent


class StoreError(Exception):
    """It cannot be reached, or does not do what was asked; one line that says why."""


class Taken(Exception):
    """Another server has the conversation now."""


@dataclass(frozen=True)
class Change:
    """What is written at once, or not at all. `events` come behind those there are; so many are kept."""

    fields: Mapping[str, bytes] = field(default_factory=dict)
    gone: tuple[str, ...] = ()  # fields
    events: tuple[Logged, ...] = ()
    kept_events: int = 1


@dataclass(frozen=True)
class Record:
    fields: dict[str, bytes]
    events: tuple[Logged, ...]


class Store(Protocol):
    """All raise StoreError."""

    async def save(self, key: str, owner: str, change: Change, seconds: float) -> None:
        """Write, and keep all of it for so long from now. Whoever writes first owns it. Raises Taken."""
        ...

    async def load(self, key: str) -> Record | None:
        """As it stands; None where there is none, or no more."""
        ...

    async def claim(self, key: str, owner: str, seconds: float) -> Record | None:
        """The same, and from now on it is this owner's."""
        ...

    async def drop(self, key: str, owner: str) -> None:
        """It is over: forget it, unless another one has it."""
        ...

    async def close(self) -> None: ...


@dataclass
class _Kept:
    owner: str
    expires_at: float
    fields: dict[str, bytes] = field(default_factory=dict)
    events: list[Logged] = field(default_factory=list)


class MemoryStore:
    """For several servers in one process: tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    def _live(self, key: str) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is not None and self._clock() >= kept.expires_at:
            del self._kept[key]
            return None
        return kept

    async def save(self, key: str, owner: str, change: Change, seconds: float) -> None:
        kept = self._live(key)
        if kept is None:
            kept = self._kept[key] = _Kept(owner, 0.0)
        if kept.owner != owner:
            raise Taken
        kept.fields |= change.fields
        for name in change.gone:
            kept.fields.pop(name, None)
        kept.events = [*kept.events, *change.events][-max(1, change.kept_events) :]
        kept.expires_at = self._clock() + seconds

    async def load(self, key: str) -> Record | None:
        kept = self._live(key)
        return None if kept is None else Record(dict(kept.fields), tuple(kept.events))

    async def claim(self, key: str, owner: str, seconds: float) -> Record | None:
        kept = self._live(key)
        if kept is None:
            return None
        kept.owner, kept.expires_at = owner, self._clock() + seconds
        return await self.load(key)

    async def drop(self, key: str, owner: str) -> None:
        kept = self._live(key)
        if kept is not None and kept.owner == owner:
            del self._kept[key]

    async def close(self) -> None:
        pass
