"""New takes of sounds out of old ones: the beeps, claps and tones of any take beside the words of any other.

A question about sounds is worth as many lessons as there are sounds to ask it of, and what the frozen encoder
made of a sound depends little on what was around it. So the encoded tokens of single sounds are kept with
what they are, and a take whose words ask about sounds gets others, and the truth that goes with them. Knows
no samples and no network.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.training import marks
from model.training.features import Heard
from model.training.world import Event, Utterance, perception, scale

TOKENS_A_SECOND = 12.5
ALIKE = 0.6  # share of the counts whose sounds are all from one take
TOGETHER = 0.5  # share of the pairs of tones that are from one take
APART = 2  # steps of the scale that two tones differ by at least, where they are compared
TRIES = 50


@dataclass(frozen=True)
class Snippet:
    """One sound and the pause after it, as the adaptor sees them; in its first `on` tokens it is on."""

    event: Event
    seen: np.ndarray
    on: int


class Snippets:
    """All sounds of the takes, and takes made with them. Those encoded in chunks are kept apart."""

    def __init__(self) -> None:
        self._takes: dict[tuple[str, bool], list[list[Snippet]]] = defaultdict(list)  # by kind, each a take's

    def add(self, take: Heard) -> None:
        """Take in the sounds of a whole take."""
        found: dict[str, list[Snippet]] = defaultdict(list)
        for i, (event, (start, stop)) in enumerate(zip(_events(take), take.places, strict=True)):
            end = _end(take, i)
            if end > stop:
                found[event.kind].append(Snippet(event, take.seen[start:end], stop - start))
        for kind, snippets in found.items():
            self._takes[kind, take.chunked].append(snippets)

    def made(self, take: Heard, r: random.Random) -> Heard:
        """Its words with other sounds, and what is then true; the take itself where it asks for none."""
        new = MAKERS.get(take.said.intent)
        if new is None or not take.places:
            return take
        found = new(self, take, r)
        return _joined(take, *found) if found else take

    def one(self, kind: str, chunked: bool, r: random.Random) -> Snippet | None:
        takes = self._takes[kind, chunked]
        return r.choice(r.choice(takes)) if takes else None

    def several(self, kind: str, count: int, chunked: bool, r: random.Random) -> list[Snippet]:
        """As many of a kind, mostly all of one take; none where there are none."""
        takes = self._takes[kind, chunked]
        if not takes:
            return []
        if r.random() < ALIKE:
            return r.choices(r.choice(takes), k=count)
        return [r.choice(r.choice(takes)) for _ in range(count)]

    def pair(self, name: str, chunked: bool, r: random.Random) -> tuple[Snippet, Snippet] | None:
        """Two tones that differ in a property."""
        takes = self._takes["tone", chunked]
        for _ in range(TRIES if takes else 0):
            one = r.choice(takes)
            other = one if r.random() < TOGETHER else r.choice(takes)
            first, second = r.choice(one), r.choice(other)
            if abs(scale.step(first.event, name) - scale.step(second.event, name)) >= APART:
                return first, second
        return None


Found = tuple[Sequence[Snippet], str, tuple[str, ...]]  # the sounds, the intent and its args


def _count(all: Snippets, take: Heard, r: random.Random) -> Found | None:
    kind = take.said.args[0]
    other = "clap" if kind == "beep" else "beep"
    n, others = r.randint(1, perception.MOST), 0
    if r.random() < 0.25:
        n, others = r.randint(0, 3), r.randint(1, 3)
    found = all.several(kind, n, take.chunked, r) + all.several(other, others, take.chunked, r)
    r.shuffle(found)
    return (found, "count", (kind, str(n))) if len(found) == n + others else None


def _count_claim(all: Snippets, take: Heard, r: random.Random) -> Found | None:
    kind, _, claimed = take.said.args
    n = int(claimed) if r.random() < 0.5 else r.randint(1, perception.MOST)
    found = all.several(kind, n, take.chunked, r)
    intent = "claim_count" if str(n) == claimed else "conflict_count"
    return (found, intent, (kind, str(n), claimed)) if found else None


def _tones(all: Snippets, take: Heard, r: random.Random) -> Found | None:
    more, _, *claim = take.said.args
    name = perception.COMPARED[more][0]
    found = all.pair(name, take.chunked, r)
    if not found:
        return None
    first, second = (scale.step(one.event, name) for one in found)
    which = "first" if (first > second) != (more in perception.LESS) else "second"
    intent = take.said.intent
    if claim:
        intent = "claim_tones" if claim == [which] else "conflict_tones"
    return found, intent, (more, which, *claim)


def _sweep(all: Snippets, take: Heard, r: random.Random) -> Found | None:
    found = all.one("sweep", take.chunked, r)
    if not found:
        return None
    return (found,), "sweep", ("rising" if found.event.to > found.event.pitch else "falling",)


def _order(all: Snippets, take: Heard, r: random.Random) -> Found | None:
    kinds = r.sample(("beep", "clap", "music", "noise"), r.choice((2, 2, 3)))
    found = [one for one in (all.one(kind, take.chunked, r) for kind in kinds) if one]
    place = take.said.args[1]
    args = kinds[0 if place == "first" else -1], place, *kinds
    return (found, "order", args) if len(found) == len(kinds) else None


MAKERS: dict[str, Callable[[Snippets, Heard, random.Random], Found | None]] = {
    "count": _count,
    "claim_count": _count_claim,
    "conflict_count": _count_claim,
    "tones_pitch": _tones,
    "tones_level": _tones,
    "tones_length": _tones,
    "claim_tones": _tones,
    "conflict_tones": _tones,
    "sweep": _sweep,
    "order": _order,
}


def _events(take: Heard) -> tuple[Event, ...]:
    return take.said.before + take.said.after


def _end(take: Heard, i: int) -> int:
    """The token after the pause that follows a sound."""
    later = take.places[i + 1][0] if i + 1 < len(take.places) else len(take.seen)
    return min(take.places[i][1] + round(_events(take)[i].gap * TOKENS_A_SECOND), later)


def _joined(take: Heard, snippets: Sequence[Snippet], intent: str, args: tuple[str, ...]) -> Heard:
    """The take with these sounds in the place of its own."""
    first, last = take.places[0][0], _end(take, len(take.places) - 1)
    seen = np.concatenate([take.seen[:first], *(s.seen for s in snippets), take.seen[last:]])
    events = tuple(s.event for s in snippets)
    before, after = (events, ()) if take.said.before else ((), events)
    said: Utterance = replace(take.said, intent=intent, args=args, before=before, after=after)
    places, at = [], first
    for s in snippets:
        places.append((at, at + s.on))
        at += len(s.seen)
    longer = len(seen) - len(take.seen)
    counted = marks.counted(said, places, len(seen))
    complete = take.complete_from + longer
    return replace(take, said=said, seen=seen, complete_from=complete, counted=counted, places=tuple(places))
