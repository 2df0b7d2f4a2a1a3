"""Rewards as the paper has them, and the questions that can teach anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.mgrd.rewards import advantages, always_failed, learnable, reward


def test_a_right_answer_with_thoughts_is_worth_one() -> None:
    assert reward(True, "voice: high", True) == 1.0
    assert reward(True, "", True) == reward(True, " \n", True) == 0.8
    assert reward(False, "voice: high", True) == pytest.approx(0.2)
    assert reward(False, "", True) == 0.0
    assert [reward(right, "thought", False) for right in (True, False)] == [1.0, 0.0]


def test_reasoning_may_be_worth_nothing() -> None:
    assert reward(True, "", True, 0.0) == 1.0
    assert reward(False, "voice: high", True, 0.0) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=16))
def test_advantages_add_up_to_nothing(rewards: list[float]) -> None:
    found = advantages(rewards)
    assert sum(found) == pytest.approx(0, abs=1e-9)
    assert max(found) - min(found) == pytest.approx(max(rewards) - min(rewards))


def test_neither_known_nor_hopeless() -> None:
    assert [learnable(n) for n in range(9)] == [3 <= n <= 6 for n in range(9)]
    assert [learnable(n, 4) for n in range(5)] == [False, False, True, True, False]
    assert [n for n in range(9) if always_failed(n)] == [0]
