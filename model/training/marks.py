"""What a take is known to sound like and where: what the network learns to tell beside the words.

A mark says that from one audio token to another something is so or not: the voice is high, its melody falls
at the end. `places` tells where sounds are, `spelled` which of a tone's letters each of its tokens is to be,
`counted` for each token how many beeps and claps have begun.
Training alone reads them; no head for them is shipped. Knows no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLE_RATE, SAMPLES_PER_TOKEN
from model.training.world import Utterance, perception, scale
from model.training.world.core import Event

PROPERTIES = "pitch", "speed", "level", "whisper", "noise", "melody"
COUNTED = "beep", "clap"
MOST = perception.MOST + 1  # classes of a count, from 0 on
END = int(0.45 * SAMPLE_RATE)  # samples that a melody is in
UNKNOWN = -100


@dataclass(frozen=True)
class Mark:
    """Tokens [start, stop) have a property (1) or its opposite (0): high, fast, loud, whispered, rising."""

    name: str
    start: int
    stop: int
    value: int


Spans = list[tuple[Event, int, int]]  # an event, its first sample and the one after its last


def spans(said: Utterance, begin: int, end: int) -> Spans:
    """Where the events of a clip sound that takes up samples [begin, end). Its last gap is left out."""
    found: Spans = []
    at = begin
    for e in said.before:
        found.append((e, at, at + int(e.seconds * SAMPLE_RATE)))
        at = found[-1][2] + int(e.gap * SAMPLE_RATE)
    at = end + int(said.after[-1].gap * SAMPLE_RATE) if said.after else end
    later: Spans = []
    for e in reversed(said.after):
        stop = at - int(e.gap * SAMPLE_RATE)
        at = stop - int(e.seconds * SAMPLE_RATE)
        later.append((e, at, stop))
    return found + later[::-1]


def stretched(said: Utterance, by: float) -> Utterance:
    """The utterance whose recording was made longer by a factor, and so lower."""

    def one(e: Event) -> Event:
        return replace(e, seconds=e.seconds * by, gap=e.gap * by, pitch=e.pitch / by, to=e.to / by)

    return replace(said, before=tuple(map(one, said.before)), after=tuple(map(one, said.after)))


def levels(said: Utterance, begin: int, end: int, samples: NDArray[np.float32]) -> list[float]:
    """dB of each event as it sounds, by its RMS."""
    found = []
    for _, start, stop in spans(said, begin, end):
        power = float((samples[max(0, start) : max(1, stop)] ** 2).mean())
        found.append(10 * float(np.log10(power + 1e-9)))
    return found


def levelled(said: Utterance, decibels: list[float]) -> Utterance:
    """The utterance with these levels of its events."""
    heard = [replace(e, level=x) for e, x in zip(said.before + said.after, decibels, strict=True)]
    count = len(said.before)
    return replace(said, before=tuple(heard[:count]), after=tuple(heard[count:]))


def of(said: Utterance, begin: int, end: int, tokens: int) -> tuple[Mark, ...]:
    """The marks of a whole take of so many tokens."""
    how, whole = said.delivery, _tokens(begin, end, tokens)
    told = {
        "pitch": how.pitch and how.pitch == "high",
        "speed": how.speed and how.speed == "fast",
        "level": how.level and how.level == "loud",
        "whisper": "" if how.whisper is None else how.whisper,
        "noise": "" if how.noise is None else how.noise,
    }
    found = [Mark(name, *whole, int(value)) for name, value in told.items() if value != ""]
    if how.melody:
        found.append(Mark("melody", *_tokens(end - END, end, tokens), int(how.melody == "rising")))
    return tuple(found)


def places(said: Utterance, begin: int, end: int, tokens: int) -> tuple[tuple[int, int], ...]:
    """The tokens [start, stop) of each sound of a whole take."""
    return tuple(_tokens(start, stop, tokens) for _, start, stop in spans(said, begin, end))


def spelled(said: Utterance, where: Sequence[tuple[int, int]], tokens: int) -> list[tuple[int, int, str]]:
    """Tokens [start, stop) of each word or letter that a tone or sweep is written with, spread evenly.

    One that is too short for its letters is left out. `where` are the sounds' `places`, if they are known.
    """
    if not where:
        return []
    found = []
    begins = [start for start, _ in where[1:]]
    for e, (start, stop), next_one in zip(said.before + said.after, where, [*begins, tokens], strict=True):
        names = (e.kind, *scale.letters(e))
        length = min(stop + 1, next_one) - start  # a letter may be in the silence after it
        if 1 < len(names) <= length:
            edges = [start + length * i // len(names) for i in range(len(names) + 1)]
            found += list(zip(edges, edges[1:], names, strict=False))
    return found


def counted(said: Utterance, where: Sequence[tuple[int, int]], tokens: int) -> NDArray[np.int64] | None:
    """[tokens, 2]: how many beeps and claps have begun; unknown while one is on. None without any.

    `where` are the sounds' `places`.
    """
    events = said.before + said.after
    sounds = [(e, *at) for e, at in zip(events, where, strict=True) if e.kind in COUNTED]
    if not sounds:
        return None
    found, on = np.zeros((tokens, len(COUNTED)), np.int64), np.zeros((tokens, len(COUNTED)), np.bool_)
    for e, first, last in sounds:
        found[first:, COUNTED.index(e.kind)] += 1
        on[first:last, COUNTED.index(e.kind)] = True
    return np.where(on, UNKNOWN, np.minimum(found, MOST - 1))


def _tokens(start: int, stop: int, tokens: int) -> tuple[int, int]:
    """Those that samples [start, stop) are in, at least one."""
    first = min(max(0, round(start / SAMPLES_PER_TOKEN)), tokens - 1)
    return first, min(max(first + 1, round(stop / SAMPLES_PER_TOKEN)), tokens)
