"""Everyday: facts and the clock, all worked out; what is asked plainly is always trained on."""

from __future__ import annotations

import random

import pytest

from model.training.world import everyday, numbers, sequences
from model.training.world.core import State, Sum, Utterance
from model.training.world.speech import DAYS, MONTHS, ONES

STARTS = (0, 30, 15, -15, 10, -10)  # minutes of the clock's forms from their hour


def drawn(intent: str, count: int = 400) -> list[Utterance]:
    r = random.Random(intent)
    return [everyday.RULES[intent].make(r) for _ in range(count)]


@pytest.mark.parametrize("intent", list(everyday.RULES))
def test_every_intent_is_answered_and_leaves_the_state(intent: str) -> None:
    state = State(me="max", last=Sum("1+1", 2))
    for said in drawn(intent):
        found = everyday.RULES[intent].answer(state, said)
        assert found.reply[-1] in ".!?" and "{" not in found.reply + "".join(found.steps)
        assert found.state == state


def test_days_and_months_come_round() -> None:
    for intent, names in (("day", DAYS), ("month", MONTHS), ("days", DAYS)):
        for said in drawn(intent):
            name, order, n = (*said.args, "1")[:3]
            move = int(n) if order == "after" else -int(n)
            wanted = names[(names.index(name) + move) % len(names)]
            found = everyday.RULES[intent].answer(State(), said)
            assert found.brief == f"{wanted.capitalize()}." and found.steps[-1].endswith(found.brief[:-1])


def minutes(time: str) -> int:
    """Of a time in words, after twelve."""
    for form, start in zip(everyday.FORMS, STARTS, strict=True):
        before, after = form.split("{h}")
        if time.startswith(before) and time.endswith(after):
            hour = time[len(before) : len(time) - len(after)]
            if hour in ONES:
                return (60 * ONES.index(hour) + start) % 720
    raise ValueError(time)


def test_the_clock_agrees_with_minutes() -> None:
    for said in drawn("clock", 1500):
        form, hour, order, n = said.args
        length = 60 * int(n) or 30
        start = minutes(everyday.FORMS[int(form)].format(h=hour))
        found = everyday.RULES["clock"].answer(State(), said)
        wanted = (start + (length if order == "after" else -length)) % 720
        assert minutes(found.reply.removeprefix("It is ").removesuffix(".")) == wanted


def test_words_have_one_opposite_each() -> None:
    assert len(everyday.OPPOSITES) == 2 * len(everyday.PAIRS)
    assert all(everyday.OPPOSITES[b] == a for a, b in everyday.OPPOSITES.items())


def test_the_name_is_that_of_the_instructions() -> None:
    said = Utterance("everyday", "self", "what is your name", "", ("what is your name",))
    assert everyday.RULES["self"].answer(State(), said).reply == "My name is nano."
    assert everyday.RULES["self"].answer(State(me="max"), said).reply == "My name is Max."


def test_what_is_asked_plainly_is_trained_on_and_no_words_are_both() -> None:
    held: dict[str, bool] = {}
    assert not Utterance("everyday", "", "", everyday.PLAIN).held_out
    for intent in everyday.RULES:
        found = drawn(intent, 1500)
        assert {said.held_out for said in found} == {False, True}
        for said in found:
            assert held.setdefault(said.words, said.held_out) == said.held_out


def test_the_three_families_keep_to_few_words() -> None:
    r = random.Random(3)
    rules = [
        rule
        for family in (numbers, sequences, everyday)
        for rule in family.RULES.values()
        for _ in range(500)
    ]
    assert len({word for rule in rules for word in rule.make(r).words.split()}) <= 260


def test_the_same_words_always_mean_the_same() -> None:
    r = random.Random(4)
    replies: dict[str, str] = {}
    for family in (numbers, sequences, everyday):
        for rule in family.RULES.values():
            for _ in range(600):
                said = rule.make(r)
                reply = rule.answer(State(), said).reply
                assert replies.setdefault(said.words, reply) == reply
