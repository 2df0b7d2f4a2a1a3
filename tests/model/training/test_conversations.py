"""Rows of training conversations: what is seen, what is predicted, and what the live prompt would hold."""

from __future__ import annotations

import random

import pytest
import torch

from model.prompt import Prompt
from model.training import tokenizer
from model.training.conversations import IGNORE, TRUNK, Maker, Row, Speaking, Writer, batch, replies
from model.training.train import prompt_of
from model.training.world import Utterance, of_intent


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return prompt_of(tokenizer.build(tokenizer.words()))


@pytest.fixture(scope="module")
def row(prompt: Prompt) -> Row:
    return Maker(prompt, None).row(900, random.Random(1), lambda r: 3, text=True)


def test_a_label_is_the_next_token_of_its_branch(row: Row) -> None:
    for i, label in enumerate(row.labels):
        if label != IGNORE:
            assert row.branches[i] == row.branches[i + 1] != TRUNK
            assert label == row.ids[i + 1]


def test_positions_count_what_a_token_sees(row: Row) -> None:
    bias = batch([row], 0).bias[0, 0]
    seen = (bias == 0).sum(-1) - 1
    assert torch.equal(seen, torch.tensor(row.positions))


def test_the_trunk_sees_no_branch(row: Row) -> None:
    allowed = batch([row], 0).bias[0, 0] == 0
    branches = torch.tensor(row.branches)
    assert not allowed[branches == TRUNK][:, branches != TRUNK].any()


def test_the_trunk_holds_past_replies_without_thoughts(prompt: Prompt, row: Row) -> None:
    tokens = zip(row.ids, row.branches, row.conversations, strict=True)
    first = [token for token, branch, conversation in tokens if branch == TRUNK and conversation == 1]
    assert not contains(first, prompt.encode("<think>"))
    assert contains(first, [prompt.bot, *prompt.encode("assistant\n")])


def test_sounds_that_are_written_out_are_thought_about(prompt: Prompt) -> None:
    said: list[Utterance] = []

    def draw() -> Utterance:
        said.append(of_intent(len(said), "tones_pitch"))
        return said[-1]

    row = Maker(prompt, None).asked(320, random.Random(1), draw)
    assert not row.heard and len(said) > 1
    for number, one in enumerate(said, 1):
        here = [i for i, conversation in enumerate(row.conversations) if conversation == number]
        assert contains([row.ids[i] for i in here], prompt.human_text(one.sounded))
        learned = [row.labels[i] for i in here if row.labels[i] != IGNORE]
        assert contains(learned, prompt.encode(f"the {one.args[1]} tone")[-2:])


def contains(ids: list[int], wanted: list[int]) -> bool:
    return any(ids[i : i + len(wanted)] == wanted for i in range(len(ids)))


def test_a_budget_leaves_a_beginning_and_the_whole_reply(prompt: Prompt) -> None:
    writer = Writer(prompt)
    for seed in range(60):
        replies(writer, Speaking("heard: hello", "Hello!", 0.0), 0, random.Random(seed), thinking=0.9)
    row, reply = writer.row, [*prompt.encode("Hello!"), prompt.eot]
    branches: dict[int, list[int]] = {}
    for i, branch in enumerate(row.branches):
        branches.setdefault(branch, []).append(i)
    learned = [[row.labels[i] for i in at if row.labels[i] != IGNORE] for at in branches.values()]
    cut = [at for at, labels in zip(branches.values(), learned, strict=True) if labels == reply]
    assert cut and len(cut) < len(learned)
    end = prompt.encode("\n</think>\n")
    assert all(contains([row.ids[i] for i in at], end) for at in cut)
