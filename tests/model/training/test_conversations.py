"""Rows of training conversations: what is seen, what is predicted, and what the live prompt would hold."""

from __future__ import annotations

import random

import pytest
import torch

from model.prompt import Prompt
from model.training import conversations, tokenizer
from model.training.conversations import IGNORE, TRUNK, Maker, Row, batch
from model.training.train import prompt_of


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return prompt_of(tokenizer.build())


@pytest.fixture(scope="module")
def row(prompt: Prompt) -> Row:
    return Maker(prompt, None, None).row(900, random.Random(1), lambda r: 3, text=True)


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


def test_the_trunk_holds_past_replies_without_thoughts(row: Row) -> None:
    words = tokenizer.build()
    first = [
        t for t, b, c in zip(row.ids, row.branches, row.conversations, strict=True) if b == TRUNK and c == 1
    ]
    text = words.decode(first, skip_special_tokens=False)
    assert "<think>" not in text
    assert text.count("<|BOT|>assistant") >= 1


def test_an_interrupted_reply_is_a_beginning(prompt: Prompt) -> None:
    r = random.Random(0)
    assert all("a b c d".startswith(conversations.past_reply("a b c d", r)) for _ in range(50))
