"""Chains of the current model, sampled once a stage, judged, and kept in a file that can be read.

`torch_chains` samples with what the adaptor sees of a question, `vllm_sampler.vllm_chains` with the samples
themselves, as a served model would. Knows no weights' learning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from model.training.mgrd import filters
from model.training.mgrd.filters import Kept
from model.training.mgrd.policy import Policy
from model.training.mgrd.questions import Question
from model.training.mgrd.sampler import Sampled, sample

# A checkpoint's folder, questions, chains of each, seed.
Sampler = Callable[[Path, Sequence[Question], int, int], list[list[Sampled]]]


@dataclass(frozen=True, eq=False)
class Chain:
    """One sampled chain with its reply; `kept` is what the filters say."""

    question: Question
    sampled: Sampled
    thinking: str
    reply: str
    kept: Kept


def torch_chains(folder: Path, questions: Sequence[Question], count: int, seed: int) -> list[list[Sampled]]:
    policy = Policy(folder)
    prompts = policy.opened(policy.heads(questions))
    return sample(policy, prompts, count, policy.prompt.eot, torch.Generator().manual_seed(seed))


def sampled(
    path: Path, folder: Path, questions: Sequence[Question], count: int, seed: int, sampler: Sampler
) -> list[Chain]:
    """`count` chains of each question, from the file where they are there already."""
    if not path.exists():
        groups = sampler(folder, questions, count, seed)
        half = path.with_suffix(".tmp")
        with half.open("w") as file:
            for question, group in zip(questions, groups, strict=True):
                found = [[list(one.ids), one.ended] for one in group]
                file.write(json.dumps({"question": question.name, "chains": found}) + "\n")
        half.rename(path)
    policy = Policy(folder)
    of_name = {question.name: question for question in questions}
    return [
        judged(policy, of_name[line["question"]], Sampled(tuple(ids), ended))
        for line in map(json.loads, path.read_text().splitlines())
        for ids, ended in line["chains"]
    ]


def judged(policy: Policy, question: Question, one: Sampled) -> Chain:
    thinking, reply = policy.read(one.ids)
    kept = filters.judged(question.said, question.expected, thinking, reply)
    return Chain(question, one, thinking, reply, kept if one.ended else Kept(False, False, False))


def passes(chains: Sequence[Chain]) -> dict[str, int]:
    """How many chains of each question end right."""
    found = {chain.question.name: 0 for chain in chains}
    for chain in chains:
        found[chain.question.name] += chain.kept.right
    return found


def figures(chains: Sequence[Chain]) -> dict[str, float]:
    """Shares of the chains that pass each filter, and all; and that reason over the words alone."""
    n = max(1, len(chains))
    found = {name: sum(getattr(c.kept, name) for c in chains) / n for name in (*Kept._fields, "all")}
    found["only words"] = sum(filters.only_words(c.thinking) for c in chains) / n
    return {"chains": len(chains), **{name: round(share, 4) for name, share in found.items()}}
