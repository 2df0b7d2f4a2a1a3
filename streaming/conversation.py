"""What was said and heard, in order: the one source of truth of a conversation.

From it any engine state can be rebuilt. A reply stands here as far as it was heard, without its
reasoning; a spoken turn with its samples as long as the engine may have to hear them again.
Knows no tokens, no engine and no wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streaming.events import BadItem, Item


@dataclass
class Entry:
    """A turn. Spoken ones have `samples` (int16, 16 kHz); `tokens` is what it takes up in a context."""

    item: Item
    samples: NDArray[np.int16] | None = None
    tokens: int = 0
    kept: bool = True  # False once it was let go to make room


class Conversation:
    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_id(self) -> str | None:
        return self._entries[-1].item.id if self._entries else None

    def add(self, entry: Entry) -> str | None:
        """Put a turn at the end; returns the id before it. Raises BadItem for an id that is taken."""
        if any(e.item.id == entry.item.id for e in self._entries):
            raise BadItem(f"an item with the id {entry.item.id!r} exists already")
        before = self.last_id
        self._entries.append(entry)
        return before

    def heard(self, item_id: str, text: str) -> None:
        """Note the transcript of a spoken turn."""
        for entry in self._entries:
            if entry.item.id == item_id:
                entry.item = replace(entry.item, text=text)

    def kept(self) -> list[Entry]:
        """The turns that belong in the engine's context."""
        return [e for e in self._entries if e.kept]

    def make_room(self, budget: int) -> bool:
        """Let the oldest turns go until the rest takes at most `budget` tokens. True when any went."""
        used = sum(e.tokens for e in self.kept())
        gone = False
        for entry in self.kept():
            if used <= budget:
                break
            used -= entry.tokens
            entry.kept, entry.samples, gone = False, None, True
        return gone
