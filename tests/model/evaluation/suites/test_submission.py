"""What the benchmarks' own scripts are given."""

from __future__ import annotations

import json
from pathlib import Path

from model.evaluation.suites import submission
from model.evaluation.suites.registry import SUITES
from tests.model.evaluation.suites import samples


def test_an_array_for_mmau(tmp_path: Path) -> None:
    rows = samples.mmau(tmp_path)
    items = SUITES["mmau"].load(tmp_path)
    replies = {item.name: "I say <RESPONSE>Rain</RESPONSE>." for item in items}
    told = json.loads(submission.text(SUITES["mmau"], items, replies))
    assert told == [{**row, "model_prediction": "Rain"} for row in rows]
    replies.pop(items[0].name)
    assert submission.text(SUITES["mmau"], items, replies) == ""  # their script wants every one


def test_lines_for_mmsu(tmp_path: Path) -> None:
    rows = samples.mmsu(tmp_path)
    items = SUITES["mmsu"].load(tmp_path)
    told = submission.text(SUITES["mmsu"], items, {item.name: "A" for item in items})
    assert [json.loads(line) for line in told.splitlines()] == [{**row, "response": "A"} for row in rows]


def test_none_for_those_without_a_script(tmp_path: Path) -> None:
    samples.big_bench_audio(tmp_path)
    items = SUITES["big-bench-audio"].load(tmp_path)
    assert submission.text(SUITES["big-bench-audio"], items, {item.name: "42" for item in items}) == ""
