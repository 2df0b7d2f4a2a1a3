"""Stages of learning: each moves what it should, and one that was stopped goes on where it was."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.training.mgrd import learning
from model.training.mgrd.learning import Reinforced, Stage, preferred, reinforced, supervised, totals
from model.training.mgrd.policy import Lesson, Policy
from model.training.mgrd.questions import Question, typed
from model.training.mgrd.sampler import Sampled


def lesson(policy: Policy, question: Question, text: str) -> Lesson:
    return Lesson(question, (*policy.prompt.encode(text), policy.prompt.eot))


def likelihood(policy: Policy, one: Lesson) -> float:
    with torch.inference_mode():
        return float(totals(policy, [(one, one)])[0])


def test_what_is_shown_becomes_likelier_also_after_a_stop(spoken: list[Question], tmp_path: Path) -> None:
    def stage(name: str) -> tuple[Stage, Lesson]:
        policy = Policy(checkpoint.NANO)
        return Stage("learn", policy, tmp_path / name, 4, 1e-3), lesson(
            policy, spoken[0], "order: noise\nHa."
        )

    def learn(stage: Stage, one: Lesson, stop: int | None = None) -> None:
        stage.go(supervised(stage, lambda r: [one], lambda r: []), tmp_path / "log.jsonl", stop)

    whole, one = stage("whole.pt")
    before = likelihood(whole.policy, one)
    learn(whole, one)
    assert likelihood(whole.policy, one) > before + 1
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [
        1,
        2,
        3,
        4,
    ]

    first, one = stage("stopped.pt")
    learn(first, one, stop=2)
    second, one = stage("stopped.pt")
    assert second.step == 2
    learn(second, one)
    for a, b in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_better_chains_of_a_question_become_likelier(
    policy: Policy, spoken: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two chains of each question, one that ends right and one that does not."""
    asked = spoken[:2]
    texts = {
        question.name: (f"count: 1\n</think>\n{question.expected.reply}", "count: 1\n</think>\nHello!")
        for question in asked
    }

    def sampled(policy: Policy, prompts: list[torch.Tensor], *rest: object, **limits: int) -> object:
        order = {len(p): None for p in prompts}
        assert order
        return [
            [Sampled(tuple(policy.prompt.encode(text)), True) for text in texts[name]] for name in drawn.pop()
        ]

    drawn: list[list[str]] = []
    heads = policy.heads

    def noted(questions: list[Question]) -> list[torch.Tensor]:
        drawn.append([question.name for question in questions])
        return heads(questions)

    monkeypatch.setattr(policy, "heads", noted)
    monkeypatch.setattr(learning, "sample", sampled)
    right, wrong = ([lesson(policy, q, texts[q.name][i]) for q in asked] for i in (0, 1))
    before = [[likelihood(policy, one) for one in group] for group in (right, wrong)]
    stage = Stage("rl", policy, tmp_path / "rl.pt", 3, 1e-4)
    stage.go(reinforced(stage, asked, Reinforced(2, 2)), tmp_path / "log.jsonl")
    after = [[likelihood(policy, one) for one in group] for group in (right, wrong)]
    for i in range(2):
        assert after[0][i] - before[0][i] > after[1][i] - before[1][i]
    told = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert told["right"] == 0.5 and told["reward"] == pytest.approx(0.6) and told["acoustic"] == 1.0


def test_alike_chains_teach_nothing(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        learning,
        "sample",
        lambda policy, prompts, count, *_, **__: [[Sampled((5,), True)] * count] * len(prompts),
    )
    before = [p.clone() for p in policy.parameters()]
    stage = Stage("rl", policy, tmp_path / "rl.pt", 1, 1e-2)
    stage.go(reinforced(stage, typed(3, "alike"), Reinforced(2, 4)), tmp_path / "log.jsonl")
    assert all(torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_a_reply_comes_to_be_preferred(policy: Policy, spoken: list[Question], tmp_path: Path) -> None:
    pairs = [
        (
            lesson(policy, q, "\n</think>\nYes, I can hear you."),
            lesson(policy, q, "\n</think>\nI only see text."),
        )
        for q in spoken
    ]
    with torch.inference_mode():
        better, worse = totals(policy, pairs)
    first = list(zip(better.tolist(), worse.tolist(), strict=True))
    stage = Stage("dpo", policy, tmp_path / "dpo.pt", 4, 1e-4)
    one = preferred(stage, pairs, first, 4)
    stage.go(one, tmp_path / "log.jsonl")
    with torch.inference_mode():
        margin = (totals(policy, pairs)[0] - totals(policy, pairs)[1]) - (better - worse)
    assert bool((margin > 0).all())
    assert one(random.Random(0))["preferred"] == 1.0
