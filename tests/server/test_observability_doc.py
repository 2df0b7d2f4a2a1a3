"""The page says what the code does, and the dashboard shows what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase

from server.metrics import Metrics
from server.observability_doc import LABELS, exposed, page

DOCS = Path(__file__).parents[2] / "docs"


def names(metric: Metric) -> set[str]:
    """As Prometheus knows its series."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {metric.name + suffix for suffix in suffixes.get(metric.type, [""])}


def test_the_page_is_up_to_date() -> None:
    told = (DOCS / "observability.md").read_text()
    assert told == page() + "\n", "python -m server.observability_doc > docs/observability.md"


def test_every_label_is_told() -> None:
    metrics = Metrics(lambda: 0, lambda: 0)
    labels = {
        collector._name: collector._labelnames
        for collector in vars(metrics).values()
        if isinstance(collector, MetricWrapperBase) and collector._labelnames
    }
    assert labels.keys() == LABELS.keys()
    for name, known in labels.items():
        assert all(f"`{label}`" in LABELS[name] for label in known), name


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    board: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text())
    panels = board["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) >= len(panels)
    asked = set(re.findall(r"\b(?:soundmind|process)_\w+", " ".join(queries)))
    there = {name for metric in exposed() for name in names(metric)}
    assert asked <= there, sorted(asked - there)
    ours = {metric.name for metric in exposed() if metric.name.startswith("soundmind_")}
    shown = {metric.name for metric in exposed() if names(metric) & asked}
    assert ours <= shown, sorted(ours - shown)


def test_the_dashboards_panels_do_not_overlap() -> None:
    board: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text())
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)) and all(0 <= x < 24 for x, _ in cells)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
