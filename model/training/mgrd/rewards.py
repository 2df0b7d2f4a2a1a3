"""Verified rewards, what they are compared with, and which questions can teach anything.

Source: Step-Audio-R1 (arXiv 2511.15848), 4.3: audio 0.8 for a right answer + 0.2 for reasoning, text 1 or 0,
a clipped policy gradient without KL. The paper's critic (PPO) is left out: with γ = λ = 1 and one reward at
the end, all that a critic tells is what a question is worth on average, and the mean over the chains of one
question (GRPO, arXiv 2402.03300) tells that without a second network. It is not divided by the group's
deviation, which would favour questions that are nearly always, or nearly never, answered rightly
(arXiv 2503.20783). Pure numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

RIGHT, REASONING = 0.8, 0.2
LOWEST, HIGHEST, OF = 3, 6, 8  # right answers among so many chains


def reward(right: bool, thinking: str, spoken: bool, reasoning: float = REASONING) -> float:
    """Of one chain. `reasoning`: what any thought at all is worth where there is something to hear."""
    if not spoken:
        return float(right)
    return (1.0 - reasoning) * right + reasoning * bool(thinking.strip())


def advantages(rewards: Sequence[float]) -> list[float]:
    """Of the chains of one question: the reward over the group's mean."""
    mean = sum(rewards) / len(rewards)
    return [one - mean for one in rewards]


def learnable(right: int, of: int = OF) -> bool:
    """Neither known nor hopeless: 3 to 6 of 8 chains are right."""
    return LOWEST * of <= right * OF <= HIGHEST * of


def always_failed(right: int, of: int = OF) -> bool:
    """No chain is right: what the paper found to make a training collapse."""
    return right == 0 and of > 0
