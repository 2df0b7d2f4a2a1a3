"""Big Bench Audio: 1,000 spoken questions of four kinds from BIG-Bench Hard.

    metadata.jsonl                   file_name, category, official_answer, id
    data/question_ID.mp3             as `file_name` names them

Source: ArtificialAnalysis/big_bench_audio on Hugging Face. Its rule is a judge model that compares the reply
with the official answer. Answers are of three closed kinds, so a rule of ours is told beside it, and says so.
Whether its authors say anything besides the recording to the model is not told: here they do not.
"""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import files, mathematics
from model.evaluation.suites.item import Item, Suite, SuiteError

CATEGORIES = ("formal_fallacies", "navigate", "object_counting", "web_of_lies")


def load(data: Path) -> list[Item]:
    """Raises SuiteError."""
    found = []
    for place in files.places(files.table(data, "metadata.jsonl")):
        category = place.text("category")
        if category not in CATEGORIES:
            known = ", ".join(CATEGORIES)
            raise SuiteError(
                f"{place.path}: row {place.number}: expected a category of {known}, got {category!r}"
            )
        sound = place.sound("file_name", data)
        answer = place.text("official_answer")
        found.append(Item(place.text("id"), category, sound, answer, rule="same", row=place.row))
    return found


def score(item: Item, reply: str) -> float | None:
    return float(mathematics.closed(item.group, item.answer, reply))


SUITE = Suite(
    "big-bench-audio",
    "Big Bench Audio",
    "ArtificialAnalysis/big_bench_audio on Hugging Face",
    "MIT",
    load,
    score,
    "a rule of ours, not the benchmark's: the last word that could be an answer is the official one",
    judge="claude-3-5-sonnet-20241022",
)
