"""Questions: the same by their names, none of the evaluation among them, encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.training import corpus, features, voices
from model.training.mgrd import cognition, questions
from model.training.mgrd.questions import TEXT, hearing, perception, seen, typed, utterance_of
from model.training.voices import Line


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many takes were encoded each time; speech is a tone, and no corpus is there."""
    told: list[int] = []

    def encode(ears: object, takes: Sequence[np.ndarray], chunked: Sequence[bool]) -> list[np.ndarray]:
        told.append(len(takes))
        assert all(chunked)
        return [
            np.full((len(take) // 1280 + 1, features.SEEN), len(take) % 999, np.float16) for take in takes
        ]

    def speak(lines: Sequence[Line]) -> list[np.ndarray]:
        return [0.3 * np.sin(np.arange(8000 + 100 * len(line.text)) / 9).astype(np.float32) for line in lines]

    monkeypatch.setattr(features, "encode", encode)
    monkeypatch.setattr(voices, "speak", speak)
    monkeypatch.setattr(corpus, "parts", lambda held_out: [])
    return told


def test_typed_questions_are_the_same_each_time_and_need_no_ear() -> None:
    found = typed(20, "questions")
    assert [q.said for q in found] == [q.said for q in typed(20, "questions")]
    assert {q.said.family for q in found} == set(TEXT)
    assert all(not q.spoken and not q.said.held_out and q.expected.steps for q in found)
    assert all(q.said.held_out for q in typed(5, "questions", held_out=True))


def test_spoken_questions_are_made_once(tmp_path: Path, encoded: list[int]) -> None:
    ears = checkpoint.load(checkpoint.NANO).encoder
    found = perception(ears, tmp_path, 6)
    assert len(found) == 6 and encoded == [6]
    for question in found:
        assert question.spoken and question.said.family == "perception" and not question.said.held_out
        assert question.heard and question.samples is not None
        assert 0 < question.heard.complete_from <= len(question.heard.seen) + 1
    again = perception(ears, tmp_path, 6)
    assert encoded == [6]
    for a, b in zip(found, again, strict=True):
        assert a.said == b.said and a.expected == b.expected and a.heard and b.heard
        assert np.array_equal(a.heard.seen, b.heard.seen) and np.array_equal(a.samples, b.samples)  # type: ignore[arg-type]


def test_other_takes_are_encoded_anew(tmp_path: Path, encoded: list[int]) -> None:
    ears, path = checkpoint.load(checkpoint.NANO).encoder, tmp_path / "seen.npz"
    takes = [np.zeros(n, np.float32) for n in (3000, 5000)]
    first = seen(ears, takes, path)
    assert all(np.array_equal(a, b) for a, b in zip(first, seen(ears, takes, path), strict=True))
    seen(ears, takes[:1], path)
    assert encoded == [2, 1]


def test_whether_it_hears_is_asked_in_wordings_of_their_own(tmp_path: Path, encoded: list[int]) -> None:
    ears = checkpoint.load(checkpoint.NANO).encoder
    trained, tested = (hearing(ears, tmp_path, 12, held_out) for held_out in (False, True))
    assert not {q.said.words for q in trained} & {q.said.words for q in tested}
    assert {q.expected.reply for q in (*trained, *tested)} == {cognition.HEARS}
    assert utterance_of("test hearing 3", "cognition").held_out
    assert questions.expected(trained[0].said).reply == cognition.HEARS
