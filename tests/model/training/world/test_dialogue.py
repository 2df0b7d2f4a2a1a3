"""Conversations of the world: what refers has something to refer to, and the history is what was heard."""

from __future__ import annotations

import random

from model.training import world
from model.training.world import dialogue
from model.training.world.dialogue import NEEDS, Course, plan


def test_the_intents_that_are_named_exist() -> None:
    assert {*NEEDS, *(needed for found in NEEDS.values() for needed in found)} <= set(world.RULES)


def test_what_refers_mostly_has_something_before_it() -> None:
    r = random.Random(0)
    plans = [plan(r, 4, last="memory_ask_name") for _ in range(200)]
    assert all(found[-1] == "memory_ask_name" for found in plans)
    assert sum("memory_tell_name" in found for found in plans) > 120


def test_a_broken_off_reply_is_a_beginning_and_the_state_says_so() -> None:
    cut = 0
    for seed in range(100):
        course = Course(random.Random(seed))
        turn = course.turn(world.of_intent(seed, "sum"))
        assert turn.answer.reply.startswith(turn.kept)
        assert course.state.cut == (turn.kept != turn.answer.reply)
        cut += course.state.cut
        course.turn(world.of_intent(seed, "greeting"))
        assert course.state.cut == (turn.kept != turn.answer.reply)
    assert 0 < cut < 50


def test_a_tool_is_called_only_where_it_is_offered() -> None:
    called = 0
    for seed in range(300):
        course = Course(random.Random(seed))
        turn = course.turn(world.utterance(seed, "tools"))
        if turn.call:
            called += 1
            assert turn.call.name in course.offered
            assert turn.result and turn.kept
    assert called > 20


def test_only_what_needs_no_ears_can_be_typed() -> None:
    for seed in range(300):
        said = world.utterance(seed)
        if dialogue.can_be_typed(said):
            assert said.words and said.noted == (said.heard or said.words)
