"""Percentiles, the search for the knee, and what is printed of both."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from server.load.figures import Cores, Knee, Step, percentile, progress, reasons, table
from server.load.ledger import Said
from server.load.picture import Chart, svg
from tests.server.load.turns import said


def step(*turns: Said, callers: int = 2) -> Step:
    return Step(callers, 60, turns, Cores(0.5, 1.25, None, 0.1), 0.0)


def test_percentiles_are_values_that_were_seen() -> None:
    values = list(range(1, 101))
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7], 0.5) == percentile([7], 0.99) == 7
    assert percentile([], 0.5) is None


def test_a_lost_turn_waits_for_ever() -> None:
    answered = [said(first_word=100.0 + n) for n in range(18)]
    with_two_lost = step(
        *answered, said(status="lost", why="no reply in time"), said(status="refused", why="full")
    )
    assert with_two_lost.percentile("first_word", 0.5) == 109
    assert with_two_lost.percentile("first_word", 0.95) == math.inf
    assert not with_two_lost.holds(1e9) and step(*answered).holds(200) and not step(*answered).holds(110)
    assert step(said(status="lost")).holds(1e9) is False
    assert with_two_lost.missing == 2
    assert reasons([with_two_lost]) == "no reply in time × 1; full × 1"
    with pytest.raises(ValueError, match="no turn"):
        step().holds(1)


def test_what_was_cut_off_is_no_answer_and_a_barge_in_may_come_too_late() -> None:
    found = step(
        said(kind="interrupted", status="cut", first_word=1.0),
        said(kind="barge-in", first_word=300.0, stop=450.0),
        said(kind="barge-in", first_word=300.0),
        said(first_word=200.0, status="wrong"),
    )
    assert found.values("first_word") == [300, 300, 200]
    assert found.values("stop") == [450]
    assert (found.too_late, found.wrong, found.missing) == (1, 1, 0)


@pytest.mark.parametrize("holds", [0, 1, 2, 3, 7, 12, 16, 100])
@pytest.mark.parametrize("start", [1, 5])
def test_the_knee_is_found_to_a_tenth(holds: int, start: int) -> None:
    knee, tried = Knee(start), list[int]()
    while wanted := knee.next():
        tried.append(wanted)
        knee.note(wanted, wanted <= holds)
    assert knee.good <= holds <= max(knee.good + 1, 1.1 * knee.good)
    assert len(tried) == len(set(tried)) <= 12


def test_the_search_ends_at_the_most_and_needs_a_start() -> None:
    knee = Knee(4, most=10)
    tried = []
    while wanted := knee.next():
        tried.append(wanted)
        knee.note(wanted, True)
    assert tried == [4, 8, 10] and knee.good == 10
    with pytest.raises(ValueError, match="callers"):
        Knee(0)


def test_the_table_has_what_was_measured_and_nothing_else() -> None:
    rows = table([step(said(first_word=100.0), said(status="lost"), callers=4), step(said(first_word=50.0))])
    head, _, two, four = rows.splitlines()
    assert "first audio" not in head and "first word, ms" in head
    assert two.startswith("| 2 | 1 | 50 / 50 / 50 |") and four.startswith("| 4 | 2 | 100 / never / never |")
    assert "| 0.50 | 1.25 | – | 0.10 |" in two
    assert "first word 100/never/never ms, 1 lost" in progress(
        step(said(first_word=100.0), said(status="lost"))
    )


def test_pictures_are_svg_with_a_line_each() -> None:
    lines = {"a": [(1.0, 2.0), (2.0, math.inf)], "b & c": [(1.0, 0.0)]}
    root = ElementTree.fromstring(svg([Chart("Waiting", "callers", lines, 5.0), Chart("None", "x", {})]))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"Waiting", "b & c", "None"} <= set(texts)
    lines_drawn = [e.attrib["points"] for e in root.iter() if e.tag.endswith("polyline")]
    assert len(lines_drawn) == 2
    assert lines_drawn[0] == "70.0,154.0 710.0,34.0"
