"""Predictions that outlive a run, whatever ended it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites.item import SuiteError
from model.evaluation.suites.ledger import Ledger

SETTINGS = {"suite": "mmau", "way": "offline"}


def test_a_second_run_goes_on(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "out", SETTINGS)
    first.predict(
        [{"id": "a", "run": 1, "reply": "é", "error": None}, {"id": "b", "run": 1, "error": "down"}]
    )
    first.judge([{"id": "a", "run": 1, "score": 0.5}])
    second = Ledger(tmp_path / "out", SETTINGS)
    assert second.predicted(("a", 1)) and not second.predicted(("a", 2))
    assert not second.predicted(("b", 1))  # it failed
    assert second.judgements["a", 1]["score"] == 0.5
    second.predict([{"id": "b", "run": 1, "reply": "now", "error": None}])
    assert Ledger(tmp_path / "out", SETTINGS).predictions["b", 1]["reply"] == "now"


def test_a_line_that_was_being_written(tmp_path: Path) -> None:
    Ledger(tmp_path, SETTINGS).predict([{"id": "a", "run": 1, "error": None}])
    path = tmp_path / "predictions.jsonl"
    with path.open("a") as file:
        file.write('{"id": "b", "ru')
    again = Ledger(tmp_path, SETTINGS)
    again.predict([{"id": "c", "run": 1, "error": None}])
    assert Ledger(tmp_path, SETTINGS).predictions.keys() == {("a", 1), ("c", 1)}


def test_folders_that_cannot_be_gone_on_with(tmp_path: Path) -> None:
    Ledger(tmp_path, SETTINGS)
    with pytest.raises(SuiteError, match=r"way was 'offline' and is 'live'\): expected another --out"):
        Ledger(tmp_path, {**SETTINGS, "way": "live"})
    (tmp_path / "predictions.jsonl").write_text('{"run": 1}\n')
    with pytest.raises(SuiteError, match="predictions.jsonl: line 1: expected an object with id and run"):
        Ledger(tmp_path, SETTINGS)
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(SuiteError, match="settings.json: expected JSON"):
        Ledger(tmp_path, SETTINGS)
    with pytest.raises(SuiteError, match="cannot be used"):
        Ledger(tmp_path / "settings.json" / "below", SETTINGS)
