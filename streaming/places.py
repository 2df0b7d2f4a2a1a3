"""How many conversations there is room for, and with data parallelism in which cache each of them lives.

Knows no engine: sizes are given in tokens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from streaming.errors import SessionFull

# Of the conversation that a task is of: whoever spawns tasks within it hands these on.
ADAPTER: ContextVar[str | None] = ContextVar("adapter", default=None)  # by its name, of those there are
RANK: ContextVar[int | None] = ContextVar("rank", default=None)
PLACE: ContextVar[Place | None] = ContextVar("place", default=None)


class Places:
    """What every session may come to hold of the KV cache is set aside when it begins.

    For waiting streaming requests can deadlock a full cache (vLLM #49439). With data parallelism there are
    several caches: a conversation stays with one, that which has most to give, since only there its forks
    find its listener's blocks. The tasks that it spawns know which (`RANK`).
    A conversation that is parked lends its place, so that there may be more conversations than places
    (`overcommit`). It waits for one, first come, first served, where all are taken when it goes on.
    """

    def __init__(self, total: int, each: int, ranks: int = 1, overcommit: float = 1.0) -> None:
        """`total` and `each`: tokens, of a rank and of a session. `overcommit`: conversations to a place."""
        self.total = total
        self._each = each
        self._overcommit = overcommit
        self._taken = [0] * ranks  # places
        self._here = [0] * ranks  # conversations, parked or not
        self._queues: list[deque[Place]] = [deque() for _ in range(ranks)]

    @property
    def reserved(self) -> tuple[int, ...]:
        """Of each rank."""
        return tuple(taken * self._each for taken in self._taken)

    @property
    def free(self) -> int:
        """Tokens that more conversations may have, over all ranks, without anybody's being parked for it."""
        return sum(max(0, min(self._vacant(r), self._may_come(r))) for r in self._ranks) * self._each

    @property
    def waiting(self) -> tuple[int, ...]:
        """Conversations of each rank that have lent their places, and want one again."""
        return tuple(map(len, self._queues))

    @property
    def _ranks(self) -> range:
        return range(len(self._taken))

    def _vacant(self, rank: int) -> int:
        return self.total // self._each - self._taken[rank]

    def _may_come(self, rank: int) -> int:
        return int(self.total // self._each * self._overcommit) - self._here[rank]

    def _open(self) -> list[int]:
        """Ranks where one more conversation may come, if need be in another's place: the best first."""
        able = [r for r in self._ranks if self._may_come(r) > 0 and not self._queues[r]]
        return sorted(able, key=lambda r: (self._taken[r], self._here[r]))

    @contextmanager
    def one(self, lend: Callable[[int], bool] = lambda rank: False) -> Iterator[Place]:
        """A place for one conversation, for as long as the block lasts. Raises SessionFull.

        `lend` is asked to have one lent in a rank, where all are taken; says whether it could.
        """
        place = Place(self, self.choose(lend))
        self._here[place.rank] += 1
        rank = RANK.set(place.rank if len(self._ranks) > 1 else None)
        token = PLACE.set(place)
        place.want()
        try:
            yield place
        finally:
            PLACE.reset(token)
            RANK.reset(rank)
            self._here[place.rank] -= 1
            self._leave(place)

    def choose(self, lend: Callable[[int], bool]) -> int:
        """The rank of one more conversation. Raises SessionFull."""
        ranks = self._open()
        for rank in ranks:
            if self._vacant(rank) > 0:
                return rank
        for rank in ranks:
            if lend(rank):
                return rank
        places, tokens = self.total // self._each * len(self._ranks), self.total * len(self._ranks)
        raise SessionFull(f"all {places} places are taken ({tokens} KV tokens, {self._each} a session)")

    def resize(self, total: int) -> None:
        """Another engine has other caches."""
        self.total = total
        for rank in self._ranks:
            self._settle(rank)

    # --- what a place does ---

    def _join(self, place: Place) -> None:
        if place not in self._queues[place.rank]:
            self._queues[place.rank].append(place)
        self._settle(place.rank)

    def _leave(self, place: Place) -> None:
        if place.own.is_set():
            place.own.clear()
            self._taken[place.rank] -= 1
        elif place in self._queues[place.rank]:
            self._queues[place.rank].remove(place)
        self._settle(place.rank)

    def _settle(self, rank: int) -> None:
        queue = self._queues[rank]
        while queue and self._vacant(rank) > 0:
            self._taken[rank] += 1
            queue.popleft().own.set()


class Place:
    """One conversation's, in the cache of `rank`: its own, lent, or waited for."""

    def __init__(self, places: Places, rank: int = 0) -> None:
        self._places = places
        self.rank = rank
        self.own = asyncio.Event()

    def want(self) -> None:
        """To have it, or to have it again, as soon as there is one."""
        if not self.own.is_set():
            self._places._join(self)

    def lend(self) -> None:
        """Until it is wanted again."""
        self._places._leave(self)


def alone() -> Place:
    """Of a conversation with nobody beside it."""
    place = Place(Places(1, 1))
    place.want()
    return place
