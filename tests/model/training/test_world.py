"""The grammar: every step of every chain is true, and what is held out never comes in training."""

from __future__ import annotations

import operator
import random
import re

import pytest

from model.training import world

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
STEP = re.compile(r"(?<![\d+*-])(\d+(?:[+*-]\d+)+)=(\d+)")
SEEDS = range(400)


def value(expression: str) -> int:
    first, *rest = re.findall(r"[+*-]|\d+", expression)
    total = int(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        total = SIGNS[sign](total, int(number))
    return total


@pytest.mark.parametrize("family", ["sum", "sum3", "difference", "product"])
def test_every_step_and_every_result_is_true(family: str) -> None:
    for seed in SEEDS:
        asked = world.question(seed, family)
        heard, *lines = asked.chain.split("\n")
        assert heard == f"heard: {asked.words}"
        for expression, result in STEP.findall(asked.chain):
            assert value(expression) == int(result), asked.chain
        expected = value(asked.typed.replace(" ", ""))
        shown = int(re.sub(r"^minus ", "-", asked.reply.removesuffix(".").split(" is ")[1]))
        assert shown == expected
        assert lines[-1].split(", ")[-1].split(": ")[-1] == str(abs(expected))


def test_a_comparison_finds_the_right_one() -> None:
    for seed in SEEDS:
        asked = world.question(seed, "comparison")
        a, b = map(int, asked.chain.split("\n")[1].split(":")[0].split(","))
        up = any(f" {word} " in f" {asked.words} " for word in world.BIGGER)
        if asked.reply.startswith(("Yes", "No")):
            assert asked.reply.startswith("Yes") == (a > b if up else a < b)
        elif a != b:
            assert asked.reply.startswith(f"{max(a, b) if up else min(a, b)} is")


def test_what_is_held_out_never_comes_in_training() -> None:
    for family in world.FAMILIES:
        trained = {world.question(seed, family).words for seed in range(3000)}
        tested = {world.question(f"test {seed}", family, held_out=True).words for seed in range(200)}
        assert not trained & tested


def test_a_held_out_pair_of_numbers_is_held_out_in_both_orders() -> None:
    for seed in SEEDS:
        asked = world.question(f"test {seed}", "sum", held_out=True)
        a, b = asked.typed.split(" + ")
        turned = world.Question("sum", "", "", "", f"{min(int(a), int(b))},{max(int(a), int(b))}")
        assert turned.held_out


def test_the_same_seed_gives_the_same_question() -> None:
    assert world.question(7) == world.question(7)


def test_numbers_are_spoken() -> None:
    assert [world.spoken(n) for n in (0, 13, 20, 42, 100)] == [
        "zero",
        "thirteen",
        "twenty",
        "forty two",
        "one hundred",
    ]


def test_a_typed_question_is_never_empty() -> None:
    r = random.Random(0)
    assert all(world.typed(world.question(seed), r).strip() for seed in SEEDS)
