"""What a chain of thoughts notes, line by line, and what a reply says of the sound: text to plain values.

    count: 1 2 3                              pitch: D G, first low, second high
    There were 3 beeps.                       The second tone was higher.

The lines are those of world/perception.py. A chain notes the *sound* (count, pitch, level, length, order,
voice, around, melody) or the *words*. Knows no question, no truth and no tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from model.training.world.perception import PROPERTIES

WORDS = "words"
ACOUSTIC = frozenset({"count", "pitch", "level", "length", "order", "voice", "around", "melody"})
LINE = re.compile(r"([a-z]+): *(.*)")
TOLD = {  # in a reply: the pattern, and what the fact is about (the other group is what is said of it)
    re.compile(r"there (?:was|were) (?P<what>\d+|no) (?P<about>beep|clap)s?"): "count",
    re.compile(r"the (?P<what>first|second) tone was (?P<about>higher|lower|louder|longer|shorter)"): "tones",
    re.compile(r"it was (?P<what>rising|falling)(?P<about>)"): "sweep",
    re.compile(r"the (?P<what>beep|clap|music|noise) came (?P<about>first|last)"): "order",
    re.compile(r"that was a (?P<what>question|statement)(?P<about>)"): "melody",
}
CLAIMED = re.compile(r"you say (?:the )?(.+?), but ")


@dataclass(frozen=True)
class Note:
    """One line of a chain: what it is about, and what stands behind the colon, cut at the commas."""

    label: str
    parts: tuple[str, ...]

    @property
    def acoustic(self) -> bool:
        """Whether it notes something of the sound."""
        return self.label in ACOUSTIC and any(self.parts)


@dataclass(frozen=True)
class Fact:
    """What a reply says of the sound: ("count", "beep", "3"), ("tones", "higher", "second")."""

    kind: str
    about: str
    what: str


def notes(thinking: str) -> tuple[Note, ...]:
    """The lines with a label, in order; others are passed over."""
    found = []
    for line in thinking.splitlines():
        if match := LINE.fullmatch(line.strip()):
            found.append(Note(match[1], tuple(part.strip() for part in match[2].split(","))))
    return tuple(found)


def facts(reply: str) -> tuple[Fact, ...]:
    """Everything that the reply says of the sound."""
    text = reply.lower()
    found = []
    for pattern, kind in TOLD.items():
        for match in pattern.finditer(text):
            what = "0" if match["what"] == "no" else match["what"]
            found.append(Fact(kind, match["about"], what))
    for name, prop in PROPERTIES.items():
        for manner in prop.manners:
            if re.search(rf"\b{manner.fact}\b", text):
                found.append(Fact(prop.label, name, manner.truth))
    return tuple(found)


def claimed(reply: str) -> str | None:
    """What the reply says the user claims, where it contradicts: "You say 5, but …"."""
    match = CLAIMED.match(reply.lower())
    return match[1] if match else None
