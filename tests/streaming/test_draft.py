"""Thoughts about the beginning of what is said: as many are kept as hold, in whole words."""

from __future__ import annotations

import pytest

from streaming.context import Context
from streaming.draft import agreed, held, words_within
from streaming.engine import Likelihood
from streaming.errors import EngineUnavailable
from tests.scripted import ScriptedEngine, prompt

QUESTION = Context.of(prompt().human_text("one plus one"))


def test_a_greedy_model_keeps_what_it_would_have_thought() -> None:
    told = [Likelihood(0.4, 1), Likelihood(0.9, 1), Likelihood(0.45, 2), Likelihood(0.9, 1)]
    assert held(told, 0.0) == 2
    assert held(told[:2], 0.0) == 2 and held([], 0.0) == 0


def test_one_that_is_sampled_keeps_what_is_likely_enough() -> None:
    told = [Likelihood(0.4, 2), Likelihood(0.05, 1), Likelihood(0.05, 3), Likelihood(0.9, 1)]
    assert held(told, 0.7) == 2


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        (0, ""),
        (5, ""),
        (6, "heard:"),
        (9, "heard:"),
        (10, "heard: two"),
        (14, "heard: two"),
        (99, "heard: two"),
    ],
)
def test_whole_words_are_kept_and_never_the_last(tokens: int, kept: str) -> None:
    assert words_within("heard: two\n1+1", tokens, lambda text: list(text.encode())) == kept


def test_tokens_that_are_cut_otherwise_in_less_text_are_not_kept() -> None:
    """Where two words have one token together, neither is known without the other."""

    def encode(text: str) -> list[int]:
        return list(text.replace("b c", "X").encode())

    assert words_within("a b c d", 3, encode) == "a b c"
    assert words_within("a b c d", 2, encode) == "a"
    assert words_within("", 9, encode) == ""


async def test_it_is_checked_where_it_would_stand() -> None:
    engine = ScriptedEngine()
    seen: list[Context] = []

    def holds(context: Context, draft: str) -> int:
        seen.append(context)
        return len("heard: one")

    engine.holds = holds
    assert await agreed(engine, QUESTION, "heard: one plus") == "heard: one"
    assert seen == [QUESTION + Context.of(engine.prompt.assistant_open(True))]


async def test_without_an_engine_nothing_holds() -> None:
    engine = ScriptedEngine()
    engine.alive = False
    assert await agreed(engine, QUESTION, "heard: one plus") == ""
    with pytest.raises(EngineUnavailable):
        await engine.likelihoods(QUESTION, [1])
