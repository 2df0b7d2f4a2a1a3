"""What a take is known to sound like and where: what the network learns to tell beside the words.

A mark says that from one audio token to another something has a value: the pitch of a tone on the thoughts'
own scale, a voice that is high, a melody that falls at its end. `counted` tells for each token how many beeps
and claps have begun. Training alone reads them; no head for them is shipped. Knows no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLE_RATE, SAMPLES_PER_TOKEN
from model.training.world import Utterance, events, perception
from model.training.world.core import Event

STEPS = len(events.SCALE)
CLASSES = {  # of each property
    "tone pitch": STEPS,
    "tone level": STEPS,
    "tone length": STEPS,
    "sweep": 2,
    "pitch": 2,
    "speed": 2,
    "level": 2,
    "whisper": 2,
    "noise": 2,
    "melody": 2,
}
FIRST = {name: sum(list(CLASSES.values())[:i]) for i, name in enumerate(CLASSES)}  # class of each, in one row
COUNTED = "beep", "clap"
MOST = perception.MOST + 1  # classes of a count, from 0 on
END = int(0.45 * SAMPLE_RATE)  # samples that a melody is in
UNKNOWN = -100


@dataclass(frozen=True)
class Mark:
    """Tokens [start, stop) have this class of a property."""

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
    """The marks of a whole take of so many tokens, its utterance being as it sounds (`levelled`)."""
    found = []
    for e, start, stop in spans(said, begin, end):
        at = _tokens(start, stop, tokens)
        if e.kind == "tone":
            found.append(Mark("tone pitch", *at, events.pitch_step(e.pitch)))
            found.append(Mark("tone level", *at, events.level_step(e.level)))
            found.append(Mark("tone length", *at, events.length_step(e.seconds)))
        elif e.kind == "sweep":
            found.append(Mark("sweep", *at, int(e.to > e.pitch)))
            third = (stop - start) // 3
            for hertz, part in ((e.pitch, (start, start + third)), (e.to, (stop - third, stop))):
                found.append(Mark("tone pitch", *_tokens(*part, tokens), events.pitch_step(hertz)))
    how, whole = said.delivery, _tokens(begin, end, tokens)
    told = {
        "pitch": how.pitch and how.pitch == "high",
        "speed": how.speed and how.speed == "fast",
        "level": how.level and how.level == "loud",
        "whisper": "" if how.whisper is None else how.whisper,
        "noise": "" if how.noise is None else how.noise,
    }
    found += [Mark(name, *whole, int(value)) for name, value in told.items() if value != ""]
    if how.melody:
        found.append(Mark("melody", *_tokens(end - END, end, tokens), int(how.melody == "rising")))
    return tuple(found)


def counted(said: Utterance, begin: int, end: int, tokens: int) -> NDArray[np.int64] | None:
    """[tokens, 2]: how many beeps and claps have begun; unknown while one is on. None without any."""
    sounds = [one for one in spans(said, begin, end) if one[0].kind in COUNTED]
    if not sounds:
        return None
    found, on = np.zeros((tokens, len(COUNTED)), np.int64), np.zeros((tokens, len(COUNTED)), np.bool_)
    for e, start, stop in sounds:
        first, last = _tokens(start, stop, tokens)
        found[first:, COUNTED.index(e.kind)] += 1
        on[first:last, COUNTED.index(e.kind)] = True
    return np.where(on, UNKNOWN, np.minimum(found, MOST - 1))


def _tokens(start: int, stop: int, tokens: int) -> tuple[int, int]:
    """Those that samples [start, stop) are in, at least one."""
    first = min(max(0, round(start / SAMPLES_PER_TOKEN)), tokens - 1)
    return first, min(max(first + 1, round(stop / SAMPLES_PER_TOKEN)), tokens)
