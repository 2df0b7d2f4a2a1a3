"""How a conversation goes on: which intents may follow, what the history then holds, what the state is.

`Course` takes one utterance after another and tells what nano should think, say and call, and what of it
the history keeps: a reply may be broken off. Training and evaluation lay their conversations out with it.
Knows no audio and no tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from model.training import world
from model.training.world import instructions, tools
from model.training.world.core import Answer, Call, Delivery, State, Utterance

CUT_REPLIES = 0.12
REFERRING = 0.3  # share of the later turns that refer to earlier ones

# What has to be said before an intent has something to refer to.
NUMBERS = ("sum", "difference", "product", "three", "memory_follow")
NEEDS: dict[str, tuple[str, ...]] = {
    "memory_ask_name": ("memory_tell_name",),
    "memory_ask_kept": ("memory_remember", "memory_remember_word"),
    "memory_ask_said": (),
    "memory_follow": NUMBERS,
    "memory_double": NUMBERS,
    "memory_half": NUMBERS,
    "memory_correct": NUMBERS[:3],
}
NEAR = frozenset({"memory_follow", "memory_double", "memory_half", "memory_correct"})  # to the turn before


@dataclass(frozen=True)
class Result:
    """What a tool gave back, and what nano says to it."""

    content: str
    answer: Answer


@dataclass(frozen=True)
class Turn:
    """One utterance answered. `kept` is the reply as the history holds it."""

    said: Utterance
    answer: Answer
    kept: str
    result: Result | None = None

    @property
    def call(self) -> Call | None:
        return self.answer.call


class Course:
    """One conversation under one system prompt. `whole`: no reply is broken off."""

    def __init__(self, r: random.Random, held_out: bool = False, whole: bool = False) -> None:
        setting = instructions.setting(r, held_out)
        offered = tools.offer(r, held_out)
        self.instructions = setting.text
        self.schemas = tools.schemas(offered) if offered else ""
        self.offered = offered
        self.state: State = replace(setting.state, tools=offered)
        self._r, self._whole = r, whole

    def turn(self, said: Utterance) -> Turn:
        """The next turn, and the state after it."""
        answer = world.answer(self.state, said)
        if answer.call is None:
            return Turn(said, answer, self._keep(answer))
        content = tools.result(answer.call, self._r)
        told = tools.told(answer.state, answer.call, content)
        told = instructions.obeyed(answer.state, told, answer.state)
        return Turn(said, answer, self._keep(told), Result(content, told))

    def _keep(self, answer: Answer) -> str:
        words, before = answer.reply.split(" "), self.state
        cut = not self._whole and len(words) > 1 and self._r.random() < CUT_REPLIES
        reckoned = answer.state.last != before.last
        self.state = replace(answer.state, cut=cut if reckoned else before.cut)
        return " ".join(words[: self._r.randrange(1, len(words))]) if cut else answer.reply


def plan(r: random.Random, turns: int, last: str | None = None) -> list[str | None]:
    """The intents of so many turns, None for any; what refers to something comes after it."""
    found: list[str | None] = [None] * turns
    wanted = {turns - 1: last} if last else {}
    for at in range(1, turns - bool(last)):
        if r.random() < REFERRING:
            wanted[at] = r.choice(list(NEEDS))
    for at, intent in wanted.items():
        found[at] = intent
        if at and NEEDS.get(intent) and r.random() < 0.9:
            before = at - 1 if intent in NEAR else r.randrange(at)
            if before not in wanted:
                found[before] = r.choice(NEEDS[intent])
    return found


def can_be_typed(said: Utterance) -> bool:
    """Nothing in it has to be heard."""
    return bool(said.words) and not said.before and not said.after and said.delivery == Delivery()
