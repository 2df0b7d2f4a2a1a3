"""The loss benchmark's file, table and picture; what it measures is `test_callers` and `test_lossy`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from benchmarks.callers import Asked
from benchmarks.loss import CONDITIONS, Condition, Results, Row, picture, table
from benchmarks.lossy import Weather
from model.evaluation.case import Case, Clip

BAD = Condition(loss=5, jitter=50)


def case(name: str) -> Case:
    return Case(name, "numbers", "sum", Clip("one plus one", "v", np.zeros(1, np.int16)), "1 plus 1 is 2.")


def row() -> Row:
    good = Asked("a", True, "one plus one", "1 plus 1 is 2.", None, 0.5, 1.0, 0.5, 0, 3)
    bad = Asked("b", False, "one plus nine", "1 plus 9 is 10.", None, 0.7, 2.0, 0.5, 1, 3)
    return Row(90, 10, [good, bad, Asked("c", error="no session in time")])


def test_every_condition_has_a_name_of_its_own() -> None:
    assert len({str(condition) for condition in CONDITIONS}) == len(CONDITIONS)
    assert BAD.weather == Weather(0.05, 0.05, 0.0)
    assert str(BAD) == "WebRTC, 50 ms jitter: 5 % lost"


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    results, asked = Results(tmp_path), [case(name) for name in "abcd"]
    assert results.left(BAD, asked) == asked
    results.rows[str(BAD)] = row()
    results.save(asked[:3])
    again = Results(tmp_path)
    assert again.rows == {str(BAD): row()}
    assert [one.name for one in again.left(BAD, asked)] == ["d"]
    assert again.left(CONDITIONS[0], asked) == asked


def test_the_table_tells_each_row() -> None:
    told = table({str(BAD): row()})
    assert "| WebRTC, 50 ms jitter: 5 % lost | 33% (6%–79%, n=3) | 16.7% " in told
    assert "| 1.50 s (1.95 s) | 0.60 s (0.69 s) | 1 | 10.0% |" in told


def test_the_picture_has_a_bar_for_each_share() -> None:
    drawn = ElementTree.fromstring(picture({str(CONDITIONS[1]): row()}))
    assert "33.3 % (6.1–79.2, n=3)" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
