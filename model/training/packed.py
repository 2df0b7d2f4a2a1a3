"""What one training step learns from, as arrays, so that processes can draw it beside the one that learns.

It has the rows of conversations, which tokens are to be predicted, and what CTC, marks, letters and counts
say of the takes that are heard in the rows or beside them (train.py tells what these are). Knows no network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.training import corpus, marks
from model.training.conversations import IGNORE, Row
from model.training.features import Heard

Numbers = NDArray[np.int32]
Found = dict[str, Sequence[int] | Numbers]
FULL = 16  # rows are filled up to a multiple of this, as a GPU likes them


class Tensors(dict[str, Tensor]):
    """The arrays by name, on a device; numbers are int64 there."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Packed:
    """B rows of L tokens. `at` are places in the rows laid end to end, or in the takes laid end to end."""

    ids: Numbers  # [B, L]
    positions: Numbers
    conversations: Numbers
    branches: Numbers
    text_at: Numbers  # in the rows: what is to be predicted from here
    text: Numbers
    end_at: Numbers  # in the rows, likewise
    end: Numbers
    audio_at: Numbers  # in the rows: the tokens of the takes that are heard there
    seen: NDArray[np.generic]  # of all takes, those heard in the rows first: as `Heard.seen`
    ctc_at: Numbers  # [T, n], in the takes; filled up with 0
    ctc_lengths: Numbers  # [n]
    ctc: Numbers  # the takes' words, one's after the other's
    ctc_sizes: Numbers  # [n]
    mark_start: Numbers  # in the takes
    mark_stop: Numbers
    mark_of: Numbers  # which property
    mark: Numbers
    letter_at: Numbers  # in the takes
    letter: Numbers
    count_at: Numbers  # in the takes
    count: Numbers  # [m, 2]

    def tensors(self, device: torch.device) -> Tensors:
        arrays = {one.name: torch.from_numpy(getattr(self, one.name)) for one in fields(self)}
        moved = {name: array.to(device, non_blocking=True) for name, array in arrays.items()}
        return Tensors({name: x if x.is_floating_point() else x.long() for name, x in moved.items()})


def pack(rows: Sequence[Row], beside: Sequence[Heard], pad: int, index: Mapping[str, int]) -> Packed:
    """`beside`: takes for the adaptor alone. `index`: classes of CTC by word or letter, from 1 on."""
    longest = max((len(row.ids) for row in rows), default=0)
    longest += -longest % FULL

    def table(name: str, filler: int) -> Numbers:
        found = np.full((len(rows), longest), filler, np.int32)
        for i, row in enumerate(rows):
            values = getattr(row, name)
            found[i, : len(values)] = values
        return found

    labels, ends = table("labels", IGNORE).ravel(), table("ends", IGNORE).ravel()
    text_at, end_at = np.flatnonzero(labels != IGNORE), np.flatnonzero(ends != IGNORE)
    heard = [(i * longest + start, take) for i, row in enumerate(rows) for start, take in row.heard]
    takes = [take for _, take in heard] + list(beside)
    found: Found = {
        "ids": table("ids", pad),
        "positions": table("positions", 0),
        "conversations": table("conversations", -1),
        "branches": table("branches", 0),
        "text_at": text_at.astype(np.int32),
        "text": labels[text_at],
        "end_at": end_at.astype(np.int32),
        "end": ends[end_at],
        "audio_at": _ranges((at, at + len(take.seen)) for at, take in heard),
    }
    found |= _ctc(takes, index) | _told(takes, index) | _counts([take for _, take in heard])
    seen = np.concatenate([take.seen for take in takes]) if takes else np.zeros(0, np.int32)
    return Packed(seen=seen, **{name: np.asarray(values, np.int32) for name, values in found.items()})


def _ranges(pairs: Iterable[tuple[int, int]]) -> Numbers:
    return np.concatenate([np.zeros(0, np.int32), *(np.arange(*pair, dtype=np.int32) for pair in pairs)])


def _placed(takes: Sequence[Heard]) -> list[tuple[int, Heard]]:
    """Each with its first token's place."""
    starts = np.cumsum([0, *(len(take.seen) for take in takes)])
    return [(int(start), take) for start, take in zip(starts, takes, strict=False)]


def _ctc(takes: Sequence[Heard], index: Mapping[str, int]) -> Found:
    """Of the takes of which every word is known."""
    known = [
        (start, len(take.seen), words)
        for start, take in _placed(takes)
        if not take.cut and (words := corpus.ctc_words(take.said)) and all(word in index for word in words)
    ]
    at = np.zeros((max((length for _, length, _ in known), default=0), len(known)), np.int32)
    for i, (start, length, _) in enumerate(known):
        at[:length, i] = np.arange(start, start + length)
    return {
        "ctc_at": at,
        "ctc_lengths": [length for _, length, _ in known],
        "ctc": [index[word] for _, _, words in known for word in words],
        "ctc_sizes": [len(words) for _, _, words in known],
    }


def _told(takes: Sequence[Heard], index: Mapping[str, int]) -> Found:
    """Marks and letters."""
    told = [(start, mark) for start, take in _placed(takes) for mark in take.marks]
    spelled = [
        (start + first, start + stop, index[name])
        for start, take in _placed(takes)
        for first, stop, name in marks.spelled(take.said, take.places, len(take.seen))
    ]
    return {
        "mark_start": [start + mark.start for start, mark in told],
        "mark_stop": [start + mark.stop for start, mark in told],
        "mark_of": [marks.PROPERTIES.index(mark.name) for _, mark in told],
        "mark": [mark.value for _, mark in told],
        "letter_at": _ranges((first, stop) for first, stop, _ in spelled),
        "letter": [letter for first, stop, letter in spelled for _ in range(first, stop)],
    }


def _counts(heard: Sequence[Heard]) -> Found:
    known = [(start, take.counted) for start, take in _placed(heard) if take.counted is not None]
    counts = [counted for _, counted in known]
    return {
        "count_at": _ranges((start, start + len(counted)) for start, counted in known),
        "count": np.concatenate([np.zeros((0, len(marks.COUNTED)), np.int32), *counts]).astype(np.int32),
    }
