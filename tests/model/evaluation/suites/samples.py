"""Tiny benchmarks of our own making, in the layouts that the real ones are published in."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from model.evaluation.suites.files import Place
from model.evaluation.suites.item import Item, Round
from model.evaluation.suites.spoken_mqa import item
from tests.processes import RECORDINGS

Row = dict[str, Any]
QUESTION = RECORDINGS / "sum.wav"  # what is twenty seven plus fifteen
SUM = "What is twenty seven plus fifteen?"
CHOICES = ["A tone", "A dog", "Rain", "Silence"]


def sound(path: Path, hertz: float = 440.0, seconds: float = 0.4, rate: int = 22_050) -> None:
    """A tone in two channels; the suffix says how it is packed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.2 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, np.stack([tone, tone], axis=1), rate)


def question(path: Path) -> None:
    """A spoken question, packed as the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples, rate = soundfile.read(QUESTION)
    soundfile.write(path, samples, rate)


def lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def mmau(data: Path) -> list[Row]:
    rows = [
        {
            "id": f"id-{task}",
            "audio_id": f"./test-mini-audios/id-{task}.wav",
            "question": "What is heard?",
            "choices": CHOICES,
            "answer": "A tone",
            "dataset": "ours",
            "task": task,
            "split": "test-mini",
            "category": "Reasoning",
            "sub-category": "Acoustic Source Inference",
            "difficulty": "easy",
        }
        for task in ("sound", "music", "speech")
    ]
    for row in rows:
        sound(data / str(row["audio_id"]))
    (data / "mmau-test-mini.json").write_text(json.dumps(rows))
    return rows


def mmar(data: Path) -> list[Row]:
    rows = [
        {
            "id": "clip",
            "audio_path": "./audio/clip.flac",
            "question": "What is heard?",
            "choices": CHOICES,
            "answer": "A tone",
            "modality": "mix-sound-speech",
            "category": "Perception Layer",
            "sub-category": "Counting and Statistics",
            "language": "en",
            "source": "ours",
            "url": "",
            "timestamp": "00:00:00,00:00:01",
        }
    ]
    sound(data / "audio/clip.flac", seconds=26.0)
    (data / "MMAR-meta.json").write_text(json.dumps(rows))
    return rows


def mmsu_rows() -> list[Row]:
    return [
        {
            "id": f"task_{i}",
            "question": "How many tones are heard?",
            "choice_a": "one",
            "choice_b": "two",
            "choice_c": "three" if i else None,
            "choice_d": "four" if i else None,
            "answer_gt": "one",
            "task_name": "tone_counting",
            "category": section,
            "sub-category": "Phonology",
            "sub-sub-category": "",
            "linguistics_sub_discipline": "",
        }
        for i, section in enumerate(("Perception", "Reasoning"))
    ]


def mmsu(data: Path) -> list[Row]:
    rows = [{**row, "audio_path": f"audio/{row['id']}.wav"} for row in mmsu_rows()]
    for row in rows:
        sound(data / str(row["audio_path"]))
    lines(data / "mmsu.jsonl", rows)
    return rows


def big_bench_audio(data: Path) -> list[Row]:
    answers = {
        "formal_fallacies": "valid",
        "navigate": "Yes",
        "object_counting": "42",
        "web_of_lies": "No",
    }
    rows = [
        {"file_name": f"data/question_{i}.mp3", "category": category, "official_answer": answer, "id": i}
        for i, (category, answer) in enumerate(answers.items())
    ]
    for row in rows:
        question(data / str(row["file_name"]))
    lines(data / "metadata.jsonl", rows)
    return rows


def spoken_rows() -> list[Row]:
    packed = io.BytesIO()
    soundfile.write(packed, *soundfile.read(QUESTION), format="WAV")
    return [
        {
            "context": {"bytes": packed.getvalue(), "path": "0.wav"},
            "context_transcript": SUM,
            "instruction": {"text": "Please answer the question."},
            "answer": {"text": answer},
        }
        for answer in ("42", "27 + 15 = 42\n#### 42")
    ]


def spoken_items() -> list[Item]:
    """As of Parquet files, without any."""
    path = Path("short_digit-00000-of-00001.parquet")
    rows = enumerate(spoken_rows(), 1)
    return [item(Place(path, number, row), "short_digit", path.stem) for number, row in rows]


def uro_bench(data: Path) -> None:
    single: dict[str, dict[str, object]] = {
        "basic/Gsm8kEval": {"source_text": SUM, "target_text": "42"},
        "basic/AlpacaEval": {"source_text": SUM},
        "basic/StoralEval": {"source_text": SUM, "target_text": ["42", "forty two"]},
        "basic/Repeat": {
            "source_text": "Repeat: the cat sat down.",
            "target_text": "The cat, sat down!",
        },
        "basic/Repeat-zh": {"source_text": "重复", "target_text": "你好世界"},
        "pro/GenStyle-en": {"source_text": SUM, "target_text": "42"},
    }
    for home, fields in single.items():
        question(data / home / "wav/0.wav")
        lines(data / home / "test.jsonl", [{"id": 0, "source_wav": "wav/0.wav", **fields}])
    talk = data / "pro/MtBenchEval-en"
    turns = []
    for number in (1, 2):
        question(talk / f"wav/0_{number}.wav")
        turn = {"source_wav": f"wav/0_{number}.wav", "source_text": SUM, "target_text": "42"}
        turns.append({"round": number, **turn})
    lines(talk / "test.jsonl", [{"id": 0, "num_round": 2, "dialogue": turns}])


MAKERS: dict[str, Callable[[Path], object]] = {
    "mmau": mmau,
    "mmsu": mmsu,
    "mmar": mmar,
    "big-bench-audio": big_bench_audio,
    "uro-bench": uro_bench,
}


def place(**row: Any) -> Place:
    return Place(Path("table.json"), 1, row)


def round_of(item: Item, reference: str) -> Round:
    """The question of an item, as an earlier turn."""
    return Round(item.sound, item.said, reference)
