"""The world that nano knows: a seed gives an utterance, a state and an utterance give the answer.

    said = utterance("seed")            # or of one family
    found = answer(State(), said)       # thoughts, reply, and the state afterwards

Knows no audio samples, no tokens and no network.
"""

from __future__ import annotations

import random

from model.training.world import (
    everyday,
    instructions,
    memory,
    numbers,
    perception,
    sequences,
    tools,
    unknown,
)
from model.training.world.core import (
    Answer,
    Call,
    Delivery,
    Effort,
    Event,
    Rule,
    State,
    Sum,
    Utterance,
    chain,
    with_words,
)

__all__ = [
    "FAMILIES",
    "RULES",
    "SHARES",
    "Answer",
    "Call",
    "Delivery",
    "Effort",
    "Event",
    "State",
    "Sum",
    "Utterance",
    "answer",
    "chain",
    "of_intent",
    "utterance",
]

FAMILIES: dict[str, dict[str, Rule]] = {
    "numbers": numbers.RULES,
    "sequences": sequences.RULES,
    "everyday": everyday.RULES,
    "memory": memory.RULES,
    "perception": perception.RULES,
    "tools": tools.RULES,
    "unknown": unknown.RULES,
}
SHARES = {  # of the spoken utterances
    "numbers": 30,
    "sequences": 14,
    "everyday": 13,
    "memory": 10,
    "perception": 15,
    "tools": 10,
    "unknown": 8,
}
RULES: dict[str, Rule] = {intent: rule for rules in FAMILIES.values() for intent, rule in rules.items()}


def utterance(seed: int | str, family: str | None = None, held_out: bool = False) -> Utterance:
    """The utterance of a seed. What is held out comes only where `held_out` is True."""
    r = random.Random(f"world {family} {seed}")
    family = family or r.choices(list(SHARES), weights=list(SHARES.values()))[0]
    rules = list(FAMILIES[family].values())
    while True:
        found = r.choices(rules, weights=[rule.weight for rule in rules])[0].make(r)
        if found.held_out == held_out:
            return found


def of_intent(seed: int | str, intent: str, held_out: bool = False) -> Utterance:
    """The utterance of a seed with this intent."""
    r = random.Random(f"world {intent} {seed}")
    while True:
        found = RULES[intent].make(r)
        if found.held_out == held_out:
            return found


def answer(state: State, said: Utterance) -> Answer:
    """How nano should answer, as the instructions in force want it."""
    found = RULES[said.intent].answer(state, said)
    return instructions.obeyed(state, found, with_words(found.state, said))
