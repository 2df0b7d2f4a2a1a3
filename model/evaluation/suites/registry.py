"""The benchmarks by name, and their questions with what is odd about them told."""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import big_bench_audio, mmar, mmau, mmsu, spoken_mqa, uro_bench
from model.evaluation.suites.item import Item, Suite, SuiteError

SUITES: dict[str, Suite] = {
    module.SUITE.name: module.SUITE for module in (mmau, mmsu, mmar, big_bench_audio, spoken_mqa, uro_bench)
}
ODD = 0.02  # share of answers that are none of their choices, from which the file is not what it should be


def questions(suite: Suite, data: Path) -> tuple[list[Item], list[str]]:
    """Every question, and what is odd. Raises SuiteError."""
    found = suite.load(data)
    names: set[str] = set()
    for item in found:
        if item.name in names:
            raise SuiteError(f"{data}: the id {item.name!r} comes twice")
        names.add(item.name)
    answered = [item for item in found if item.choices and item.answer]
    odd = [item for item in answered if item.answer not in item.choices]
    if not odd:
        return found, []
    told = f"{len(odd)} of {len(answered)} answers are none of their choices"
    first = f"{odd[0].name}: {odd[0].answer!r}, choices {', '.join(odd[0].choices)}"
    if len(odd) > ODD * len(answered):
        raise SuiteError(f"{data}: {told}; {first}")
    return found, [f"{told}; {first}"]
