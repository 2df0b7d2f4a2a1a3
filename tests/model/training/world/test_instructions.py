"""Instructions: the text says what the state holds, and replies obey it."""

from __future__ import annotations

import random

import pytest

from model.training.world import instructions
from model.training.world.core import Answer, Call, State


@pytest.mark.parametrize("held_out", [False, True])
def test_the_text_says_what_the_state_holds(held_out: bool) -> None:
    r = random.Random(1)
    for _ in range(500):
        found = instructions.setting(r, held_out)
        text, state = found.text, found.state
        assert (state.me in text) or state.me == "nano"
        assert state.language in text
        assert (state.style == "word") == ("one word" in text.lower())
        assert (state.style == "sentence") == ("sentences" in text.lower())


def test_held_out_phrases_come_only_there() -> None:
    r = random.Random(2)
    trained = {instructions.setting(r).text for _ in range(3000)}
    held_out = {instructions.setting(r, held_out=True).text for _ in range(300)}
    assert "" in trained
    assert instructions.NANO in trained
    assert not trained & held_out


def test_a_reply_obeys() -> None:
    answer, after = Answer("The sum is 42.", brief="42."), State(said=("hello",))
    assert instructions.obeyed(State(), answer, after).reply == "The sum is 42."
    assert instructions.obeyed(State(style="word"), answer, after).reply == "42."
    assert instructions.obeyed(State(style="word"), Answer("Hello!"), after).reply == "Hello!"
    french = instructions.obeyed(State(language="French", style="word"), answer, after)
    assert french.reply == "I only speak English. 42."
    assert french.state == after


def test_a_call_stays_as_it_is() -> None:
    answer = Answer("", call=Call("set_timer", {"minutes": 5}))
    found = instructions.obeyed(State(language="French", style="word"), answer, State())
    assert (found.reply, found.call) == ("", answer.call)
