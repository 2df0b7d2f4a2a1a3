"""`soundmind eval`: what a checkpoint gets right, offline or through a live session; tables and a picture.

Puts together the cases, whoever answers them and the report, and writes the files. Knows no wire.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from tokenizers import Tokenizer

from model import checkpoint
from model.evaluation import built, clips, ends, own, report
from model.evaluation.case import CONDITIONS, Answered, Case, Condition, Encoding
from model.evaluation.offline import LIMIT, Respondent
from model.evaluation.report import Table
from model.training.world.core import Effort
from model.training.world.instructions import NANO
from model.windows import Windows
from server.config import ConfigError
from server.interview import interview, speaking_seconds

SUITES = ("families", "digits", "apart", "three", "prompts", "voices", "ends")
ENCODINGS = ("incremental", "refined")
OFFLINE, LIVE = ("incremental", "refined", "whole"), ("incremental", "refined", "served")
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
    live: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        _known("suites", self.suites, SUITES)
        _known("families", self.families, built.FAMILIES)
        _known("conditions", self.conditions, CONDITIONS)
        _known("encodings", self.encodings, LIVE if self.live else OFFLINE)
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
    if "apart" in suites:
        found += built.apart([*clips.apart(count), *clips.alone(count)])
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

    def __init__(self, model: str, say: Say, sizes: Windows | None = None, limit: int = LIMIT) -> None:
        """Raises CheckpointError."""
        folder = checkpoint.resolve(model)
        wide = checkpoint.read_config(folder).text.hidden_size >= LARGE
        self.respondent = Respondent(folder, torch.bfloat16 if wide else torch.float32, limit)
        self._say, self._sizes = say, sizes

    async def __call__(self, asked: Sequence[Case], encoding: Encoding) -> list[Answered]:
        self._say(f"{encoding}: {len(asked)} cases …")
        begun = time.monotonic()
        found = self.respondent.answer(asked, encoding, self._sizes)
        self._say(f"{encoding}: answered in {time.monotonic() - begun:.0f} s")
        return found

    def ends(self, wanted: Wanted) -> list[Table]:
        """How well ends of turns are told, where that is asked for."""
        if wanted.folder or "ends" not in wanted.suites:
            return []
        self._say("ends of turns …")
        said = clips.held_out(wanted.count)
        pauses = clips.hesitations(wanted.count)
        return [ends.table(ends.judge(self.respondent, said, pauses, self._sizes))]


@dataclass(frozen=True)
class Live:
    """A server's sessions, spoken to at speaking pace, `callers` at once.

    `model`: whose tokens the thoughts are counted in; None: nobody's.
    """

    url: str
    say: Say
    callers: int
    key: str | None = None
    model: str | None = None

    async def __call__(self, asked: Sequence[Case], encoding: Encoding) -> list[Answered]:
        """Raises AskError."""
        minutes = speaking_seconds(asked) / self.callers / 60
        self.say(f"{encoding}: speaking {len(asked)} cases, at least {minutes:.0f} min …")
        found = await interview(self.url, asked, encoding, self.callers, self.say, self.key)
        return found if self.model is None else _counted(found, checkpoint.resolve(self.model))


def _counted(found: list[Answered], folder: Path) -> list[Answered]:
    """With the tokens of thoughts, where the server does not tell them."""
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    out = []
    for one in found:
        if one.outcome.think_tokens is None and one.outcome.error is None:
            count = len(words.encode(one.outcome.thinking, add_special_tokens=False).ids)
            one = replace(one, outcome=replace(one.outcome, think_tokens=count))
        out.append(one)
    return out


def write(folder: Path, answered: Sequence[Answered], tables: Sequence[Table], command: str) -> None:
    """answers.json with everything raw, eval.md and eval.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = [one.raw() for one in answered]
    (folder / "answers.json").write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
    (folder / "eval.md").write_text(f"`{command}`\n\n{report.markdown(tables)}")
    (folder / "eval.svg").write_text(report.svg(tables))
