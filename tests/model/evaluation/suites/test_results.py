"""From predictions to figures: several runs, what failed, what only a judge tells, sets in a section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.evaluation.report import Table
from model.evaluation.scoring import interval
from model.evaluation.suites import results
from model.evaluation.suites.item import Item, Sound
from model.evaluation.suites.registry import SUITES

NOWHERE = Sound(Path("none"))


def prediction(name: str, run: int, reply: str = "", **more: Any) -> dict[str, Any]:
    return {"id": name, "run": run, "reply": reply, "error": None, **more}


def cells(table: Table) -> dict[str, list[str]]:
    return {label: [str(cell) for cell in row] for label, row in table.rows}


def mmau(name: str, group: str = "sound") -> Item:
    return Item(name, group, NOWHERE, "yes", "q", ("yes", "no"))


def test_runs_are_not_more_questions() -> None:
    suite = SUITES["mmau"]
    items = {i.name: i for i in (mmau("a"), mmau("b"), mmau("c", "music"))}
    predictions = [
        prediction("a", 1, "yes"),
        prediction("a", 2, "no"),
        prediction("b", 1, "yes"),
        prediction("b", 2, "yes"),
        prediction("c", 1, "no"),
        {**prediction("c", 2), "error": "the server has died"},
        prediction("elsewhere", 1, "yes"),
    ]
    found = results.marked(suite, items, predictions, {})
    share, count = results.mean(found)
    assert share == pytest.approx(0.5) and count == 3
    ours, published = results.tables(suite, found, predictions)
    assert ours.title == "MMAU, 2 runs"
    low, high = interval(1.5, 2)
    told = cells(ours)
    assert told["sound"][0] == f"75.0 % ({100 * low:.1f}–{100 * high:.1f}, n=2)"
    assert told["all of MMAU"] == ["50.0 % (12.5–87.5, n=3)", "±23.6", "0 of 6", "1 of 6"]
    beside = [(label, *map(str, row)) for label, row in published.rows]
    assert beside[0] == ("Step-Audio-R1", "77.7 %", "Step-Audio-R1 report, arXiv 2511.15848, table 1")


def test_only_a_judge_can_tell() -> None:
    suite = SUITES["uro-bench"]
    names = {"Gsm8kEval": "answer", "MLC": "answer", "Repeat": "repeat"}
    items = {n: Item(n, n, NOWHERE, "42", section="basic, English", rule=rule) for n, rule in names.items()}
    predictions = [prediction(n, 1, "42") for n in items]
    told = cells(results.tables(suite, results.marked(suite, items, predictions, {}), predictions)[0])
    assert told["MLC"][0] == "not scored: it needs a judge"
    assert told["basic, English: mean of the sets"][0] == "100.0 % (of 1 sets)"
    verdicts = {("Gsm8kEval", 1): {"score": 1.0}, ("MLC", 1): {"score": 0.0}}
    found = results.marked(suite, items, predictions, verdicts)
    told = cells(results.tables(suite, found, predictions)[0])
    assert told["basic, English: mean of the sets"] == ["66.7 % (of 3 sets)", "", "2 of 3", "0 of 3"]


def test_a_judge_before_a_rule() -> None:
    suite = SUITES["big-bench-audio"]
    item = Item("1", "navigate", NOWHERE, "Yes", rule="same")
    predictions = [prediction("1", 1, "You come back, so it is so.")]
    (by_rule,) = results.marked(suite, {"1": item}, predictions, {})
    (judged,) = results.marked(suite, {"1": item}, predictions, {("1", 1): {"score": 1.0}})
    assert (by_rule.score, by_rule.judged, judged.score, judged.judged) == (0, False, 1, True)


def test_thoughts_and_waiting() -> None:
    items = {"a": mmau("a")}
    predictions = [prediction("a", 1, "yes", think_tokens=7, timings={"first_reply_ms": 120.0})]
    tables = results.tables(
        SUITES["mmau"], results.marked(SUITES["mmau"], items, predictions, {}), predictions
    )
    assert cells(tables[1]) == {
        "tokens of thoughts": ["7 (longest 7)"],
        "first word of the reply, ms": ["120 (95 %: 120)"],
    }
