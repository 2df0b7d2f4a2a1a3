"""What was said and heard, in order: the one source of truth of a conversation.

From it any engine state can be rebuilt. A reply stands here as far as it was heard, without its
reasoning, its calls of tools behind its words; a spoken turn with its samples as long as the engine may
have to hear them again. Knows no tokens, no engine and no wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from streaming.errors import DuplicateItem, ItemActive, UnknownCall, UnknownItem
from streaming.events import FunctionCall, FunctionOutput, Item, Message
from streaming.snapshot import Turn

ROOT = "root"  # in front of everything


@dataclass
class Entry:
    """A turn: one item, or a reply's words and calls.

    Spoken ones have `samples` (int16, 16 kHz), and a `key` that names them, empty: the item's id. `tokens` is
    what it takes up in a context.
    """

    items: list[Item] = field(default_factory=list)
    samples: NDArray[np.int16] | None = None
    tokens: int = 0
    kept: bool = True  # False once it was let go to make room
    open: bool = False  # a reply that is still being made
    key: str = ""


class Conversation:
    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._ids: set[str] = set()
        self._calls: dict[str, str] = {}  # call_id to the tool that was called

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def last_id(self) -> str | None:
        """The item that all others stand before."""
        return next((item.id for entry in reversed(self._entries) for item in reversed(entry.items)), None)

    @property
    def replying(self) -> bool:
        """A reply that is still being made has said something."""
        return any(entry.open for entry in self._entries)

    def check(self, item: Item, after: str | None = None) -> None:
        """Raises DuplicateItem for an id, UnknownCall for a call, that makes the item impossible.

        And UnknownItem where there is nothing to put it behind.
        """
        if item.id in self._ids or item.id == ROOT:
            raise DuplicateItem(f"an item with the id {item.id!r} exists already")
        if isinstance(item, FunctionCall) and item.call_id in self._calls:
            raise DuplicateItem(f"a call with the id {item.call_id!r} exists already")
        if isinstance(item, FunctionOutput):
            self.name_of(item.call_id)
        if after not in (None, ROOT):
            self.find(after)

    def find(self, item_id: str) -> tuple[Entry, Item]:
        """An item, and the turn it is of. Raises UnknownItem."""
        for entry in self._entries:
            for item in entry.items:
                if item.id == item_id:
                    return entry, item
        raise UnknownItem(f"expected an item of this conversation, got {item_id[:64]!r}")

    def add(self, entry: Entry, after: str | None = None) -> str | None:
        """Put a turn behind an item, None: at the end; returns the id before it. Raises as `check` does.

        A reply that is still being made stays in one piece: what is put into it comes behind it.
        """
        for item in entry.items:
            self.check(item, after)
        at = len(self._entries) if after is None else self._place(after)
        self._entries.insert(at, entry)
        for item in entry.items:
            self._told(item)
        return self._before(at)

    def _place(self, after: str) -> int:
        """Where a turn behind an item goes; another turn may have to be parted for it."""
        if after == ROOT:
            return 0
        entry, item = self.find(after)
        at = next(at for at, e in enumerate(self._entries) if e is entry)
        cut = entry.items.index(item) + 1
        if cut < len(entry.items) and not entry.open:
            rest = Entry(entry.items[cut:], kept=entry.kept)
            del entry.items[cut:]
            self._entries.insert(at + 1, rest)
        return at + 1

    def _before(self, at: int) -> str | None:
        items = [item for entry in self._entries[:at] for item in entry.items]
        return items[-1].id if items else None

    def extend(self, entry: Entry, item: Item) -> str | None:
        """Put an item into an open turn, which stands where its first item was put. Returns the id before."""
        self.check(item)
        if not any(e is entry for e in self._entries):
            self._entries.append(entry)
        at = next(at for at, e in enumerate(self._entries) if e is entry)
        before = entry.items[-1].id if entry.items else self._before(at)
        entry.items.append(item)
        self._told(item)
        return before

    def remove(self, item_id: str) -> Entry:
        """Take an item out; returns the turn it was of. Raises UnknownItem, and ItemActive."""
        entry, item = self.find(item_id)
        if entry.open:
            raise ItemActive(f"{item_id!r} is still being made: cancel its response first")
        entry.items.remove(item)
        self._ids.discard(item_id)
        if isinstance(item, FunctionCall):
            self._calls.pop(item.call_id, None)
        if not entry.items:
            self._entries = [e for e in self._entries if e is not entry]
        return entry

    def snapshot(self) -> tuple[Turn, ...]:
        return tuple(Turn(tuple(e.items), e.kept, e.open, e.key, e.samples) for e in self._entries)

    def restore(self, turns: Iterable[Turn]) -> None:
        """Of a conversation that has none yet: a result may be there whose call was deleted."""
        for turn in turns:
            entry = Entry(list(turn.items), turn.samples, 0, turn.kept, turn.open, turn.key)
            self._entries.append(entry)
            for item in turn.items:
                self._told(item)

    def _told(self, item: Item) -> None:
        self._ids.add(item.id)
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
