"""What is learned stands behind what is served: the same tokens, the same odds, the same checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.training.mgrd.learning import totals
from model.training.mgrd.policy import Lesson, Policy
from model.training.mgrd.questions import Question, typed

SAID = "heard: hello\n</think>\nHello!", "count: 1 2\n</think>\nThere were 2 beeps."


def lessons(policy: Policy, questions: list[Question], weight: float = 1.0) -> list[Lesson]:
    return [
        Lesson(question, (*policy.prompt.encode(text), policy.prompt.eot), weight=weight * (i + 1))
        for question in questions
        for i, text in enumerate(
            ("heard: hello\n</think>\nHello!", "count: 1 2\n</think>\nThere were 2 beeps.")
        )
    ]


def test_packed_replies_are_as_likely_as_each_alone(policy: Policy, spoken: list[Question]) -> None:
    """Rows with many replies behind many prompts, against one prompt and one reply in a row of their own."""
    asked = [*spoken, *typed(3, "policy")]
    every = lessons(policy, asked)
    laid = policy.laid(every)
    with torch.inference_mode():
        told = policy(laid.rows)[0]
        sums = torch.zeros(len(every)).index_add(0, laid.lessons, told)
        for i, (lesson, head) in enumerate(
            zip(every, [h for h in policy.opened(policy.heads(asked)) for _ in range(2)], strict=True)
        ):
            x = torch.cat([head, policy.embedded(lesson.ids)])[None]
            logits = policy.model(x)[0, len(head) - 1 : -1] @ policy.model.embed_tokens.weight.T
            ids = torch.tensor(lesson.ids)
            alone = logits.log_softmax(-1).gather(1, ids[:, None]).sum()
            assert float(sums[i]) == pytest.approx(float(alone), rel=1e-3, abs=1e-3)


def test_every_token_has_the_weight_of_its_lesson(policy: Policy, spoken: list[Question]) -> None:
    every = lessons(policy, spoken, 0.5)
    laid = policy.laid(every)
    assert len(laid.weights) == len(laid.lessons) == sum(len(lesson.ids) for lesson in every)
    for i, lesson in enumerate(every):
        mine = laid.weights[laid.lessons == i]
        assert len(mine) == len(lesson.ids) and bool((mine == lesson.weight).all())


def test_better_and_worse_are_told_apart(policy: Policy, spoken: list[Question]) -> None:
    every = lessons(policy, spoken)
    pairs = list(zip(every[0::2], every[1::2], strict=True))
    with torch.inference_mode():
        better, worse = totals(policy, pairs)
        other_worse, other_better = totals(policy, [(b, a) for a, b in pairs])
    assert better == pytest.approx(other_better, rel=1e-3) and worse == pytest.approx(other_worse, rel=1e-3)


def test_only_the_decoder_learns_and_the_checkpoint_is_whole(policy: Policy, tmp_path: Path) -> None:
    assert all(not p.requires_grad for p in policy.adapter.parameters())
    with torch.no_grad():
        policy.model.norm.weight.add_(1.0)
    policy.write(tmp_path)
    checkpoint.check(tmp_path)
    before, after = (checkpoint.load(f).state_dict() for f in (checkpoint.NANO, tmp_path))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"model.norm.weight"}
    again = Policy(tmp_path)
    assert torch.allclose(again.model.norm.weight, policy.model.norm.weight, atol=1e-2)


def test_thoughts_and_reply_are_parted(policy: Policy) -> None:
    ids = policy.prompt.encode("heard: hello\n</think>\nHello!")
    assert policy.read(ids) == ("heard: hello", "Hello!")
    assert policy.read(policy.prompt.encode("Hello!"), thinking=False) == ("", "Hello!")
    assert policy.read(policy.prompt.encode("heard: hel")) == ("heard: hel", "")
