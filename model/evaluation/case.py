"""What is asked of a checkpoint, and what came back: plain values. Knows no network and no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.training.world.core import Call, Effort

# "bare": the recording as it is, with nothing around it; of benchmarks alone, so not in CONDITIONS.
Condition = Literal["clean", "noise", "telephone", "bare"]
# What the reply sees: chunks as they were heard; the last turn encoded anew; offline, every turn whole.
# Or what a server does by itself.
Encoding = Literal["incremental", "refined", "whole", "served"]

CONDITIONS: dict[Condition, str] = {"clean": "clean", "noise": "10 dB noise", "telephone": "telephone"}


@dataclass(frozen=True, eq=False)
class Clip:
    """One utterance as it sounds: int16, 16 kHz, no silence around."""

    words: str  # lower case, no punctuation; empty: unknown, or none
    voice: str  # engine/name
    samples: NDArray[np.int16]
    voiced: bool = True  # a voice detector finds its beginning and its end
    seen: bool = False  # the voice was trained on

    @property
    def seconds(self) -> float:
        return len(self.samples) / 16_000


@dataclass(frozen=True, eq=False)
class Before:
    """An earlier turn: spoken where there is a clip, else typed, and the reply as the history holds it."""

    said: str
    reply: str
    clip: Clip | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """One conversation whose last turn is scored.

    What counts as right: `call`, where one is expected; any reply with `number` as its last number, where
    that is not None; else the reply in these words. `contained`: the reply has to contain them only.
    """

    name: str
    family: str
    intent: str
    clip: Clip
    reply: str
    suite: str = "families"
    instructions: str = ""
    schemas: str = ""  # of the tools offered: a JSON array
    effort: Effort = "medium"
    before: tuple[Before, ...] = ()
    number: int | None = None
    call: Call | None = None
    result: str = ""  # what the tool gives back
    told: str = ""  # the reply to that
    refusal: bool = False  # to say that it was not understood is right
    condition: Condition = "clean"
    contained: bool = False
    transcript: str = ""  # the words that a transcript should have; empty: it is not scored
    question: str = ""  # typed behind the recording; empty: the recording is the question


@dataclass(frozen=True)
class Outcome:
    """What a checkpoint made of a case. None: not told, or not asked for."""

    thinking: str = ""
    reply: str = ""
    call: Call | None = None
    told: str | None = None
    heard: str | None = None
    think_tokens: int | None = None
    timings: Mapping[str, float | None] = field(default_factory=dict)  # ms
    turns: int = 1  # that the last recording was taken for
    error: str | None = None
    earlier: tuple[str, ...] = ()  # the replies to spoken turns before, where the model gave them itself


@dataclass(frozen=True, eq=False)
class Answered:
    case: Case
    encoding: Encoding
    outcome: Outcome

    def raw(self) -> dict[str, Any]:
        """For a JSON file."""
        case, found = self.case, self.outcome
        return {
            "name": case.name,
            "suite": case.suite,
            "family": case.family,
            "intent": case.intent,
            "voice": case.clip.voice,
            "seen": case.clip.seen,
            "seconds": round(case.clip.seconds, 2),
            "condition": case.condition,
            "encoding": self.encoding,
            "effort": case.effort,
            "instructions": case.instructions,
            "before": [[b.said, b.reply, "spoken" if b.clip else "typed"] for b in case.before],
            "said": case.clip.words,
            "expected": case.call.text if case.call else case.reply,
            "expected_told": case.told,
            "thinking": found.thinking,
            "reply": found.call.text if found.call else found.reply,
            "told": found.told,
            "heard": found.heard,
            "think_tokens": found.think_tokens,
            "timings": dict(found.timings),
            "turns": found.turns,
            "error": found.error,
        }
