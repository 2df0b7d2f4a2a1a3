"""Every benchmark by its name; ids that come twice and answers that are no choice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.evaluation.suites.item import SuiteError
from model.evaluation.suites.registry import SUITES, questions
from tests.model.evaluation.suites import samples


@pytest.mark.parametrize("name", samples.MAKERS)
def test_each(name: str, tmp_path: Path) -> None:
    samples.MAKERS[name](tmp_path)
    found, odd = questions(SUITES[name], tmp_path)
    assert found and not odd
    for item in found:
        case = item.case("medium")
        assert case.condition == "bare" and case.question == item.question
        assert case.clip.voiced is not bool(item.question)


def test_all_are_named() -> None:
    assert SUITES.keys() == {*samples.MAKERS, "spoken-mqa"}
    assert all(suite.licence and suite.hub and suite.rule for suite in SUITES.values())


def test_ids_that_come_twice(tmp_path: Path) -> None:
    row = samples.mmau(tmp_path)[0]
    (tmp_path / "mmau-test-mini.json").write_text(json.dumps([row, row]))
    with pytest.raises(SuiteError, match="the id 'id-sound' comes twice"):
        questions(SUITES["mmau"], tmp_path)


def test_answers_that_are_no_choice(tmp_path: Path) -> None:
    samples.mmau(tmp_path)
    loaded = SUITES["mmau"].load(tmp_path)
    strange = replace(loaded[0], name="strange", answer="A cat")
    few = replace(
        SUITES["mmau"], load=lambda data: [strange, *(replace(loaded[0], name=str(i)) for i in range(99))]
    )
    found, (told,) = questions(few, tmp_path)
    assert len(found) == 100 and told.startswith(
        "1 of 100 answers are none of their choices; strange: 'A cat'"
    )
    many = replace(few, load=lambda data: [strange, loaded[0]])
    with pytest.raises(SuiteError, match="1 of 2 answers are none of their choices"):
        questions(many, tmp_path)
