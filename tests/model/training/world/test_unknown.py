"""What is beyond nano: told apart from everything that it knows."""

from __future__ import annotations

import random

import pytest

from model.training import world
from model.training.world import foreign, unknown
from model.training.world.core import State


@pytest.mark.parametrize("intent", list(unknown.RULES))
def test_both_sides_exist_and_nothing_is_made_up(intent: str) -> None:
    r = random.Random(intent)
    rule = unknown.RULES[intent]
    found = [rule.make(r) for _ in range(400)]
    assert {u.held_out for u in found} == {False, True}
    assert len({rule.answer(State(), u).reply for u in found}) == 1
    for said in found:
        assert said.heard == said.noted
        assert bool(said.words) != bool(said.before)
        assert not said.words or unknown.strange(said.words)


def test_nothing_else_in_the_world_is_strange() -> None:
    r = random.Random(4)
    for family, rules in world.FAMILIES.items():
        for rule in rules.values() if family != "unknown" else ():
            for _ in range(150):
                words = rule.make(r).words
                assert not unknown.strange(words), (family, words)


def test_other_languages_are_spoken_as_such() -> None:
    r = random.Random(5)
    for _ in range(100):
        said = unknown.RULES["unknown_language"].make(r)
        assert said.words in foreign.SENTENCES[said.delivery.language]


def test_what_begins_like_something_known_is_still_strange() -> None:
    for seed in range(400):
        said = world.of_intent(seed, "unknown_near")
        assert unknown.strange(said.words), said.words
        assert world.answer(State(), said).reply == unknown.NOT_UNDERSTOOD


def test_it_comes_only_where_it_is_asked_for() -> None:
    intents = {world.utterance(i, "unknown").intent for i in range(600)}
    assert "unknown_other" in intents and "unknown_near" not in intents
