"""Thinking about the words alone: it believes every claim, and never notes a sound."""

from __future__ import annotations

import random

import pytest

from model.training import world
from model.training.mgrd.filters import only_words
from model.training.mgrd.notes import claimed
from model.training.mgrd.surrogate import believed, thoughts
from model.training.world import State

INTENTS = list(world.FAMILIES["perception"])


@pytest.mark.parametrize("intent", INTENTS)
def test_it_reasons_about_the_words(intent: str) -> None:
    for seed in range(20):
        said = world.of_intent(f"surrogate {seed}", intent)
        thinking, answer = thoughts(said, random.Random(seed))
        assert only_words(thinking) and thinking.splitlines()[0] == f"heard: {said.words}"
        assert thinking.splitlines()[1].removeprefix("words: ")
        assert answer.reply and claimed(answer.reply) is None


@pytest.mark.parametrize("intent", [i for i in INTENTS if i.startswith(("claim_", "conflict_"))])
def test_it_believes_what_is_claimed(intent: str) -> None:
    for seed in range(20):
        said = world.of_intent(f"claims {seed}", intent)
        answer = thoughts(said, random.Random(seed))[1]
        assert answer.reply.startswith("Yes, ")
        assert (answer.reply == world.answer(State(), said).reply) == intent.startswith("claim_")


@pytest.mark.parametrize("intent", [i for i in INTENTS if not i.startswith(("claim_", "conflict_"))])
def test_it_guesses_what_the_words_do_not_tell(intent: str) -> None:
    said = world.of_intent("guess", intent)
    guesses = {believed(said, random.Random(seed)).args for seed in range(40)}
    assert len(guesses) > 1 and all(len(args) == len(said.args) for args in guesses)
