"""What was asked for, from recordings in a folder to the files of the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.evaluation import report
from server.config import ConfigError
from server.evaluate import Offline, Wanted, cases, evaluate, write
from tests import checkpoints


async def test_own_recordings(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "tiny")
    own = tmp_path / "own"
    own.mkdir()
    soundfile.write(own / "a.wav", 0.1 * np.sin(np.arange(4800) * 0.1), 16_000)
    (own / "table.csv").write_text("file,text,answer\na.wav,hello,Hello\n")
    wanted = Wanted(folder=own, conditions=("clean", "noise"))
    asked = cases(wanted)
    assert [c.condition for c in asked] == ["clean", "noise"]
    told: list[str] = []
    offline = Offline(str(tmp_path / "tiny"), told.append, limit=4)
    found = await evaluate(wanted, asked, offline)
    assert [a.encoding for a in found] == ["incremental"] * 2 + ["refined"] * 2
    assert offline.ends(wanted) == [] and len(told) == 4
    write(tmp_path / "out", found, report.tables(found), "soundmind eval own")
    raw = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert [(r["name"], r["expected"]) for r in raw[:1]] == [("a.wav", "Hello")]
    assert "Your recordings" in (tmp_path / "out" / "eval.md").read_text()
    assert (tmp_path / "out" / "eval.svg").read_text().startswith("<svg")


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="conditions: expected some of clean,noise,telephone, got 'loud'"):
        Wanted(conditions=("loud",))
    with pytest.raises(ConfigError, match="count: expected 1 or more"):
        Wanted(count=0)
