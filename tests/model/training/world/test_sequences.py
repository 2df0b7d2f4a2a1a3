"""Sequences: what is replied is what Python finds, whatever is asked of the digits."""

from __future__ import annotations

import random

import pytest

from model.training.world import sequences
from model.training.world.core import State, Utterance
from model.training.world.speech import ONES


def drawn(intent: str, count: int = 400) -> list[Utterance]:
    r = random.Random(intent)
    return [sequences.RULES[intent].make(r) for _ in range(count)]


@pytest.mark.parametrize("intent", list(sequences.RULES))
def test_the_reply_is_right_and_the_state_as_before(intent: str) -> None:
    state = State(me="max", name="anna")
    for said in drawn(intent):
        found = sequences.RULES[intent].answer(state, said)
        digits = list(said.args)
        wanted = {
            "digits": digits,
            "sort": sorted(digits),
            "reverse": digits[::-1],
            "largest": [max(digits)],
            "smallest": [min(digits)],
            "digit_sum": [str(sum(map(int, digits)))],
        }[intent]
        assert (found.brief or found.reply) == f"{' '.join(wanted)}."
        assert found.steps and found.state == state


def test_the_digits_are_those_said() -> None:
    for said in drawn("sort") + drawn("reverse"):
        heard = [word for word in said.words.replace("oh", "zero").split() if word in ONES]
        assert [str(ONES.index(word)) for word in heard] == list(said.args)


def test_working_goes_in_small_steps() -> None:
    def steps(intent: str) -> tuple[str, ...]:
        said = Utterance("sequences", intent, "", "", ("5", "2", "9"))
        return sequences.RULES[intent].answer(State(), said).steps

    assert steps("sort") == ("5 2 9: 2 | 5 9: 5 | 9: 9",)
    assert steps("reverse") == ("5 2 9: 9 | 5 2: 2 | 5: 5",)
    assert steps("largest") == ("5 2 9: 5>2, 5<9, 9",)
    assert steps("digit_sum") == ("5+2: 5+2=7, 7", "7+9: 7+9=16, 16")


def test_the_digits_decide_what_is_held_out() -> None:
    held: dict[str, bool] = {}
    for intent in sequences.RULES:
        found = drawn(intent, 1500)
        assert {said.held_out for said in found} == {False, True}
        for said in found:
            shown = " ".join(said.args)
            assert held.setdefault(shown, said.held_out) == said.held_out
            assert len(said.args) > 1 or not said.held_out


def test_single_digits_are_rehearsed_most() -> None:
    singles = [said for said in drawn("digits", 2000) if len(said.args) == 1 and int(said.args[0]) < 10]
    assert 0.35 < len(singles) / 2000 < 0.46
