"""How many conversations there is room for, and with data parallelism in which cache each of them lives.

Knows no engine: sizes are given in tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from streaming.errors import SessionFull

# Of the conversation that a task is of: whoever spawns tasks within it hands these on.
ADAPTER: ContextVar[str | None] = ContextVar("adapter", default=None)  # by its name, of those there are
RANK: ContextVar[int | None] = ContextVar("rank", default=None)


class Places:
    """What every session may come to hold of the KV cache is set aside when it begins.

    For waiting streaming requests can deadlock a full cache (vLLM #49439). With data parallelism there are
    several caches: a conversation stays with one, that which has most to give, since only there its forks
    find its listener's blocks. The tasks that it spawns know which (`RANK`).
    """

    def __init__(self, total: int, each: int, ranks: int = 1) -> None:
        """In tokens, of a rank and of a session."""
        self.total = total
        self._each = each
        self._reserved = [0] * ranks

    @property
    def reserved(self) -> tuple[int, ...]:
        """Of each rank."""
        return tuple(self._reserved)

    @property
    def free(self) -> int:
        """Tokens that more conversations may have, over all ranks."""
        return sum(max(0, self.total - reserved) // self._each * self._each for reserved in self._reserved)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for one conversation, for as long as the block lasts. Raises SessionFull."""
        ranks = len(self._reserved)
        rank = min(range(ranks), key=self._reserved.__getitem__)
        if self._reserved[rank] + self._each > self.total:
            places = self.total // self._each * ranks
            raise SessionFull(
                f"all {places} places are taken ({self.total * ranks} KV tokens, {self._each} a session)"
            )
        self._reserved[rank] += self._each
        before = RANK.set(rank if ranks > 1 else None)
        try:
            yield
        finally:
            RANK.reset(before)
            self._reserved[rank] -= self._each
