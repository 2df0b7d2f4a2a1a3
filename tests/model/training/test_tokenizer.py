"""The tokenizer gives any text back, and keeps digits and the template's parts apart."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer

from model.prompt import SPECIAL
from model.training import tokenizer, world
from model.training.world import tools

PARTS = (
    "a",
    "é",
    " ",
    "  ",
    "▁",
    "\n",
    "\r",
    "\t",
    "<0x41>",
    "日本",
    "🎉",
    "\x00",
    "27",
    "is",
    "What",
    " plus",
    "\u0301",
)


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return tokenizer.build(tokenizer.words())


def encode(words: Tokenizer, text: str) -> list[str]:
    return list(words.encode(text, add_special_tokens=False).tokens)


def test_any_text_comes_back(words: Tokenizer) -> None:
    r = random.Random(0)
    for _ in range(3000):
        text = "".join(r.choices(PARTS, k=r.randrange(12)))
        ids = words.encode(text, add_special_tokens=False).ids
        assert words.decode(ids, skip_special_tokens=False) == text


def test_digits_stand_alone(words: Tokenizer) -> None:
    assert encode(words, "27+5") == ["2", "7", "+", "5"]
    assert not [
        t for t in words.get_vocab() if any(c.isdigit() for c in t) and len(t) > 1 and not t.startswith("<0x")
    ]


def test_thoughts_and_roles_are_pieces(words: Tokenizer) -> None:
    found = encode(words, "assistant\n<think>\n\n</think>\n")
    assert found == ["assistant", "\n", "<think>", "\n", "\n", "</think>", "\n"]


def test_a_common_word_is_one_piece(words: Tokenizer) -> None:
    known = set(tokenizer.words())
    for seed in range(200):
        said = world.utterance(seed).words.split()
        if said and set(said) <= known:
            assert len(encode(words, " " + " ".join(said))) == len(said)


def test_a_tool_is_few_pieces(words: Tokenizer) -> None:
    assert len(encode(words, tools.schemas(("set_timer",)))) <= 20


def test_no_piece_joins_text_across_a_line(words: Tokenizer) -> None:
    left, right = "heard: hello", "\nHello!"
    assert encode(words, left + right) == encode(words, left) + encode(words, right)


def test_special_tokens_are_there(words: Tokenizer) -> None:
    assert all(len(encode(words, name)) == 1 for name in (*SPECIAL, *tokenizer.OTHER_SPECIAL))
