"""What a benchmark asks, as plain values. Knows no files' layout and no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import UserError
from model.evaluation import own
from model.evaluation.case import Before, Case, Clip
from model.training.world.core import Effort


class SuiteError(UserError):
    """A benchmark cannot be read or run; one line that says what was expected, and where."""


@dataclass(frozen=True)
class Sound:
    """Where a recording lies: a file of its own, or bytes in a table's file."""

    path: Path
    data: bytes | None = field(default=None, repr=False)

    def clip(self, words: str, voiced: bool) -> Clip:
        """Raises OwnError."""
        return Clip(words, "", own.read(self.path, self.data), voiced)


@dataclass(frozen=True)
class Round:
    """A turn of a conversation before its last: what is said, and a reply that would do."""

    sound: Sound
    said: str
    reference: str


@dataclass(frozen=True)
class Item:
    """One question.

    `group` is what the benchmark reports apart, `section` what it puts groups together to. `rule` names how
    it is scored, where a suite has several rules.
    """

    name: str
    group: str
    sound: Sound
    answer: str  # empty: withheld
    question: str = ""  # typed behind the recording; empty: the recording is the question
    choices: tuple[str, ...] = ()
    section: str = ""
    rule: str = ""
    instructions: str = ""
    said: str = ""  # the words of the recording, where they are published
    earlier: tuple[Round, ...] = ()
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)  # as published

    def case(self, effort: Effort) -> Case:
        """To be asked; reads the recordings. Raises OwnError."""
        spoken = not self.question
        before = tuple(Before(r.said, r.reference, r.sound.clip(r.said, True)) for r in self.earlier)
        return Case(
            self.name,
            self.group,
            self.rule,
            self.sound.clip(self.said, spoken),
            self.answer,
            suite="published",
            instructions=self.instructions,
            effort=effort,
            before=before,
            condition="bare",
            question=self.question,
        )


Score = Callable[[Item, str], float | None]


@dataclass(frozen=True)
class Suite:
    """A benchmark. `score`: 0 to 1 of a reply, by its rule; None where only a judge can tell.

    `judge`: the model that judges in its own rule; empty: none does. `opinions`: how often it is asked.
    `macro`: a section's figure is the mean of its groups'. `predicted`: the field of a published row that
    the benchmark's own script reads a reply from.
    """

    name: str
    title: str
    hub: str  # where it is published
    licence: str
    load: Callable[[Path], list[Item]]
    score: Score
    rule: str
    judge: str = ""
    opinions: int = 1
    macro: bool = False
    predicted: str = ""
