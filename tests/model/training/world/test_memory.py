"""Memory: what was told is known later, follow-ups are true, a broken reply is worked out anew."""

from __future__ import annotations

import operator
import random
import re
from dataclasses import replace

import pytest

from model.training.world import memory
from model.training.world.core import Answer, State, Sum, Utterance, with_words
from model.training.world.speech import spoken

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
STEP = re.compile(r"(?<![\d+*/-])(\d+(?:[+*/-]\d+)+)=(\d+)")


def value(expression: str) -> int:
    first, rest = re.match(r"-?\d+", expression), re.findall(r"([+*/-])(\d+)", expression.lstrip("-"))
    assert first
    total = int(first.group())
    for sign, number in rest:
        total = SIGNS[sign](total, int(number))
    return total


def said(intent: str, words: str, *args: str) -> Utterance:
    return Utterance("memory", f"memory_{intent}", words, words, args)


def answered(state: State, utterance: Utterance) -> Answer:
    found = memory.RULES[utterance.intent].answer(state, utterance)
    return replace(found, state=with_words(found.state, utterance))


def follow(sign: str, n: int) -> Utterance:
    return said("follow", f"and {sign} {spoken(n)}", sign, str(n))


@pytest.mark.parametrize("intent", list(memory.RULES))
@pytest.mark.parametrize("held_out", [False, True])
def test_every_intent_has_both_sides_and_no_text_is_on_both(intent: str, held_out: bool) -> None:
    r = random.Random(intent)
    found = [memory.RULES[intent].make(r) for _ in range(400)]
    sides = {held_out: {u.words for u in found if u.held_out == held_out} for held_out in (False, True)}
    assert sides[held_out]
    assert not sides[False] & sides[True]


def test_what_was_told_is_known_eight_turns_later() -> None:
    state = State()
    assert answered(state, said("ask_name", "who am i")).reply == "You have not told me your name."
    state = answered(state, said("tell_name", "i am anna", "Anna")).state
    state = answered(state, said("remember", "remember forty seven", "number", "47")).state
    state = answered(state, said("remember_word", "my colour is red", "colour", "red")).state
    for _ in range(6):
        state = answered(state, said("ask_said", "what did i say")).state
    assert answered(state, said("ask_name", "who am i")).reply == "Your name is Anna."
    assert answered(state, said("ask_kept", "", "number")).reply == "The number is 47."
    assert answered(state, said("ask_kept", "", "")).reply == "The colour is red."
    assert answered(state, said("ask_kept", "", "day")).reply == "You have not told me a day."


@pytest.mark.parametrize(
    ("before", "reply"),
    [
        ((), "You have not said anything before."),
        (("hello", ""), "You said nothing."),
        (("hello",), "You said: hello."),
        (("where is the castle",), "I did not understand what you said."),
    ],
)
def test_the_last_words_are_told(before: tuple[str, ...], reply: str) -> None:
    assert answered(State(said=before), said("ask_said", "what did i say")).reply == reply


def test_follow_ups_and_corrections_are_true_step_by_step() -> None:
    intents = ("memory_follow", "memory_double", "memory_half", "memory_correct")
    r = random.Random(5)
    for _ in range(150):
        a, b = r.randrange(100), r.randrange(100)
        state = State(last=Sum(f"{a}+{b}", a + b))
        for _ in range(8):
            rule = memory.RULES[r.choice(intents)]
            state = replace(state, cut=r.random() < 0.3)
            found = rule.answer(state, rule.make(r))
            for expression, result in STEP.findall("\n".join(found.steps)):
                assert value(expression) == int(result), found.steps
            state = found.state
            assert state.last
            assert value(state.last.shown) == state.last.result
            if " is " in found.reply and found.reply[-2].isdigit():
                told = found.reply.removesuffix(".").split(" is ")[1].replace("minus ", "-")
                assert int(told) == state.last.result
                assert found.steps[-1].endswith(str(abs(state.last.result)))


def test_a_broken_reply_is_worked_out_again() -> None:
    state = State(last=Sum("27+50", 77))
    whole = answered(state, follow("+", 3))
    cut = answered(replace(state, cut=True), follow("+", 3))
    assert whole.steps[0] == "before: 77"
    assert cut.steps[0] == "before 27+50: 7+0=7, 2+5=7, 77"
    assert whole.reply == cut.reply == "77 plus 3 is 80."


@pytest.mark.parametrize(
    ("last", "now", "reply"),
    [
        ("27+50", "27+15", "27 plus 15 is 42."),
        ("12+30-5", "12+30-15", "12 plus 30 minus 15 is 27."),
        ("9-4", "9-15", "9 minus 15 is minus 6."),
        ("-8+3", "-8+15", "Minus 8 plus 15 is 7."),
        ("45*99", "45*15", "45 times 15 is 675."),
    ],
)
def test_a_correction_replaces_the_last_number(last: str, now: str, reply: str) -> None:
    found = answered(State(last=Sum(last, value(last))), said("correct", "no i said fifteen", "15"))
    assert found.steps[0] == f"before: {last}, now {now}"
    assert found.reply == reply
    assert found.state.last == Sum(now, value(now))


@pytest.mark.parametrize("last", [None, Sum("half of 8", 4), Sum("8/2", 4), Sum("2+3*4", 14)])
def test_nothing_to_correct_is_said(last: Sum | None) -> None:
    found = answered(State(last=last), said("correct", "no i said fifteen", "15"))
    assert found.reply == memory.NO_NUMBER
    assert found.state.last == last


def test_a_result_too_large_is_not_gone_on_from() -> None:
    found = answered(State(last=Sum("99*99", 9801)), follow("+", 1))
    assert found.reply == "9801 is too large for me."
