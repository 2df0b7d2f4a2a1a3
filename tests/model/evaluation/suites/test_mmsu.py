"""MMSU's rows, as lines with recordings beside them and as its script reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.evaluation.suites import mmsu
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples
from tests.model.evaluation.suites.samples import place


def test_as_lines(tmp_path: Path) -> None:
    rows = samples.mmsu(tmp_path)
    found = mmsu.load(tmp_path)
    assert [(i.name, i.section, i.group) for i in found] == [
        ("task_0", "Perception", "Perception: Phonology"),
        ("task_1", "Reasoning", "Reasoning: Phonology"),
    ]
    assert found[0].question.endswith("C. None\nD. None")
    assert found[1].row == rows[1]
    assert [mmsu.score(found[0], reply) for reply in ("A", "The answer is A.", "B", "C", "one")] == [
        1,
        1,
        0,
        0,
        0,
    ]


def test_as_an_array(tmp_path: Path) -> None:
    rows = samples.mmsu(tmp_path)
    (tmp_path / "mmsu.jsonl").write_text(json.dumps(rows))
    assert len(mmsu.load(tmp_path)) == 2


def test_with_the_recording_in_the_row() -> None:
    row = {**samples.mmsu_rows()[0], "audio": samples.spoken_rows()[0]["context"]}
    found = mmsu.item(place(**row), Path("none"))
    assert found.sound.clip("", False).seconds > 1
    assert "audio" not in found.row


def test_what_has_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"expected data/train-\*.parquet or \*.jsonl or \*.json"):
        mmsu.load(tmp_path)
    row = samples.mmsu(tmp_path)[0]
    samples.lines(tmp_path / "mmsu.jsonl", [{**row, "choice_b": None}])
    with pytest.raises(SuiteError, match="row 1: expected 'choice_b' with text, got NoneType"):
        mmsu.load(tmp_path)
