"""Predictions as the benchmarks' own scripts take them: the published rows with a field more. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from model.evaluation.suites.choices import response
from model.evaluation.suites.item import Item, Suite


def text(suite: Suite, items: Sequence[Item], replies: Mapping[str, str]) -> str:
    """Of one run: MMAU's and MMAR's evaluation.py take an array, MMSU's script takes lines. Empty: no script
    takes any, or questions lack their reply."""
    if not suite.predicted or any(item.name not in replies for item in items):
        return ""
    rows: list[dict[str, Any]] = [
        {**item.row, suite.predicted: response(replies[item.name])} for item in items
    ]
    if suite.name == "mmsu":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
