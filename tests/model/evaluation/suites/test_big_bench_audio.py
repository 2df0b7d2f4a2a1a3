"""Big Bench Audio's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites import big_bench_audio as bba
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples


def test_as_published(tmp_path: Path) -> None:
    samples.big_bench_audio(tmp_path)
    found = bba.load(tmp_path)
    assert [i.group for i in found] == list(bba.CATEGORIES)
    assert not any(i.question or i.instructions for i in found)
    assert bba.score(found[2], "27 plus 15 is 42.") == 1
    assert bba.score(found[0], "invalid") == 0


def test_a_kind_that_nobody_knows(tmp_path: Path) -> None:
    rows = samples.big_bench_audio(tmp_path)
    samples.lines(tmp_path / "metadata.jsonl", [{**rows[0], "category": "riddles"}])
    with pytest.raises(SuiteError, match="row 1: expected a category of formal_fallacies, .*, got 'riddles'"):
        bba.load(tmp_path)
