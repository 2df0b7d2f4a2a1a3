"""The picture of a training log."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from model.training.curves import POINTS, draw, thinned


def mark(step: int) -> dict[str, float]:
    return {"step": step, "text": 10 / step, "end": 0.0, "ctc": 1.0, "right": 0.5}


def test_a_long_log_is_thinned_and_what_was_not_measured_left_out() -> None:
    marks = [mark(step) for step in range(1, 1000)]
    assert 100 < len(thinned(marks, "text")) <= POINTS
    assert thinned(marks, "end") == []


def test_the_picture_is_an_svg_with_every_curve_inside() -> None:
    picture = ET.fromstring(draw([mark(step) for step in range(1, 1000)]))
    assert len(picture.findall("{*}polyline")) == 8
    for line in picture.findall("{*}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 720 and 0 <= y <= 320


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(ValueError, match="train.jsonl"):
        draw([])
