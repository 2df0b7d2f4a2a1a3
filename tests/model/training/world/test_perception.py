"""What is heard beyond the words: the sounds are as the answer says, claims are right or wrong as named."""

from __future__ import annotations

import random
import re

import pytest

from model.training.world import perception
from model.training.world.core import Answer, Event, State, Utterance


def made(intent: str, count: int = 300) -> list[tuple[Utterance, Answer]]:
    r = random.Random(intent)
    rule = perception.RULES[intent]
    return [(said, rule.answer(State(), said)) for said in (rule.make(r) for _ in range(count))]


def sounds(said: Utterance) -> tuple[Event, ...]:
    return said.before + said.after


@pytest.mark.parametrize("intent", list(perception.RULES))
def test_both_sides_exist_and_one_text_is_on_one_side(intent: str) -> None:
    sides: dict[str, set[bool]] = {}
    for said, answer in made(intent, 1500):
        assert said.intent == intent
        assert answer.reply.endswith(".") and answer.steps and answer.brief
        sides.setdefault(said.words, set()).add(said.held_out)
    assert all(len(found) == 1 for found in sides.values())
    assert set.union(*sides.values()) == {False, True}


def test_the_question_comes_before_the_sounds_or_after_them() -> None:
    found = [said for said, _ in made("count")]
    assert {bool(said.before) for said in found if sounds(said)} == {False, True}
    assert all(not (said.before and said.after) for said in found)
    for said in found:
        assert [w for w in said.noted.split() if w in ("beep", "clap")] == [e.kind for e in sounds(said)]


def test_what_is_counted_is_there() -> None:
    for intent in ("count", "claim_count", "conflict_count"):
        for said, answer in made(intent):
            n = sum(e.kind == said.args[0] for e in sounds(said))
            assert answer.steps[0] == "count: " + (" ".join(str(i + 1) for i in range(n)) or "0")
            assert re.search(rf"\b{n or 'no'} {said.args[0]}", answer.reply)


@pytest.mark.parametrize(
    "intent", ["tones_pitch", "tones_level", "tones_length", "claim_tones", "conflict_tones"]
)
def test_two_tones_are_well_apart_and_the_right_one_is_named(intent: str) -> None:
    for said, answer in made(intent):
        more, which = said.args[:2]
        first, second = sounds(said)
        value = {"pitch": "pitch", "level": "level", "length": "seconds"}[perception.COMPARED[more][0]]
        a, b = getattr(first, value), getattr(second, value)
        assert which == ("first" if (a > b) != (more in perception.LESS) else "second")
        assert f"the {which} tone was {more}" in answer.reply.lower()
        if value == "pitch":
            assert max(a / b, b / a) > 2 ** (2.9 / 12)
        elif value == "level":
            assert abs(a - b) > 5.9
        else:
            assert max(a / b, b / a) > 1.59


def test_a_sweep_and_an_order_are_told_as_they_sound() -> None:
    for said, answer in made("sweep"):
        (event,) = sounds(said)
        assert answer.reply == f"It was {'rising' if event.to > event.pitch else 'falling'}."
    for said, answer in made("order"):
        kinds = [e.kind for e in sounds(said)]
        assert answer.steps == (f"order: {', '.join(kinds)}",)
        assert answer.reply.startswith(f"The {kinds[0] if 'first' in answer.reply else kinds[-1]} came")


def test_claims_agree_and_conflicts_do_not() -> None:
    for intent in perception.RULES:
        if intent.startswith(("claim_", "conflict_")):
            for said, answer in made(intent, 50):
                assert answer.reply.startswith("Yes, " if intent.startswith("claim_") else "You say ")
                assert answer.steps[1].startswith("words: "), said


@pytest.mark.parametrize("name", list(perception.PROPERTIES))
def test_a_voice_speaks_as_the_answer_says(name: str) -> None:
    for intent in (f"voice_{name}", f"claim_{name}", f"conflict_{name}"):
        for said, answer in made(intent, 100):
            manner = next(m for m in perception.PROPERTIES[name].manners if m.delivery == said.delivery)
            assert answer.reply.lower().endswith(f"{manner.fact}.")


def test_a_question_rises() -> None:
    for said, answer in made("melody"):
        assert (
            answer.reply == f"That was a {'question' if said.delivery.melody == 'rising' else 'statement'}."
        )
