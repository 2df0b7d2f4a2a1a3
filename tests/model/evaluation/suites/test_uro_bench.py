"""URO-Bench's folders: sets of one turn and of several, repetitions, unknown sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites import uro_bench
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples


def test_as_published(tmp_path: Path) -> None:
    samples.uro_bench(tmp_path)
    found = {item.group: item for item in uro_bench.load(tmp_path)}
    assert {name: (item.rule, item.section) for name, item in found.items()} == {
        "AlpacaEval": ("open", "basic, English"),
        "Gsm8kEval": ("answer", "basic, English"),
        "Repeat": ("repeat", "basic, English"),
        "Repeat-zh": ("repeat", "basic, Chinese"),
        "StoralEval": ("half", "basic, English"),
        "GenStyle-en": ("", "pro, English"),
        "MtBenchEval-en": ("talk", "pro, English"),
    }
    assert found["StoralEval"].answer == "42 / forty two"
    assert found["AlpacaEval"].answer == samples.SUM
    talk = found["MtBenchEval-en"]
    assert [r.said for r in talk.earlier] == [samples.SUM] and talk.name == "pro/MtBenchEval-en/0"
    assert uro_bench.score(found["Gsm8kEval"], "42") is None
    assert uro_bench.score(found["Repeat"], "the cat sat down") == 1
    assert uro_bench.score(found["Repeat"], "The cat sat up.") == pytest.approx(0.75)
    assert uro_bench.score(found["Repeat"], "a dog ran down") == 0
    assert uro_bench.score(found["Repeat"], "") == 0
    assert uro_bench.score(found["Repeat-zh"], "你好,世间") == pytest.approx(0.75)


def test_what_has_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="expected basic/SET/test.jsonl or pro/SET/test.jsonl, found none"):
        uro_bench.load(tmp_path)
    samples.lines(tmp_path / "basic/Riddles/test.jsonl", [{"id": 0}])
    with pytest.raises(SuiteError, match="expected a set of .*MtBenchEval, Safety, got 'Riddles'"):
        uro_bench.load(tmp_path)
    (tmp_path / "basic/Riddles").rename(tmp_path / "basic/MLC")
    with pytest.raises(
        SuiteError, match="row 1: expected 'source_wav' with the path of a recording, it has id"
    ):
        uro_bench.load(tmp_path)
