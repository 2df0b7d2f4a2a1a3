"""Pictures are well-formed, with every series, point and interval in them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from model.training.mgrd.plot import Point, lines, log

SVG = "{http://www.w3.org/2000/svg}"


def test_every_series_is_drawn_and_named() -> None:
    series = {"before & after": [Point(0, 0.2, 0.1), Point(1, 0.4, 0.1)], "b": [Point(0, 0.5), Point(1, 1.4)]}
    root = ElementTree.fromstring(lines("a < b", series, ("0", "unlimited")))
    texts = [one.text for one in root.iter(f"{SVG}text")]
    assert {"a < b", "before & after", "b", "0", "unlimited"} <= set(texts)
    drawn = [one.attrib["points"].split() for one in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in drawn] == [2, 2]
    assert len([one for one in root.iter(f"{SVG}path") if "V" in one.attrib["d"]]) == 2  # intervals
    heights = [float(point.split(",")[1]) for point in drawn[0]]
    assert heights[0] > heights[1]  # more is higher


def test_a_log_becomes_shares_over_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    told = [{"stage": "cold", "step": i + 1, "loss": 1.0} for i in range(50)]
    told += [{"stage": "rl", "step": i + 1, "reward": i / 100, "right": 0.5} for i in range(100)]
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    root = ElementTree.fromstring(log(path))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert any(one.text == "learning: cold, rl" for one in root.iter(f"{SVG}text"))
