"""One stage of learning: supervised, by reward, or by preference; stopped and gone on with at any step.

What a step asks and samples follows from the stage's name and the step's number alone, also in a run that was
stopped; what it rehearses beside is drawn anew. The state on disk has weights, optimiser and step. Knows no
order of stages.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.training.conversations import Row
from model.training.mgrd import losses, rewards
from model.training.mgrd.filters import acoustic, right
from model.training.mgrd.policy import Lesson, Policy
from model.training.mgrd.questions import Question
from model.training.mgrd.sampler import Sampled, sample
from model.training.train import END_WEIGHT

WARM_UP = 10  # steps
SAVE_EVERY = 60  # seconds
PASSES = 2  # of the gradient over what was sampled once
LONGEST = 96  # tokens of a sampled chain with its reply
Figures = dict[str, float]


@dataclass(frozen=True)
class Reinforced:
    """How learning by reward samples: so many chains of so many questions a step."""

    questions: int = 8
    chains: int = 8
    reasoning: float = rewards.REASONING  # what reasoning is worth


class Stage:
    """`name` seeds all chance. A state on disk goes before the policy's weights."""

    def __init__(self, name: str, policy: Policy, state: Path, steps: int, rate: float) -> None:
        self.name, self.policy, self.state = name, policy, state
        self.steps, self.rate = steps, rate
        parameters = [p for p in policy.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.step = 0
        if state.exists():
            kept = torch.load(state, weights_only=True)
            policy.load_state_dict(kept["policy"])
            self.optimizer.load_state_dict(kept["optimizer"])
            self.step = kept["step"]

    def go(self, one: Callable[[random.Random], Figures], log: Path, stop: int | None = None) -> None:
        """Steps of `one` to the end, or to step `stop`; the state is saved on the way, figures are logged."""
        saved = time.monotonic()
        while self.step < min(self.steps, self.steps if stop is None else stop):
            torch.manual_seed(self.step)
            share = min(1.0, (self.step + 1) / WARM_UP) * max(0.05, 1 - self.step / self.steps)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * share
            figures = one(random.Random(f"{self.name} {self.step}"))
            self.step += 1
            with log.open("a") as file:
                line = {"stage": self.name, "step": self.step, **{k: round(v, 4) for k, v in figures.items()}}
                file.write(json.dumps(line) + "\n")
            if time.monotonic() - saved > SAVE_EVERY:
                self.save()
                saved = time.monotonic()
        self.save()

    def save(self) -> None:
        kept = {
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        half = self.state.with_suffix(".tmp")
        torch.save(kept, half)
        half.rename(self.state)

    def descend(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()


def supervised(
    stage: Stage,
    lessons: Callable[[random.Random], Sequence[Lesson]],
    beside: Callable[[random.Random], Sequence[Row]],
) -> Callable[[random.Random], Figures]:
    """A step: the likelihood of a draw of lessons, and of rows of what is to be kept."""

    def one(r: random.Random) -> Figures:
        rows = [row for row, _ in stage.policy.rows(lessons(r))]
        text, ends = stage.policy(stage.policy.batch([*rows, *beside(r)]))
        loss = -text.mean() - (END_WEIGHT * ends.mean() if len(ends) else 0.0)
        stage.descend(loss)
        return {"loss": float(-text.detach().mean())}

    return one


def reinforced(
    stage: Stage, questions: Sequence[Question], how: Reinforced
) -> Callable[[random.Random], Figures]:
    """A step: chains of some questions by the policy as it is, and its gradient towards the better ones."""

    def one(r: random.Random) -> Figures:
        policy = stage.policy
        asked = r.sample(list(questions), min(how.questions, len(questions)))
        chance = torch.Generator().manual_seed(r.getrandbits(48))
        prompts = policy.opened(policy.heads(asked))
        groups = sample(policy, prompts, how.chains, policy.prompt.eot, chance, limit=LONGEST)
        lessons: list[Lesson] = []
        told: list[tuple[Question, str, str, float]] = []
        for question, chains in zip(asked, groups, strict=True):
            texts = [policy.read(chain.ids) for chain in chains]
            worth = [
                rewards.reward(
                    right(question.said, question.expected, reply), thinking, question.spoken, how.reasoning
                )
                for thinking, reply in texts
            ]
            told += [(question, *text, w) for text, w in zip(texts, worth, strict=True)]
            if max(worth) > min(worth):
                gains = rewards.advantages(worth)
                lessons += [
                    Lesson(question, closed(policy, chain), weight=gain)
                    for chain, gain in zip(chains, gains, strict=True)
                ]
        _improve(stage, lessons)
        spoken = [thinking for question, thinking, _, _ in told if question.spoken]
        return {
            "reward": sum(w for *_, w in told) / len(told),
            "right": sum(right(q.said, q.expected, reply) for q, _, reply, _ in told) / len(told),
            "tokens": sum(len(policy.prompt.encode(thinking)) for _, thinking, _, _ in told) / len(told),
            "acoustic": sum(map(acoustic, spoken)) / len(spoken) if spoken else 0.0,
        }

    return one


def _improve(stage: Stage, lessons: Sequence[Lesson]) -> None:
    if not lessons:
        return
    laid = stage.policy.laid(lessons)
    with torch.no_grad():
        old = stage.policy(laid.rows)[0]
    for _ in range(PASSES):
        stage.descend(losses.clipped(stage.policy(laid.rows)[0], old, laid.weights))


def closed(policy: Policy, chain: Sampled) -> tuple[int, ...]:
    """With the stop behind, where it came."""
    return (*chain.ids, policy.prompt.eot) if chain.ended else chain.ids


Pair = tuple[Lesson, Lesson]  # the better one first


def preferred(
    stage: Stage, pairs: Sequence[Pair], before: Sequence[tuple[float, float]], count: int
) -> Callable[[random.Random], Figures]:
    """A step: so many pairs. `before`: log-probabilities by the model that the stage began with."""

    def one(r: random.Random) -> Figures:
        chosen = r.sample(range(len(pairs)), min(count, len(pairs)))
        better, worse = totals(stage.policy, [pairs[i] for i in chosen])
        first = torch.tensor([before[i] for i in chosen])
        loss = losses.preference(better, worse, first[:, 0], first[:, 1])
        stage.descend(loss)
        margin = (better - worse - first[:, 0] + first[:, 1]).detach()
        return {"loss": float(loss.detach()), "preferred": float((margin > 0).float().mean())}

    return one


def totals(policy: Policy, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of whole replies: the better ones, and the worse ones."""
    lessons = [lesson for pair in pairs for lesson in pair]
    laid = policy.laid(lessons)
    told = policy(laid.rows)[0]
    sums = told.new_zeros(len(lessons)).index_add(0, laid.lessons, told)
    return sums[0::2], sums[1::2]
