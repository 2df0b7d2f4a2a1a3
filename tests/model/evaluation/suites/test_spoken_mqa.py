"""Spoken-MQA's rows, and its Parquet files where pyarrow is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites import spoken_mqa
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples
from tests.model.evaluation.suites.samples import place


def test_rows() -> None:
    plain, worked = samples.spoken_items()
    assert plain.name == "short_digit-00000-of-00001/1"
    assert (plain.group, plain.section, plain.said) == ("short_digit", "arithmetic", samples.SUM)
    assert plain.question == "Please answer the question."
    assert [spoken_mqa.score(one, "27 plus 15 is 42.") for one in (plain, worked)] == [1, 1]
    assert spoken_mqa.score(plain, "It is 41.") == 0


def test_what_has_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"expected data/SPLIT-\*.parquet for one of short_digit"):
        spoken_mqa.load(tmp_path)
    row = samples.spoken_rows()[0]
    with pytest.raises(SuiteError, match="row 1: expected a number as the answer, got 'many'"):
        spoken_mqa.item(place(**{**row, "answer": {"text": "many"}}), "short_digit", "table")
    with pytest.raises(SuiteError, match="row 1: expected 'instruction' with an object with 'text', got str"):
        spoken_mqa.item(place(**{**row, "instruction": "Answer."}), "short_digit", "table")


def test_as_published(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: an extra")
    from pyarrow import parquet

    (tmp_path / "data").mkdir()
    rows = pyarrow.Table.from_pylist(samples.spoken_rows())
    for split in ("long_digit", "multi_step_reasoning"):
        parquet.write_table(rows, tmp_path / f"data/{split}-00000-of-00001.parquet")
    found = spoken_mqa.load(tmp_path)
    assert [i.section for i in found] == ["arithmetic"] * 2 + ["reasoning"] * 2
    assert found[0].sound.clip("", True).seconds > 1
