"""MMAR: questions that need several steps, about sounds, music, speech and their mixtures, with choices.

    MMAR-meta.json (or .jsonl)       1,000 questions
    audio/ID.wav                     as `audio_path` names them

Fields: id, audio_path, question, choices, answer, modality, category, sub-category, language, among others.
Source: ddlBoJack/MMAR and BoJack/MMAR on Hugging Face. It has no prompt of its own: it is asked like MMAU,
whose rule it took over. A few of its answers are none of its choices, letter by letter.
"""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import files
from model.evaluation.suites.choices import ANALYST, stepfun
from model.evaluation.suites.item import Item, Suite
from model.evaluation.suites.mmau import score


def load(data: Path) -> list[Item]:
    """Raises SuiteError."""
    found = []
    for place in files.places(files.table(data, "MMAR-meta.json", "MMAR-meta.jsonl")):
        choices = place.texts("choices")
        found.append(
            Item(
                place.text("id"),
                place.text("modality"),
                place.sound("audio_path", data),
                place.text("answer"),
                stepfun(place.text("question"), choices),
                choices,
                instructions=ANALYST,
                row=place.row,
            )
        )
    return found


SUITE = Suite(
    "mmar",
    "MMAR",
    "ddlBoJack/MMAR on GitHub; BoJack/MMAR on Hugging Face; arXiv 2505.13032",
    "CC BY-NC 4.0",
    load,
    score,
    "all words of the answer, none that only wrong choices have",
    predicted="model_prediction",
)
