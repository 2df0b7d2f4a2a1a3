"""MMAU's files, with and without answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.evaluation.suites import mmau
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples


def test_as_published(tmp_path: Path) -> None:
    rows = samples.mmau(tmp_path)
    found = mmau.load(tmp_path)
    assert [(i.name, i.group) for i in found] == [(r["id"], r["task"]) for r in rows]
    assert found[0].question.startswith("What is heard? Please choose")
    assert found[0].choices == tuple(samples.CHOICES) and found[0].row == rows[0]
    assert mmau.score(found[0], "<RESPONSE>A tone</RESPONSE>") == 1
    assert mmau.score(found[0], "<RESPONSE>Rain</RESPONSE> or a tone") == 0


def test_withheld_answers_are_not_scored(tmp_path: Path) -> None:
    rows = samples.mmau(tmp_path)
    (tmp_path / "mmau-test-mini.json").unlink()
    (tmp_path / "mmau-test.json").write_text(
        json.dumps([{k: v for k, v in row.items() if k != "answer"} for row in rows])
    )
    assert mmau.score(mmau.load(tmp_path)[0], "A tone") is None


def test_what_has_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="expected mmau-test-mini.json or mmau-test.json, found nothing"):
        mmau.load(tmp_path)
    rows = samples.mmau(tmp_path)
    table = tmp_path / "mmau-test-mini.json"
    table.write_text(json.dumps([{k: v for k, v in row.items() if k != "answer"} for row in rows]))
    with pytest.raises(SuiteError, match="row 1: expected 'answer' with text, it has id, audio_id"):
        mmau.load(tmp_path)
    table.write_text(json.dumps([{**rows[0], "choices": "A tone, a dog"}]))
    with pytest.raises(SuiteError, match="expected 'choices' with a list of texts, got str"):
        mmau.load(tmp_path)
    table.write_text(json.dumps(rows))
    (tmp_path / "test-mini-audios/id-music.wav").unlink()
    with pytest.raises(SuiteError, match=r"row 2: no such file as './test-mini-audios/id-music.wav'"):
        mmau.load(tmp_path)
