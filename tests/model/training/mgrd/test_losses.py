"""The gradient goes where it should, and no further than the clip."""

from __future__ import annotations

import math

import torch

from model.training.mgrd.losses import clipped, preference


def gradient(new: float, old: float, advantage: float) -> float:
    told = torch.tensor([new], requires_grad=True)
    clipped(told, torch.tensor([old]), torch.tensor([advantage])).backward()  # type: ignore[no-untyped-call]
    assert told.grad is not None
    return float(told.grad)


def test_better_chains_become_likelier_and_worse_ones_less() -> None:
    assert gradient(-1.0, -1.0, 0.5) < 0 < gradient(-1.0, -1.0, -0.5)


def test_beyond_the_clip_nothing_is_gained() -> None:
    assert gradient(math.log(0.5), math.log(0.4), 1.0) == 0.0  # a ratio of 1.25, already better
    assert gradient(math.log(0.3), math.log(0.4), -1.0) == 0.0  # of 0.75, already worse
    assert gradient(math.log(0.3), math.log(0.4), 1.0) < 0.0  # gone the wrong way: it may come back
    assert gradient(math.log(0.5), math.log(0.4), -1.0) > 0.0


def test_preference_is_against_where_it_began() -> None:
    better, worse = torch.tensor([-2.0]), torch.tensor([-1.0])
    at_first = float(preference(better, worse, better, worse))
    assert at_first == float(torch.tensor(2.0).log())
    assert float(preference(better + 1, worse - 1, better, worse)) < at_first
    assert float(preference(better - 1, worse + 1, better, worse)) > at_first
