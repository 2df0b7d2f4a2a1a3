"""What one key may have at a time and use in a while: sessions, bytes, replies.

`Account` is what a key has used; time is an argument, in seconds of any clock. Knows no keys, no sockets and
no sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BURST_SECONDS = 60  # what was not used for so long may be used at once


@dataclass(frozen=True)
class Limits:
    """Of one key; None: as much as there is."""

    sessions: int | None = None  # at a time
    session_seconds: float | None = None  # of one
    bytes_per_second: float | None = None  # of the client's events, over a minute
    replies_per_minute: int | None = None


class LimitReached(Exception):
    """One line that says which, and what to do."""

    code = "rate_limit_exceeded"


class Bucket:
    """Fills up at a constant rate, and is full to begin with."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate = rate  # a second
        self.size = size
        self._level = size
        self._at: float | None = None

    def level(self, now: float) -> float:
        if self._at is not None and now > self._at:
            self._level = min(self.size, self._level + (now - self._at) * self._rate)
        self._at = now if self._at is None else max(now, self._at)
        return self._level

    def take(self, amount: float, now: float) -> bool:
        """All of it, or nothing."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def full_in(self, now: float) -> float:
        """Seconds."""
        return (self.size - self.level(now)) / self._rate


@dataclass(frozen=True)
class RateLimit:
    limit: int
    remaining: int
    reset_seconds: float


class Account:
    def __init__(self, limits: Limits, name: str = "") -> None:
        """`name`: the same on every server of the same key; it tells nothing about the key."""
        self.limits = limits
        self.name = name
        self.sessions = 0
        rate, replies = limits.bytes_per_second, limits.replies_per_minute
        self._bytes = Bucket(rate, rate * BURST_SECONDS) if rate else None
        self._replies = Bucket(replies / 60, replies) if replies else None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Open for as long as the block lasts. Raises LimitReached."""
        most = self.limits.sessions
        if most is not None and self.sessions >= most:
            raise LimitReached(f"this key has {self.sessions} sessions open, and may have {most}: close one")
        self.sessions += 1
        try:
            yield
        finally:
            self.sessions -= 1

    def send(self, size: int, now: float) -> None:
        """The client sends so many bytes. Raises LimitReached; then they do not count."""
        if self._bytes and not self._bytes.take(size, now):
            rate = self.limits.bytes_per_second
            raise LimitReached(f"this key may send {rate:g} bytes a second: send it again later")

    def check_reply(self, now: float) -> None:
        """Raises LimitReached where there is no reply left."""
        if self._replies and self._replies.level(now) < 1:
            most = self.limits.replies_per_minute
            raise LimitReached(f"this key may have {most} replies a minute: ask again later")

    def reply(self, now: float) -> None:
        """One more reply. Raises LimitReached; then it does not count."""
        self.check_reply(now)
        if self._replies:
            self._replies.take(1, now)

    def replies(self, now: float) -> RateLimit | None:
        """What is left; None where there is no limit."""
        if self._replies is None:
            return None
        left = int(self._replies.level(now))
        return RateLimit(int(self._replies.size), left, round(self._replies.full_in(now), 3))
