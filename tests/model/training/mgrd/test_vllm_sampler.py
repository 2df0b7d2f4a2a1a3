"""Chains through stock vLLM: as many as asked for, each of its own question, heard and typed."""

from __future__ import annotations

import numpy as np

from model import checkpoint
from model.config import audio_tokens
from model.training.mgrd.chains import judged
from model.training.mgrd.policy import Lesson, Policy
from model.training.mgrd.questions import Question, typed
from model.training.mgrd.vllm_sampler import _prompt, vllm_chains, windows


def test_windows_are_those_of_a_live_session() -> None:
    samples = (np.random.default_rng(0).standard_normal(48_000) * 3000).astype(np.int16)
    parts = windows(samples, 80)
    assert len(parts) > 2
    assert [w.start for _, w in parts][1:] == [w.stop for _, w in parts][:-1]
    assert parts[-1][1].stop == audio_tokens(len(samples))
    assert all(mel.shape == (80, w.end - w.first) for mel, w in parts)


def test_a_prompt_holds_audio_where_it_is_heard(policy: Policy, spoken: list[Question]) -> None:
    ids, heard = _prompt(policy, spoken[0], 80)
    patches = [i for i, token in enumerate(ids) if token == policy.prompt.audio_patch]
    assert patches == [i for offset, tokens, *_ in heard for i in range(offset, offset + tokens)]
    ((row, _),) = policy.rows([Lesson(spoken[0], (policy.prompt.eot,))])
    assert [*ids, policy.prompt.eot] == row.ids  # the same prompt as where chains are learned
    text, nothing = _prompt(policy, typed(1, "vllm")[0], 80)
    assert nothing == [] and policy.prompt.audio_patch not in text


def test_vllm_thinks_of_each_question(spoken: list[Question]) -> None:
    asked = [*typed(3, "vllm"), spoken[0]]
    found = vllm_chains(checkpoint.NANO, asked, 4, seed=1)
    assert [len(group) for group in found] == [4] * 4
    policy = Policy(checkpoint.NANO)
    chains = [judged(policy, q, one) for q, group in zip(asked, found, strict=True) for one in group]
    assert all(chain.sampled.ended and chain.reply for chain in chains)
    assert sum(chain.kept.right for chain in chains[:12]) >= 6  # nano is right about typed questions mostly
