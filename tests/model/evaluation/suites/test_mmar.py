"""MMAR's files: one of them longer than a piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.evaluation.suites import mmar, mmau
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples


def test_as_published(tmp_path: Path) -> None:
    samples.mmar(tmp_path)
    (found,) = mmar.load(tmp_path)
    assert (found.name, found.group, found.answer) == ("clip", "mix-sound-speech", "A tone")
    assert found.sound.clip("", False).seconds == pytest.approx(26.0, abs=0.01)
    assert mmau.score(found, "a tone") == 1


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="expected MMAR-meta.json or MMAR-meta.jsonl"):
        mmar.load(tmp_path)
