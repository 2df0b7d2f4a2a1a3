"""The schedule of a load: drawn beforehand, the same with the same seed, in the shares asked for."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest

from server.load.schedule import BREATH, CUTTING, DIAL, Call, Load, Sayable, Shares, schedule

PLAIN, NAME, RECALL, TIMER = range(4)
SAYABLE = [Sayable(2.0), Sayable(1.0), Sayable(1.0, after=NAME), Sayable(1.5, tool=True)]


def turns(calls: list[list[Call]]) -> list[list[tuple[float, int, str]]]:
    return [[(t.at, t.question, t.kind) for call in own for t in call.turns] for own in calls]


def test_the_same_seed_is_the_same_load_and_another_one_is_not() -> None:
    load = Load(5, 60, seed=3)
    assert schedule(load, SAYABLE) == schedule(load, SAYABLE)
    assert schedule(load, SAYABLE) != schedule(Load(5, 60, seed=4), SAYABLE)


def test_turns_are_as_frequent_as_asked_and_never_overlap() -> None:
    load = Load(100, 600, every=10, turns=6)
    calls = schedule(load, SAYABLE)
    gaps = []
    for own in turns(calls):
        for (at, question, kind), (later, _, _) in zip(own, own[1:], strict=False):
            assert later - at >= SAYABLE[question].seconds + BREATH
            if kind not in ("interrupted",):
                gaps.append(later - at)
    assert statistics.mean(gaps) == pytest.approx(10, rel=0.05)
    assert statistics.mean(len(call.turns) for own in calls for call in own) == pytest.approx(7, rel=0.15)


def test_the_kinds_come_in_their_shares() -> None:
    shares = Shares(pauses=0.3, follow_ups=0.2, barge_ins=0.1, tools=0.15)
    found = schedule(Load(100, 600, shares=shares), SAYABLE)
    kinds = Counter(kind for own in turns(found) for _, _, kind in own)
    drawn = sum(kinds.values()) - kinds["interrupted"] - kinds["follow-up"]  # each brings one along
    assert kinds["pause"] / drawn == pytest.approx(0.3, abs=0.03)
    assert kinds["follow-up"] / drawn == pytest.approx(0.2, abs=0.03)
    assert kinds["tool"] / drawn == pytest.approx(0.15, abs=0.03)
    assert kinds["barge-in"] == kinds["interrupted"]


def test_what_cuts_in_is_longer_than_a_word_that_cuts_nobody_off() -> None:
    sayable = [Sayable(2.0), Sayable(CUTTING - 0.1), Sayable(CUTTING)]
    found = turns(schedule(Load(50, 300, shares=Shares(barge_ins=0.5)), sayable))
    assert {q for own in found for _, q, kind in own if kind == "barge-in"} == {0, 2}
    assert {q for own in found for _, q, kind in own if kind == "interrupted"} == {0, 1, 2}
    short = turns(schedule(Load(20, 300, shares=Shares(barge_ins=0.5)), [Sayable(0.4)]))
    assert any(kind == "barge-in" for own in short for _, _, kind in own)


def test_what_needs_something_before_it_comes_behind_that_in_one_call() -> None:
    for own in schedule(Load(20, 300, shares=Shares(follow_ups=0.5)), SAYABLE):
        for call in own:
            assert call.turns[0].at == call.at + DIAL
            said = [turn.question for turn in call.turns]
            assert all(said[n - 1] == NAME for n, question in enumerate(said) if question == RECALL)
            assert call.tools == (TIMER in said)


def test_callers_arrive_within_the_ramp() -> None:
    load = Load(50, 60)
    arrivals = [own[0].at for own in schedule(load, SAYABLE)]
    assert 0 <= min(arrivals) and max(arrivals) <= load.ramp
    assert len({round(at, 3) for at in arrivals}) == 50


def test_kinds_without_a_question_are_not_asked() -> None:
    found = schedule(Load(20, 300, shares=Shares(follow_ups=0.3, tools=0.4)), SAYABLE[:1])
    assert {kind for own in turns(found) for _, _, kind in own} <= {
        "question",
        "pause",
        "interrupted",
        "barge-in",
    }


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="1 together"):
        Shares(pauses=0.6, tools=0.6)
    with pytest.raises(ValueError, match="expected more"):
        schedule(Load(1, 60, every=3), SAYABLE)
    with pytest.raises(ValueError, match="neither"):
        schedule(Load(1, 60), SAYABLE[3:])
