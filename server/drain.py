"""A server that ends: nobody new is let in, and who is there is sent elsewhere or may finish.

`Drain` is what the parts of the server share about it. Knows no signals, no sockets and no sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Leaving(Exception):
    """The conversation was kept for another server, and its client told so."""


class Drain:
    """`late`: what is being said is no longer waited for."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.late = False
        self._open = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """One conversation, for as long as the block lasts."""
        self._open += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._empty.set()

    async def finish(self, seconds: float, last: float = 2.0) -> None:
        """Begin, and return when the last conversation is over, or the time is up.

        `last`: so long before that, who has not finished is sent elsewhere in the middle of it.
        """
        self.begun.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - last)):
                await self._empty.wait()
        self.late = True
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, last)):
                await self._empty.wait()
