"""Numbers: what is replied is what Python reckons, and what is held out stays so in every dress."""

from __future__ import annotations

import random
import re

import pytest

from model.training.world import numbers
from model.training.world.core import State, Sum, Utterance

DRAWS = 400


def drawn(intent: str, count: int = DRAWS) -> list[Utterance]:
    r = random.Random(intent)
    return [numbers.RULES[intent].make(r) for _ in range(count)]


@pytest.mark.parametrize("intent", [intent for intent in numbers.RULES if intent != "compare"])
def test_the_result_is_right_and_kept(intent: str) -> None:
    for said in drawn(intent):
        found = numbers.RULES[intent].answer(State(me="max"), said)
        expression = "".join(said.args[:3] if intent == "story" else said.args)
        value = int(eval(expression))
        assert found.state == State(me="max", last=Sum(expression, value))
        assert found.brief == f"{value}.".replace("-", "minus ")
        assert re.search(rf"\b{abs(value)}\b", found.reply)
        assert found.steps[-1].endswith(str(abs(value)))
        assert len(found.check) == 1


def test_comparisons_are_right_and_leave_the_last_result() -> None:
    state = State(last=Sum("1+1", 2))
    for said in drawn("compare"):
        a, b = int(said.args[0]), int(said.args[1])
        larger = said.args[2] == "larger"
        found = numbers.RULES["compare"].answer(state, said)
        assert found.state == state
        if said.args[3]:
            assert found.brief == ("Yes." if (a > b if larger else a < b) else "No.")
            assert found.steps[-1].endswith(found.brief.strip(".").lower())
        else:
            best = max(a, b) if larger else min(a, b)
            assert found.brief == ("The same." if a == b else f"{best}.")


def test_three_numbers_never_pass_below_zero() -> None:
    for said in drawn("three"):
        assert int(eval("".join(said.args[:3]))) >= 0 and int(eval("".join(said.args))) >= 0


def test_what_belongs_together_is_held_out_together() -> None:
    key = numbers.fact(27, "+", 15)
    assert key == numbers.fact(15, "+", 27) == numbers.fact(42, "-", 15) == numbers.fact(42, "-", 27)
    assert numbers.fact(15, "-", 42) == key
    assert numbers.fact(48, "/", 2) == numbers.fact(24, "*", 2)
    for said in drawn("three"):
        a, s, b, t, c = said.args
        second = numbers.fact(int(eval(a + s + b)), t, int(c))
        assert said.held_out or not Utterance("numbers", "", "", second).held_out


def test_every_intent_comes_held_out_and_not_and_no_words_are_both() -> None:
    held: dict[str, bool] = {}
    for intent in numbers.RULES:
        found = drawn(intent, 2000)
        assert {said.held_out for said in found} == {False, True}
        for said in found:
            assert held.setdefault(said.words, said.held_out) == said.held_out


def test_problems_are_told_as_an_expression_first() -> None:
    for said in drawn("story"):
        found = numbers.RULES["story"].answer(State(), said)
        assert found.steps[0].split(": ")[1] == found.steps[1].split(": ")[0] == "".join(said.args[:3])
