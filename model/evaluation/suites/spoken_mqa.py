"""Spoken-MQA: spoken arithmetic and word problems.

    data/SPLIT-*.parquet             short_digit, long_digit, single_step_reasoning, multi_step_reasoning

Columns: context (the recording), context_transcript, instruction {text}, answer {text}. The instruction is
typed behind the recording. Source: amao0o0/spoken-mqa on Hugging Face and AudioBench's spoken_mqa.py, by
which it is scored. That the files are called after their splits is the hub's custom, not told anywhere.
"""

from __future__ import annotations

from pathlib import Path

from model.evaluation.suites import files, mathematics
from model.evaluation.suites.files import Place
from model.evaluation.suites.item import Item, Suite, SuiteError

SPLITS = ("short_digit", "long_digit", "single_step_reasoning", "multi_step_reasoning")


def load(data: Path) -> list[Item]:
    """Whatever splits are there. Raises SuiteError."""
    files.folder(data, f"data/SPLIT-*.parquet for {', '.join(SPLITS)}")
    found = []
    for split in SPLITS:
        for path in sorted(data.glob(f"data/{split}-*.parquet")):
            found += [item(place, split, path.stem) for place in files.places(path)]
    if not found:
        raise SuiteError(f"{data}: expected data/SPLIT-*.parquet for one of {', '.join(SPLITS)}")
    return found


def item(place: Place, split: str, table: str) -> Item:
    """Raises SuiteError."""
    answer = place.within("answer", "text")
    if mathematics.value(answer.split("####")[-1]) is None:
        raise SuiteError(f"{place.path}: row {place.number}: expected a number as the answer, got {answer!r}")
    return Item(
        f"{table}/{place.number}",
        split,
        place.sound("context", place.path.parent),
        answer,
        place.within("instruction", "text"),
        section="arithmetic" if split.endswith("digit") else "reasoning",
        said=place.text("context_transcript", needed=False),
    )


def score(item: Item, reply: str) -> float | None:
    return float(mathematics.same_number(item.answer, reply))


SUITE = Suite(
    "spoken-mqa",
    "Spoken-MQA",
    "amao0o0/Spoken-MQA on GitHub; amao0o0/spoken-mqa on Hugging Face; arXiv 2505.15000",
    "none is told; its questions come from Timers and Such, AddSub, SingleOp, SVAMP and GSM8K",
    load,
    score,
    "the number behind “the answer is”, or else the last one, is the answer",
)
