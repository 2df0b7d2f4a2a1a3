"""What vLLM's schedulers count, as they last said it: of each rank (data parallelism), and of all of them.

Knows no requests and no sessions.
"""

from __future__ import annotations

from typing import Any

from streaming.parking import Cache


class Counts:
    """One rank's scheduler's own counts: a vLLM stat logger that keeps the newest ones."""

    def __init__(self) -> None:
        self.told = 0  # how often it has told them
        self.kv_usage = 0.0  # 0 to 1, at its last step
        self.requests = 0  # running, waiting and parked, at its last step
        self.queried = 0  # prompt tokens looked up in the prefix cache, since the start
        self.hits = 0  # of them, those found there

    def record(self, scheduler_stats: Any, iteration_stats: Any, **_: Any) -> None:
        if scheduler_stats is not None:
            s = scheduler_stats
            self.told += 1
            self.kv_usage = float(s.kv_cache_usage)
            self.requests = s.num_running_reqs + s.num_waiting_reqs + s.num_skipped_waiting_reqs
            self.queried += s.prefix_cache_stats.queries
            self.hits += s.prefix_cache_stats.hits

    def cache(self, tokens: int) -> Cache:
        """Where it has room for so many."""
        return Cache(round((1.0 - self.kv_usage) * tokens), tokens, self.told)

    def log(self) -> None:
        pass

    def log_engine_initialized(self) -> None:
        pass

    def record_sleep_state(self, is_awake: int, level: int) -> None:
        pass


class Figures:
    """Those of all ranks."""

    def __init__(self, ranks: int = 1) -> None:
        self.ranks = [Counts() for _ in range(ranks)]

    def of(self, config: Any, rank: int) -> Counts:
        """vLLM asks for a logger of each."""
        return self.ranks[rank]

    @property
    def kv_usage(self) -> float:
        return sum(rank.kv_usage for rank in self.ranks) / len(self.ranks)

    @property
    def requests(self) -> int:
        return sum(rank.requests for rank in self.ranks)

    @property
    def queried(self) -> int:
        return sum(rank.queried for rank in self.ranks)

    @property
    def hits(self) -> int:
        return sum(rank.hits for rank in self.ranks)
