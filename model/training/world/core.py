"""What everything said to nano is made of, and what nano makes of it: plain values and one rule.

An *utterance* is what is said or sounded in one turn. A *state* is what the conversation has come to:
who nano is to be, what the user told it, the last result. `Answer` says how nano should think and reply
to an utterance in a state, and what the state is then. Families (numbers.py, memory.py, …) make utterances
from chance and answer them. Knows no audio samples, no tokens and no network.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from model.training.world import scale

HELD_OUT = 8  # one key in so many is for evaluation alone
NUMBERED = "beep", "clap"  # events that are counted as they are heard

Effort = Literal["none", "short", "medium", "long"]


# --- what is said ---


@dataclass(frozen=True)
class Event:
    """A sound without words. Levels are relative to full scale; a sweep goes from `pitch` to `to`."""

    kind: Literal["beep", "clap", "tone", "sweep", "music", "noise", "silence"]
    seconds: float
    pitch: float = 0.0  # Hz
    to: float = 0.0  # Hz
    level: float = -12.0  # dB
    gap: float = 0.2  # seconds of silence after it


@dataclass(frozen=True)
class Delivery:
    """How words are to be spoken; empty leaves it to chance."""

    pitch: Literal["", "high", "low"] = ""
    speed: Literal["", "fast", "slow"] = ""
    level: Literal["", "loud", "quiet"] = ""
    whisper: bool | None = None
    noise: bool | None = None  # a noise goes on beside the voice, or surely none
    melody: Literal["", "rising", "falling"] = ""  # of the end
    language: str = ""  # espeak-ng's name of the language, where the words are not English


@dataclass(frozen=True)
class Utterance:
    """One turn of the user.

    `intent` names the rule that answers it, `args` are what that rule needs to know of it. `key` is what
    it is about: utterances with one key are all held out or all trained on. `written` are other ways to
    type it. `heard` is how the thoughts note it, where that is not the words with the sounds around.
    """

    family: str
    intent: str
    words: str  # as said: lower case, no punctuation; empty where only sounds are
    key: str
    args: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    before: tuple[Event, ...] = ()
    after: tuple[Event, ...] = ()
    delivery: Delivery = field(default_factory=Delivery)
    heard: str = ""

    @property
    def held_out(self) -> bool:
        """Whether it is for evaluation alone."""
        digest = hashlib.sha256(f"{self.family}:{self.key}".encode()).digest()
        return digest[0] % HELD_OUT == 0

    @property
    def noted(self) -> str:
        """What the thoughts say was heard. Beeps and claps are numbered: each is a step of counting."""
        if self.heard:
            return self.heard
        kinds = [e.kind for e in self.before + self.after]
        numbers = [f" {kinds[: i + 1].count(k)}" if k in NUMBERED else "" for i, k in enumerate(kinds)]
        return self._written(numbers)

    @property
    def sounded(self) -> str:
        """What there is to hear, in words: sounds by their names, tones with their letters."""
        return self._written([""] * len(self.before + self.after))

    def _written(self, more: Sequence[str]) -> str:
        """With something behind the name of each event."""
        events = self.before + self.after
        named = [e.kind + scale.letters(e) + behind for e, behind in zip(events, more, strict=True)]
        count = len(self.before)
        return " ".join([*named[:count], *self.words.split(), *named[count:]])


# --- what the conversation has come to ---


@dataclass(frozen=True)
class Call:
    """A tool called. Arguments in the tool's own order."""

    name: str
    arguments: Mapping[str, str | int]

    @property
    def text(self) -> str:
        """Step-Audio 2's form."""
        return f"<tool_call>function\n{self.name}\n{json.dumps(self.arguments)}</tool_call>"


@dataclass(frozen=True)
class Sum:
    """The last calculation: `shown` as in "27+15", and its result."""

    shown: str
    result: int


@dataclass(frozen=True)
class State:
    """Everything that an answer may depend on beside the utterance."""

    me: str = "nano"
    style: Literal["", "word", "sentence"] = ""  # what the instructions ask of replies
    language: str = ""  # one that the instructions ask for and nano does not have
    tools: tuple[str, ...] = ()  # names of those offered
    name: str = ""  # the user's
    kept: tuple[tuple[str, str], ...] = ()  # kind and value of what was to be remembered, last the latest
    last: Sum | None = None
    said: tuple[str, ...] = ()  # words of the user's turns, last the latest
    cut: bool = False  # the reply with the last result was broken off: only its beginning is in the history


@dataclass(frozen=True)
class Answer:
    """How to think and what to reply. `steps` are lines of working, `check` more of them for long thoughts.

    `brief` is the reply in one word or two, where a system prompt wants that; empty: as `reply`.
    """

    reply: str
    steps: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    brief: str = ""
    call: Call | None = None  # then `reply` is empty
    state: State = field(default_factory=State)  # afterwards


@dataclass(frozen=True)
class Rule:
    """One intent: how often it comes within its family, how it is made, how it is answered.

    `make` draws any utterance of the intent. `answer` is told the state before the turn, without this turn in
    `said`; the state that it returns need not have it either (the caller adds it).
    """

    weight: float
    make: Callable[[random.Random], Utterance]
    answer: Callable[[State, Utterance], Answer]


def chain(utterance: Utterance, answer: Answer, effort: Effort) -> str:
    """The thoughts, lines joined by newlines; empty for none."""
    heard = f"heard: {utterance.noted}"
    if effort == "none":
        return ""
    if effort == "short":
        return "\n".join(answer.steps) or heard
    return "\n".join([heard, *answer.steps, *(answer.check if effort == "long" else ())])


def with_words(state: State, utterance: Utterance) -> State:
    """The state with the turn's words among those said; the last eight are kept."""
    return replace(state, said=(*state.said, utterance.words)[-8:])
