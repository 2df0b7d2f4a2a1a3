"""Sampled chains: as the greedy reference without chance, and by the policy's own odds with it."""

from __future__ import annotations

import torch

from model import checkpoint
from model.evaluation.offline import generate
from model.training.mgrd.policy import Policy
from model.training.mgrd.questions import typed
from model.training.mgrd.sampler import CROWD, batches, sample


def test_without_chance_it_is_the_reference(policy: Policy) -> None:
    prompts = policy.opened(policy.heads(typed(6, "sampler")))
    chance = torch.Generator()
    found = sample(policy, prompts, 1, policy.prompt.eot, chance, temperature=0.0, limit=80)
    network = checkpoint.load(checkpoint.NANO)
    assert [list(group[0].ids) for group in found] == generate(network, prompts, {policy.prompt.eot}, 80)


def test_one_seed_gives_the_same_chains_and_a_limit_ends_them(policy: Policy) -> None:
    prompts = policy.opened(policy.heads(typed(2, "sampler")))
    first, again, other = (
        sample(policy, prompts, 4, policy.prompt.eot, torch.Generator().manual_seed(seed), 3.0, limit=12)
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert [len(group) for group in first] == [4, 4]
    assert all(len(one.ids) == 12 for group in first for one in group if not one.ended)
    assert any(not one.ended for group in first for one in group)


def test_tokens_come_as_often_as_the_policy_has_it(policy: Policy) -> None:
    """The first token of 4 000 chains, at a temperature where several are likely."""
    (prompt,) = policy.opened(policy.heads(typed(1, "odds")))
    with torch.inference_mode():
        hidden = policy.model(prompt[None])[0, -1]
        odds = (policy.model.embed_tokens.weight @ hidden / 6.0).softmax(-1)
    chance = torch.Generator().manual_seed(0)
    (group,) = sample(policy, [prompt], 4000, policy.prompt.eot, chance, temperature=6.0, limit=1)
    first = torch.tensor([one.ids[0] if one.ids else policy.prompt.eot for one in group])
    counted = torch.bincount(first, minlength=len(odds)) / 4000
    likely = odds.topk(3).indices
    assert torch.allclose(counted[likely], odds[likely], atol=0.04)


def test_batches_hold_everything_once_and_are_bounded() -> None:
    lengths = [5, 900, 7, 4000, 6, 8000, 5]
    found = batches(lengths, 3)
    assert sorted(i for batch in found for i in batch) == list(range(7))
    for batch in found:
        assert len(batch) <= 3
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= CROWD
