"""What is to be played on this machine, and how much of every reply has been heard.

The sound device takes blocks as it needs them and says when the first sample of each will be heard, by its
own clock; so what was heard is known without any clock of ours. Knows no device, no wire and no time but what
it is told. Device and event loop may be different threads.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from server.audio_file import RATE


@dataclass(frozen=True)
class Cut:
    """A reply that is not played any further."""

    item_id: str
    heard: int  # samples, those on their way out of the device included

    @property
    def milliseconds(self) -> int:
        return self.heard * 1000 // RATE


@dataclass
class _Block:
    item_id: str
    at: float  # seconds by the device's clock, of the first sample
    samples: int


class Reel:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._taken: dict[str, int] = {}  # samples, by item
        self._leaving: deque[_Block] = deque()  # taken, and perhaps not heard yet
        self._open: list[str] = []  # items of which more may come
        self._over: set[str] = set()  # items that were cut

    def push(self, item_id: str, pcm: bytes) -> None:
        """More of a reply (PCM16, mono, 24 kHz), behind what waits. One that was cut is silent."""
        with self._lock:
            if item_id in self._over:
                return
            if item_id not in self._taken:
                self._taken[item_id] = 0
                self._open.append(item_id)
            self._waiting.append((item_id, pcm))

    def done(self, item_id: str) -> None:
        """No more of it comes."""
        with self._lock:
            if item_id in self._open:
                self._open.remove(item_id)

    def pull(self, samples: int, at: float) -> bytes:
        """The next samples, silence where there are none. `at`: when the first is heard, in seconds."""
        with self._lock:
            pulled = bytearray()
            while self._waiting and len(pulled) < 2 * samples:
                item_id, pcm = self._waiting.popleft()
                room = 2 * samples - len(pulled)
                if len(pcm) > room:
                    self._waiting.appendleft((item_id, pcm[room:]))
                taken = pcm[:room]
                self._leaving.append(_Block(item_id, at + len(pulled) / (2 * RATE), len(taken) // 2))
                self._taken[item_id] += len(taken) // 2
                pulled += taken
            while self._leaving and _left(self._leaving[0], at) == 0:
                self._leaving.popleft()
            return bytes(pulled.ljust(2 * samples, b"\0"))

    def heard(self, item_id: str, now: float) -> int:
        """Samples of a reply that have come out of the device by then."""
        with self._lock:
            still = sum(_left(block, now) for block in self._leaving if block.item_id == item_id)
            return self._taken.get(item_id, 0) - still

    def silent(self, now: float) -> bool:
        """Nothing waits, and all that was taken has been heard."""
        with self._lock:
            return not self._waiting and not any(_left(block, now) for block in self._leaving)

    def cut(self) -> list[Cut]:
        """Drop what waits; what the device has taken plays out. The replies that this cuts off."""
        with self._lock:
            dropped = [*dict.fromkeys([*(item_id for item_id, _ in self._waiting), *self._open])]
            self._waiting.clear()
            self._open.clear()
            self._over |= set(dropped)
            return [Cut(item_id, self._taken[item_id]) for item_id in dropped]


def _left(block: _Block, now: float) -> int:
    """Samples of it that are still to be heard."""
    return min(block.samples, max(0, block.samples - round((now - block.at) * RATE)))
