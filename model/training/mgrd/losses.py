"""What a step of learning minimises, from log-probabilities of tokens. Knows no network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CLIP = 0.2  # Step-Audio-R1, 4.3
BETA = 0.1


def clipped(new: Tensor, old: Tensor, advantages: Tensor, clip: float = CLIP) -> Tensor:
    """PPO's clipped objective, the mean over tokens. `old`: of the policy that sampled them."""
    ratio = (new - old).exp()
    bounded = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * advantages, bounded * advantages).mean()


def preference(
    better: Tensor, worse: Tensor, better_before: Tensor, worse_before: Tensor, beta: float = BETA
) -> Tensor:
    """Direct preference optimisation (arXiv 2305.18290): of whole replies, `before` by the model at first."""
    return -F.logsigmoid(beta * ((better - better_before) - (worse - worse_before))).mean()
