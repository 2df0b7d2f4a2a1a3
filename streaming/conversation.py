"""What was said and heard, in order: the one source of truth of a conversation.

From it any engine state can be rebuilt. A reply stands here as far as it was heard, without its
reasoning, its calls of tools behind its words; a spoken turn with its samples as long as the engine may
have to hear them again. Knows no tokens, no engine and no wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streaming.events import BadItem, FunctionCall, FunctionOutput, Item, Message, UnknownCall


@dataclass
class Entry:
    """A turn: one item, or a reply's words and calls.

    Spoken ones have `samples` (int16, 16 kHz); `tokens` is what it takes up in a context.
    """

    items: list[Item] = field(default_factory=list)
    samples: NDArray[np.int16] | None = None
    tokens: int = 0
    kept: bool = True  # False once it was let go to make room
    open: bool = False  # a reply that is still being made


class Conversation:
    """`last_id` is the item that was told last."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._ids: set[str] = set()
        self._calls: dict[str, str] = {}  # call_id to the tool that was called
        self.last_id: str | None = None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def check(self, item: Item) -> None:
        """Raises BadItem for an id, or UnknownCall for a call, that makes the item impossible."""
        if item.id in self._ids:
            raise BadItem(f"an item with the id {item.id!r} exists already")
        if isinstance(item, FunctionCall) and item.call_id in self._calls:
            raise BadItem(f"a call with the id {item.call_id!r} exists already")
        if isinstance(item, FunctionOutput):
            self.name_of(item.call_id)

    def add(self, entry: Entry) -> str | None:
        """Put a turn at the end; returns the id before it. Raises as `check` does."""
        for item in entry.items:
            self.check(item)
        before = self.last_id
        self._entries.append(entry)
        for item in entry.items:
            self._told(item)
        return before

    def extend(self, entry: Entry, item: Item) -> str | None:
        """Put an item into an open turn, which stands where its first item was put. Returns the id before."""
        self.check(item)
        before = self.last_id
        if not any(e is entry for e in self._entries):
            self._entries.append(entry)
        entry.items.append(item)
        self._told(item)
        return before

    def _told(self, item: Item) -> None:
        self._ids.add(item.id)
        self.last_id = item.id
        if isinstance(item, FunctionCall):
            self._calls[item.call_id] = item.name

    def name_of(self, call_id: str) -> str:
        """The tool that was called. Raises UnknownCall."""
        if call_id not in self._calls:
            raise UnknownCall(f"expected the call_id of a call in this conversation, got {call_id!r}")
        return self._calls[call_id]

    def heard(self, item_id: str, text: str) -> None:
        """Note the transcript of a spoken turn, or the words of a reply."""
        for entry in self._entries:
            for at, item in enumerate(entry.items):
                if item.id == item_id and isinstance(item, Message):
                    entry.items[at] = replace(item, text=text)

    def kept(self) -> list[Entry]:
        """The turns that belong in the engine's context."""
        return [e for e in self._entries if e.kept]

    def settled(self) -> list[Entry]:
        """Of them those before a reply that is still being made."""
        kept = self.kept()
        return kept[: next((at for at, entry in enumerate(kept) if entry.open), len(kept))]

    def make_room(self, budget: int) -> bool:
        """Let the oldest turns go until the rest takes at most `budget` tokens. True when any went.

        What a tool gave back goes with its call.
        """
        used = sum(e.tokens for e in self.kept())
        lost: set[str] = set()
        gone = False
        for entry in self.kept():
            orphan = any(isinstance(i, FunctionOutput) and i.call_id in lost for i in entry.items)
            if entry.open:
                break
            if used <= budget and not orphan:
                continue
            used -= entry.tokens
            lost |= {i.call_id for i in entry.items if isinstance(i, FunctionCall)}
            entry.kept, entry.samples, gone = False, None, True
        return gone
