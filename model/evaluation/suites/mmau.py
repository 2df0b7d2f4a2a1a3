"""MMAU: sounds, music and speech, with choices.

    mmau-test-mini.json              1,000 questions with answers (mmau-test.json: 9,000, answers withheld)
    test-mini-audios/ID.wav          as `audio_id` names them

Fields: id, audio_id, question, choices, answer, task (sound, music, speech), among others. Source:
Sakshi113/MMAU, the layout of its repository; version v05.15.25 revised a quarter of the questions.
"""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import files
from model.evaluation.suites.choices import ANALYST, response, stepfun, words_match
from model.evaluation.suites.item import Item, Suite

MINI, TEST = "mmau-test-mini.json", "mmau-test.json"


def load(data: Path) -> list[Item]:
    """Raises SuiteError."""
    path = files.table(data, MINI, TEST)
    found = []
    for place in files.places(path):
        choices = place.texts("choices")
        found.append(
            Item(
                place.text("id"),
                place.text("task"),
                place.sound("audio_id", data),
                place.text("answer", needed=path.name == MINI),
                stepfun(place.text("question"), choices),
                choices,
                instructions=ANALYST,
                row=place.row,
            )
        )
    return found


def score(item: Item, reply: str) -> float | None:
    if not item.answer:
        return None
    return float(words_match(item.answer, response(reply), item.choices))


SUITE = Suite(
    "mmau",
    "MMAU",
    "Sakshi113/MMAU on GitHub; gamma-lab-umd/MMAU-test-mini on Hugging Face; arXiv 2410.19168",
    "each clip has the licence of its source (AudioSet, MusicCaps and others)",
    load,
    score,
    "all words of the answer, none that only wrong choices have",
    predicted="model_prediction",
)
