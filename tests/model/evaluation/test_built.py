"""The built-in cases: the same each time, with the world's answers, conversations and tools."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np

from model.evaluation import built
from model.evaluation.case import Case, Clip
from model.evaluation.clips import Said
from model.training import world
from model.training.world.core import Utterance

NONE = np.zeros(0, np.int16)


@cache
def clips() -> tuple[Said, ...]:
    """Utterances of the tests, without their sound."""
    found = []
    for family in world.FAMILIES:
        for i in range(40):
            said = world.utterance(f"test {i}", family, held_out=True)
            found.append(Said(said, Clip(said.words, "espeak/en-us+Andy", NONE), f"{family} test {i}"))
    return tuple(found)


def facts(cases: list[Case]) -> list[object]:
    return [(c.name, c.intent, c.reply, c.call, c.told, [(b.said, b.reply) for b in c.before]) for c in cases]


def test_families() -> None:
    cases = built.families(clips(), 30)
    assert facts(cases) == facts(built.families(clips(), 30))
    assert len({c.name for c in cases}) == len(cases)
    assert {c.family for c in cases} == set(built.FAMILIES)
    for case in cases:
        assert (case.call is None) == bool(case.reply)
        assert (case.family == "conflict") == case.intent.startswith("conflict_")
        assert case.refusal == (case.family == "unknown") == (not case.transcript)
    numbers = [c for c in cases if c.intent == "sum"]
    assert numbers and all(c.reply.endswith(f" {c.number}.") for c in numbers)


def test_memory_has_a_past() -> None:
    cases = built.families(clips(), 40, ["memory"])
    assert {len(c.before) for c in cases} <= set(range(1, built.MOST_TURNS))
    assert all(b.reply for c in cases for b in c.before)
    assert {bool(b.clip) for c in cases for b in c.before} == {True, False}
    follow = [c for c in cases if c.intent == "memory_follow" and c.number is not None]
    assert follow and all(c.before for c in follow)


def test_tools() -> None:
    cases = built.families(clips(), 40, ["tools"])
    called = [c for c in cases if c.call]
    assert len(cases) > len(called) > len(cases) / 2
    for case in called:
        assert case.call and case.call.name in [t["function"]["name"] for t in json.loads(case.schemas)]
        assert case.result and case.told
    assert all(c.reply.startswith("I ") for c in cases if not c.call)


def test_other_suites() -> None:
    three = built.efforts(clips(), 5)
    assert [c.effort for c in three[::5]] == ["none", "short", "medium", "long"]
    assert {c.intent for c in three} == {"three"}
    asked = built.prompts(clips(), 50)
    assert len({c.instructions for c in asked}) > 10
    clean = built.families(clips(), 10)
    noisy = built.spoiled(clean, "noise", 4)
    assert {c.condition for c in noisy} == {"noise"}
    assert {c.family for c in noisy} == set(built.SPOILED) and len(noisy) == 4 * len(built.SPOILED)
    told = {c.name for c in built.families(clips(), 10, ["sequences"]) if c.intent == "digits"}
    more = {c.name for c in built.digits(clips(), 10)}
    assert not told & more and len(told | more) == 10
    read = [s for s in clips() if s.utterance.intent == "digits"]
    one = Utterance("sequences", "digits", "seven", "", ("7",))
    apart = built.apart([*read, replace(read[0], utterance=one)])
    assert {(c.suite, len(c.reply) > 2) for c in apart} == {("apart", True), ("alone", False)}
