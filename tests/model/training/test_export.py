"""The mixture of two trainings' weights. Whole exports are `make nano`'s."""

from __future__ import annotations

import pytest
import torch

from model.training.export import mixed


@pytest.mark.parametrize(("share", "expected"), [(0.0, 2.0), (0.25, 3.0), (1.0, 6.0)])
def test_a_mixture_lies_between_the_two(share: float, expected: float) -> None:
    before, after = (
        {"model.x": torch.full((2,), 2.0)},
        {"model.x": torch.full((2,), 6.0), "blank": torch.zeros(1)},
    )
    assert mixed(before, after, share)["model.x"].tolist() == [expected] * 2
    assert mixed(before, after, share).keys() == {"model.x"}
