"""A folder of recordings: found by name or by order, and every fault in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.evaluation.own import OwnError, cases

SOUND = 0.1 * np.sin(np.arange(4800) * 0.1)


def folder(path: Path, table: str, *names: str) -> Path:
    (path / "recordings.csv").write_text(table)
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        soundfile.write(path / name, np.stack([SOUND, SOUND], 1), 24_000)
    return path


def test_files_by_name(tmp_path: Path) -> None:
    table = 'File, text,answer,voice\nsums/b.wav,"What is 7, plus 5?",12,me\na.flac,,seven\n'.replace(
        "seven\n", "seven,\n"
    )
    first, second = cases(folder(tmp_path, table, "sums/b.wav", "a.flac"), "Be kind.", "none")
    assert (first.name, first.reply, first.transcript) == ("sums/b.wav", "12", "what is 7 plus 5")
    assert (first.instructions, first.effort, first.clip.voice) == ("Be kind.", "none", "me")
    assert abs(first.clip.seconds - 0.2) < 0.01
    assert second.transcript == "" and second.contained


def test_files_in_order(tmp_path: Path) -> None:
    found = cases(folder(tmp_path, "text,answer\nseven,7\neight,8\n", "b.wav", "a.wav"))
    assert [(c.name, c.reply) for c in found] == [("a.wav", "7"), ("b.wav", "8")]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("file,text\na.wav,x\n", "the heading lacks answer: expected file,text,answer, got file,text"),
        ("", "the heading lacks text and answer"),
        ("file,text,answer\n", "at least one row"),
        ("file,text,answer\nb.wav,x,1\n", "row 2: no such file as 'b.wav'"),
        ("file,text,answer\na.wav,x,...\n", "row 2: expected an answer"),
        ("file,text,answer\na.wav,x, y,1\n", "row 2: expected 3 fields"),
        ("file,text,answer\na.wav,x\n", "row 2: expected 3 fields"),
        ("text,answer\nx,1\ny,2\n", "2 rows, 1 recordings"),
        ("file,text,answer\nbad.wav,x,1\n", "bad.wav: expected audio"),
    ],
)
def test_faults(tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    made = folder(tmp_path, table, "a.wav")
    if "bad" not in table:
        (tmp_path / "bad.wav").unlink()
    with pytest.raises(OwnError, match=told.replace(".", r"\.")):
        cases(made)


def test_no_folder_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(OwnError, match="no such folder"):
        cases(tmp_path / "none")
    with pytest.raises(OwnError, match=r"expected one CSV file .* got none"):
        cases(tmp_path)
