"""What an engine is asked to read: token ids, and the audio behind some of them.

A context is immutable; contexts add up. An audio part's data is opaque here: whoever encoded the
microphone put it in, and the engine knows what to do with it. Knows no engine and no tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Audio:
    """Audio tokens in a context, [offset, offset + tokens).

    `key` names their content for the prefix cache: same key, same embeddings. `data` is what they are
    encoded from, None where the engine is known to hold them.
    """

    key: str
    offset: int
    tokens: int
    data: Any | None

    @property
    def end(self) -> int:
        return self.offset + self.tokens


@dataclass(frozen=True)
class Context:
    ids: tuple[int, ...] = ()
    audio: tuple[Audio, ...] = ()

    @classmethod
    def of(cls, ids: Iterable[int]) -> Context:
        return cls(tuple(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __add__(self, other: Context) -> Context:
        base = len(self.ids)
        moved = tuple(replace(a, offset=a.offset + base) for a in other.audio)
        return Context(self.ids + other.ids, self.audio + moved)

    def __getitem__(self, span: slice) -> Context:
        """The part [start, stop). Raises ValueError when it would cut an audio part in two."""
        start, stop, _ = span.indices(len(self.ids))
        inside = [a for a in self.audio if a.offset < stop and a.end > start]
        if any(a.offset < start or a.end > stop for a in inside):
            raise ValueError(f"[{start}, {stop}) cuts an audio part")
        return Context(self.ids[start:stop], tuple(replace(a, offset=a.offset - start) for a in inside))

    def without_data(self, end: int) -> Context:
        """The same context, less the data of the audio that ends at or before token `end`."""
        return Context(self.ids, tuple(replace(a, data=None) if a.end <= end else a for a in self.audio))

    @property
    def audio_tokens(self) -> int:
        return self.audio_within(len(self))

    def audio_within(self, tokens: int) -> int:
        """How many of the first `tokens` are audio."""
        return sum(max(0, min(a.end, tokens) - a.offset) for a in self.audio)
