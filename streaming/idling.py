"""Since when a conversation is idle: nobody speaks, nothing is thought, made or written down, nothing sounds.

Then its listener may be parked (`streaming/parking.py`, whose guest this is). Knows no turns and no wire.
"""

from __future__ import annotations

from collections.abc import Callable

from streaming.memory import Memory
from streaming.microphone import Microphone
from streaming.replies import Replies
from streaming.thinking import Thinker


class Idling:
    """`clock`: seconds, as `streaming.parking` counts them."""

    def __init__(
        self,
        memory: Memory,
        microphone: Microphone,
        thinker: Thinker,
        replies: Replies,
        clock: Callable[[], float],
    ) -> None:
        self._memory = memory
        self._microphone = microphone
        self._thinker = thinker
        self._replies = replies
        self._clock = clock
        self._since = clock()

    @property
    def busy(self) -> bool:
        """Somebody speaks, or something is being made."""
        hearing = self._memory.hearing or self._microphone.doubting
        return hearing or self._replies.active is not None or bool(self._thinker.dictations)

    def stirred(self) -> None:
        """Something has happened just now."""
        self._since = self._clock()

    def look(self) -> None:
        """To be called now and then: what goes on does not say so itself."""
        if self._occupied:
            self.stirred()

    @property
    def _occupied(self) -> bool:
        return self.busy or self._replies.under_way or self._memory.conversation.replying

    # --- `streaming.parking.Guest` ---

    @property
    def idle_since(self) -> float | None:
        return None if self._occupied or not self._memory.held else self._since

    @property
    def held(self) -> int:
        return self._memory.held

    def park(self) -> None:
        self._memory.park()
