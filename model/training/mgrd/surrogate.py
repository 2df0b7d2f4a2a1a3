"""What somebody thinks of a sound who has only ever read about it: textual surrogate reasoning.

A model whose chains of thought all come from text reasons over the transcript (Step-Audio-R1, 3.2): it takes
the words' claim for the truth, and where they claim nothing it guesses. The chains here do so for the
questions of world/perception.py; the cold start learns them from typed questions, where there is nothing to
hear.

    heard: you hear five claps          heard: which tone is higher
    words: 5                            words: second

Pure text.
"""

from __future__ import annotations

import random
from dataclasses import replace

from model.training import world
from model.training.world import Answer, State, Utterance
from model.training.world.perception import MOST, PROPERTIES

SOUNDS = ("beep", "clap", "music", "noise")


def believed(said: Utterance, r: random.Random) -> Utterance:
    """The utterance as its words would have it: what they claim, or a guess."""
    intent, args = said.intent, list(said.args)
    kind, _, name = intent.partition("_")
    if kind in ("claim", "conflict"):
        at = 0 if name in PROPERTIES else 1
        args[at] = args[-1]
    elif intent == "count":
        args[1] = str(r.randint(1, MOST))
    elif kind == "tones":
        args[1] = r.choice(("first", "second"))
    elif intent == "sweep":
        args[0] = r.choice(("rising", "falling"))
    elif intent == "order":
        args[0] = r.choice(SOUNDS)
    elif intent == "melody":
        args[0] = r.choice(("question", "statement"))
    elif intent == "voice_both":
        args = [r.choice(("high", "low")), r.choice(("fast", "slow"))]
    else:
        args[0] = r.choice(PROPERTIES[name].manners).truth
    return replace(said, args=tuple(args))


def thoughts(said: Utterance, r: random.Random) -> tuple[str, Answer]:
    """A chain over the words alone, and the reply that it ends in."""
    guess = believed(said, r)
    answer = world.RULES[said.intent].answer(State(), guess)
    values = [value for value, _ in zip(guess.args[_first(guess) :], range(_many(guess)), strict=False)]
    return f"heard: {said.words}\nwords: {' '.join(values)}", answer


def _first(said: Utterance) -> int:
    """Where in its arguments the truth stands."""
    return int(said.intent == "count" or said.intent.endswith("_count") or "tones" in said.intent)


def _many(said: Utterance) -> int:
    return 2 if said.intent == "voice_both" else 1
