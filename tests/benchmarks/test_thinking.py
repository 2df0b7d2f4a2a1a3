"""The table of the modes of thinking: what is counted, and where it goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sureness import said
from benchmarks.sureness import table as sureness
from benchmarks.thinking import (
    LEAD_MS,
    MODES,
    PAUSE_MS,
    SILENCE_MS,
    Answer,
    Kept,
    audio,
    pause,
    table,
    weights,
)
from model.evaluation.case import Case, Clip
from streaming.events import Pacing


def case(name: str = "three 1") -> Case:
    """Two tones with a gap between them, a little behind the middle."""
    tone = (8000 * np.sin(np.arange(16_000) * 0.3)).astype(np.int16)
    samples = np.concatenate([tone, np.zeros(1600, np.int16), tone[:12_000]])
    return Case(name, "numbers", "three", Clip("one and two", "v", samples), "3.", number=3)


def answer(question: str, mode: str, **fields: object) -> Answer:
    return {"question": question, "mode": mode, "right": True, "tokens": 40, **fields}


def test_the_pause_is_where_it_is_quiet() -> None:
    assert 16_000 <= pause(case().clip.samples) <= 17_600
    samples = audio(case())
    wanted = len(case().clip.samples) / 16 + LEAD_MS + PAUSE_MS + SILENCE_MS
    assert len(samples) / 24 == pytest.approx(wanted, abs=1)
    assert not samples[int(24 * (LEAD_MS + 1040)) : int(24 * (LEAD_MS + 1040 + PAUSE_MS))].any()


def test_it_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    kept = Kept(tmp_path, {"model": "nano"})
    kept.keep(answer("three 1", "off"))
    kept.write()
    again = Kept(tmp_path, {"model": "nano"})
    assert again.has(case(), "off") and not again.has(case(), "ahead")
    with pytest.raises(ValueError, match="something else"):
        Kept(tmp_path, {"model": "another"})


def test_only_questions_that_were_asked_in_every_mode_count() -> None:
    every = [answer(q, mode, wait_ms=10.0, wait_tokens=3) for q in ("a", "b") for mode in MODES]
    told = table([*every[:-1], {**every[-1], "right": False}, answer("c", "off", right=False)])
    lines = told.splitlines()
    assert lines[0].startswith("2 questions")
    assert lines[-1].startswith("| while listening, think-first | 50.0 (") and "| 100.0 (" in lines[-2]
    assert "| 3 (3) | 10 (10) | - | 0 | 40 |" in lines[-1]
    assert table([]).count("| - |") >= len(MODES)


def test_other_weights_are_another_measurement(tmp_path: Path) -> None:
    (tmp_path / "decoder.safetensors").write_bytes(b"one")
    first = weights(tmp_path)
    (tmp_path / "decoder.safetensors").write_bytes(b"two")
    assert weights(tmp_path) != first


def test_what_a_bar_lets_through_is_reckoned_from_the_probabilities() -> None:
    begun = [("27", 1, 1.0, None), (" is", 1, 0.99, None), (" ", 1, 1.0, None), ("43.", 1, 0.6, "stop")]
    assert said(begun, Pacing(sure=0.9)) == ["27", "is"]
    assert said(begun, Pacing(sure=0.5)) == ["27", "is", "43"]
    told = sureness([{"reply": "27 is 42.", "begun": {"0": begun, "16": begun}}])
    assert "| 0.5 | 3.0, 1 |" in told and "| 0.9 | 2.0, 0 |" in told
