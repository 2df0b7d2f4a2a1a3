"""`soundmind eval`: what a checkpoint gets right, offline or through a live session; tables and a picture.

Puts together the cases, whoever answers them and the report, and writes the files. Knows no wire.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch

from model import checkpoint
from model.evaluation import built, clips, ends, own, report
from model.evaluation.case import CONDITIONS, Answered, Case, Condition, Encoding
from model.evaluation.offline import LIMIT, Respondent
from model.evaluation.report import Table
from model.training.world.core import Effort
from model.training.world.instructions import NANO
from server.config import ConfigError
from server.interview import interview, speaking_seconds

SUITES = ("families", "digits", "three", "prompts", "voices", "ends")
ENCODINGS = ("incremental", "refined")
LARGE = 1024  # width of a network from which on half precision is used offline

Say = Callable[[str], None]
# Answers cases with a turn's audio encoded one way.
Answerer = Callable[[Sequence[Case], Encoding], Awaitable[list[Answered]]]


@dataclass(frozen=True)
class Wanted:
    """What to ask. `folder`: the user's own recordings instead of the built-in tests."""

    folder: Path | None = None
    suites: tuple[str, ...] = SUITES
    families: tuple[str, ...] = built.FAMILIES
    conditions: tuple[str, ...] = tuple(CONDITIONS)
    encodings: tuple[str, ...] = ENCODINGS
    count: int = 200  # of each family
    instructions: str = NANO  # of own recordings
    effort: str = "medium"  # the same

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        _known("suites", self.suites, SUITES)
        _known("families", self.families, built.FAMILIES)
        _known("conditions", self.conditions, CONDITIONS)
        _known("encodings", self.encodings, get_args(Encoding))
        _known("effort", (self.effort,), get_args(Effort))
        if self.count < 1:
            raise ConfigError(f"count: expected 1 or more, got {self.count}")


def _known(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    for value in values:
        if value not in known:
            raise ConfigError(f"{name}: expected some of {','.join(known)}, got {value!r}")


def cases(wanted: Wanted) -> list[Case]:
    """Raises OwnError, ClipsError."""
    conditions: list[Condition] = [c for c in CONDITIONS if c in wanted.conditions]
    if wanted.folder:
        effort: Effort = next(e for e in get_args(Effort) if e == wanted.effort)
        found = own.cases(wanted.folder, wanted.instructions, effort)
        return [built.under(case, condition) for condition in conditions for case in found]
    count, suites = wanted.count, set(wanted.suites)
    said = clips.held_out(count)
    found = []
    if "families" in suites:
        clean = built.families(said, count, wanted.families)
        found += clean if "clean" in conditions else []
        for condition in conditions:
            found += built.spoiled(clean, condition, count) if condition != "clean" else []
    if "digits" in suites:
        found += built.digits(said, count)
    if "three" in suites:
        found += built.efforts(said, count)
    if "prompts" in suites:
        found += built.prompts(said, count)
    if "voices" in suites:
        found += built.seen(clips.trained_voices())
    return found


async def evaluate(wanted: Wanted, asked: Sequence[Case], answer: Answerer) -> list[Answered]:
    """Every case, with each of the encodings."""
    encodings: list[Encoding] = [e for e in get_args(Encoding) if e in wanted.encodings]
    return [one for encoding in encodings for one in await answer(asked, encoding)]


class Offline:
    """A checkpoint in plain PyTorch."""

    def __init__(self, model: str, say: Say, limit: int = LIMIT) -> None:
        """Raises CheckpointError."""
        folder = checkpoint.resolve(model)
        wide = checkpoint.read_config(folder).text.hidden_size >= LARGE
        self.respondent = Respondent(folder, torch.bfloat16 if wide else torch.float32, limit)
        self._say = say

    async def __call__(self, asked: Sequence[Case], encoding: Encoding) -> list[Answered]:
        self._say(f"{encoding}: {len(asked)} cases …")
        begun = time.monotonic()
        found = self.respondent.answer(asked, encoding)
        self._say(f"{encoding}: answered in {time.monotonic() - begun:.0f} s")
        return found

    def ends(self, wanted: Wanted) -> list[Table]:
        """How well ends of turns are told, where that is asked for."""
        if wanted.folder or "ends" not in wanted.suites:
            return []
        self._say("ends of turns …")
        said = clips.held_out(wanted.count)
        return [ends.table(ends.judge(self.respondent, said, clips.hesitations(wanted.count)))]


@dataclass(frozen=True)
class Live:
    """A server's sessions, spoken to at speaking pace, `callers` at once."""

    url: str
    say: Say
    callers: int
    key: str | None = None

    async def __call__(self, asked: Sequence[Case], encoding: Encoding) -> list[Answered]:
        """Raises AskError."""
        minutes = speaking_seconds(asked) / self.callers / 60
        self.say(f"{encoding}: speaking {len(asked)} cases, at least {minutes:.0f} min …")
        return await interview(self.url, asked, encoding, self.callers, self.say, self.key)


def write(folder: Path, answered: Sequence[Answered], tables: Sequence[Table], command: str) -> None:
    """answers.json with everything raw, eval.md and eval.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = [one.raw() for one in answered]
    (folder / "answers.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    (folder / "eval.md").write_text(f"`{command}`\n\n{report.markdown(tables)}")
    (folder / "eval.svg").write_text(report.svg(tables))
