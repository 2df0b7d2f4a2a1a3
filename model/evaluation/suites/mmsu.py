"""MMSU: 47 tasks about speech, with four choices and a letter as the answer.

    data/train-*.parquet             5,000 questions with their recordings in the column `audio`, or
    *.jsonl, *.json                  the same rows with `audio_path`, from the folder on, in its place

Fields: id, question, choice_a to choice_d, answer_gt (a choice's words), task_name, category (perception or
reasoning), sub-category, among others. Source: ddwang2000/MMSU on Hugging Face for the first, the scripts in
dingdongwang/MMSU_Bench for the second. The name of the table in JSON is not fixed there: the only one in
the folder is taken.
"""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import files
from model.evaluation.suites.choices import LETTERS, letter, lettered
from model.evaluation.suites.files import Place
from model.evaluation.suites.item import Item, Suite


def load(data: Path) -> list[Item]:
    """Raises SuiteError."""
    first = files.table(data, "data/train-*.parquet", "*.jsonl", "*.json")
    paths = sorted(first.parent.glob("train-*.parquet")) if first.suffix == ".parquet" else [first]
    return [item(place, data) for path in paths for place in files.places(path)]


def item(place: Place, data: Path) -> Item:
    """Raises SuiteError."""
    choices = tuple(place.text(f"choice_{letter.lower()}", needed=letter in "AB") for letter in LETTERS)
    section = place.text("category")
    return Item(
        place.text("id"),
        f"{section}: {place.text('sub-category')}",
        place.sound("audio" if "audio" in place.row else "audio_path", data),
        place.text("answer_gt"),
        lettered(place.text("question"), [choice or "None" for choice in choices]),
        choices,
        section,
        row={name: value for name, value in place.row.items() if name != "audio"},
    )


def score(item: Item, reply: str) -> float | None:
    chosen = letter(reply)
    return float(bool(chosen) and item.choices[LETTERS.index(chosen)] == item.answer)


SUITE = Suite(
    "mmsu",
    "MMSU",
    "dingdongwang/MMSU_Bench on GitHub; ddwang2000/MMSU on Hugging Face; arXiv 2506.04779",
    "MIT, as its page on the hub says",
    load,
    score,
    "the letter of the right choice",
    predicted="response",
)
