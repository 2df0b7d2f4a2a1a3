"""Figures of others: each in percent, with a source, and the reports' averages come out."""

from __future__ import annotations

from model.evaluation.suites.published import R1, figures
from model.evaluation.suites.registry import SUITES

WILD_SPEECH = {"Step-Audio-R1": 70.6, "Step-Audio 2": 51.1, "Gemini 2.5 Pro": 60.0, "Gemini 3 Pro": 76.4}
AVERAGES = {"Step-Audio-R1": 83.6, "Step-Audio 2": 68.3, "Gemini 2.5 Pro": 81.5, "Gemini 3 Pro": 85.1}


def test_figures() -> None:
    for suite in SUITES:
        for figure in figures(suite):
            assert 0 < figure.percent <= 100 and figure.source
    assert figures("mmar") == []  # none of R1 was found


def test_the_averages_of_the_report_s_table() -> None:
    """They are over five sets, the fifth of which is the authors' own."""
    sets = [{f.model: f.percent for f in figures(suite) if f.source == R1} for suite in SUITES]
    for model, average in AVERAGES.items():
        scores = [found[model] for found in sets if found] + [WILD_SPEECH[model]]
        assert len(scores) == 5 and round(sum(scores) / 5, 1) == average
