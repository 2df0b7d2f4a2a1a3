"""The folders of recordings can be read by `soundmind eval`, and say what is in them. Fetches nothing."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import people
from model.config import SAMPLE_RATE
from model.evaluation import own


def tone(hertz: float, seconds: float) -> np.ndarray:
    at = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def test_digits_are_told_one_by_one_and_in_strings(tmp_path: Path) -> None:
    folder = people.Folder(tmp_path, random.Random(1))
    people.digits(folder, "anna", {d: tone(100 * (d + 1), 0.4) for d in range(10)})
    folder.finish()
    cases = own.cases(tmp_path)
    alone = [c for c in cases if c.clip.voice == "anna"]
    strings = [c for c in cases if c.clip.voice == "anna, strings"]
    assert len(alone) == 10 * len(people.SPEEDS) and len(strings) == people.STRINGS
    for case in strings:
        count = len(case.reply.split())
        assert 2 <= count <= 4 and len(case.clip.words.split()) == count
        assert len(case.clip.samples) > count * 0.4 / max(people.SPEEDS) * SAMPLE_RATE


def test_a_slower_recording_is_longer_and_lower() -> None:
    slow = people.at_speed(tone(400, 1.0), 0.8)
    assert len(slow) == SAMPLE_RATE / 0.8
    assert np.abs(np.fft.rfft(slow[:SAMPLE_RATE])).argmax() == 320


def test_prompts_too_short_and_too_long_are_left_out(tmp_path: Path) -> None:
    folder = people.Folder(tmp_path / "beyond", random.Random(1))
    paths = [tmp_path / f"{seconds}.wav" for seconds in (0.5, 2.0, 9.0)]
    for path in paths:
        soundfile.write(path, np.stack([tone(300, float(path.stem))] * 2, 1), SAMPLE_RATE)
    people.beyond(folder, "en", paths)
    folder.finish()
    (case,) = own.cases(tmp_path / "beyond")
    assert (case.name, case.reply, case.clip.voice, case.transcript) == ("en-2.0.wav", "understand", "en", "")
