"""Which idle listeners are parked, where the KV cache runs short.

A listener's request holds its blocks as long as it is open, also while nobody speaks. One that is parked has
ended it: the blocks are free, and what they hold stays in the prefix cache until somebody needs the room. Its
session tells the engine all of it again when the conversation goes on. Parked are those that have been idle
longest, one cache (rank) at a time, from a low-water mark of free tokens up to a high-water mark.
And where there are more conversations than places (`streaming/places.py`), somebody else may need theirs.
Time is an argument, in seconds of any clock. Knows no engine and no conversation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Marks:
    """Shares of a cache that are to be free, and the seconds that somebody must have been idle."""

    low: float = 0.25  # below it listeners are parked,
    high: float = 0.4  # until so much is free
    idle_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ValueError(f"expected 0 <= low <= high <= 1, got {self.low:g} and {self.high:g}")


@dataclass(frozen=True)
class Cache:
    """One rank's, in tokens, as its scheduler last told. `told`: how often it has."""

    free: int
    total: int
    told: int


@dataclass(frozen=True)
class Idle(Generic[T]):
    """Who is idle, since when, and the tokens that its request holds."""

    who: T
    since: float
    tokens: int


def short(cache: Cache, marks: Marks) -> int:
    """Tokens that are to become free; 0 above the low-water mark."""
    if cache.free >= marks.low * cache.total:
        return 0
    return math.ceil(marks.high * cache.total) - cache.free


def longest_idle(idle: Iterable[Idle[T]], now: float, tokens: int, seconds: float) -> list[T]:
    """Who has been idle for so many seconds, longest first, until they hold so many tokens together."""
    chosen: list[T] = []
    for one in sorted(idle, key=lambda one: one.since):
        if tokens <= 0 or now - one.since < seconds:
            break
        chosen.append(one.who)
        tokens -= one.tokens
    return chosen


class Guest(Protocol):
    """A conversation, as far as it can be parked."""

    @property
    def idle_since(self) -> float | None:
        """None where it is busy, or parked already."""
        ...

    @property
    def held(self) -> int:
        """Tokens in its request."""
        ...

    def park(self) -> None:
        """It has been idle until now."""
        ...


class Parking:
    """The listeners of one engine. A cache that has told nothing since it was last looked at is let be.

    For its figures are of its last step, and a request that ends makes none. Where nothing is computed,
    nobody needs the room either.
    """

    def __init__(self, marks: Marks | None = None) -> None:
        self._marks = marks or Marks()
        self._guests: dict[Guest, int] = {}  # and their ranks
        self._seen: dict[int, int] = {}  # how often each rank had told something

    @contextmanager
    def guest(self, guest: Guest, rank: int) -> Iterator[None]:
        """It may be parked as long as the block lasts."""
        self._guests[guest] = rank
        try:
            yield
        finally:
            del self._guests[guest]

    def look(self, caches: Sequence[Cache], now: float) -> None:
        """Park where a cache runs short: one for each rank."""
        for rank, cache in enumerate(caches):
            before, self._seen[rank] = self._seen.get(rank), cache.told
            if before == cache.told:
                continue
            tokens = short(cache, self._marks)
            for guest in longest_idle(self._idle(rank), now, tokens, self._marks.idle_seconds):
                guest.park()

    def lend(self, rank: int, places: int, now: float) -> bool:
        """Park so many, whatever they hold; False where not one may be."""
        chosen = self._longest(rank, places, now)
        for guest in chosen:
            guest.park()
        return bool(chosen)

    def could(self, rank: int, now: float) -> bool:
        """Somebody may be parked there."""
        return bool(self._longest(rank, 1, now))

    def _longest(self, rank: int, places: int, now: float) -> list[Guest]:
        idle = (Idle(one.who, one.since, 1) for one in self._idle(rank))
        return longest_idle(idle, now, places, self._marks.idle_seconds)

    def _idle(self, rank: int) -> Iterator[Idle[Guest]]:
        for guest, its in self._guests.items():
            if its == rank and (since := guest.idle_since) is not None:
                yield Idle(guest, since, guest.held)
