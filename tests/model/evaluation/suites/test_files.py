"""What is missing in a table or a folder is told, with its place and with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from model.evaluation.suites import files
from model.evaluation.suites.item import SuiteError
from tests.model.evaluation.suites import samples
from tests.model.evaluation.suites.samples import place


def test_json_and_lines(tmp_path: Path) -> None:
    array, lines = tmp_path / "a.json", tmp_path / "b.jsonl"
    array.write_text('[{"id": 1}]')
    lines.write_text('\ufeff{"id": 1}\n\n{"id": 2}\n')
    assert [row["id"] for row in files.rows(array)] == [1]
    assert [p.row["id"] for p in files.places(lines)] == [1, 2]
    lines.write_text('[{"id": 3}]')  # as MMSU's script reads it
    assert [row["id"] for row in files.rows(lines)] == [3]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "expected JSON"),
        ("a.json", "{}", "expected an array of objects, got dict"),
        ("a.json", "[]", "at least one row"),
        ("a.json", "[1]", "row 1: expected an object, got int"),
        ("a.jsonl", '{"id": 1}\nnot', "line 2: expected JSON"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SuiteError, match=told):
        files.rows(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"none: no such folder \(expected a.json or b.json\)"):
        files.table(tmp_path / "none", "a.json", "b.json")
    (tmp_path / "other.json").touch()
    with pytest.raises(SuiteError, match="expected a.json, found other.json"):
        files.table(tmp_path, "a.json")
    with pytest.raises(SuiteError, match="cannot be read"):
        files.rows(tmp_path / "none.json")


def test_fields() -> None:
    row = place(id=7, choices=["a", "b"], answer={"text": "a"})
    assert (row.text("id"), row.texts("choices"), row.within("answer", "text")) == ("7", ("a", "b"), "a")
    assert row.text("none", needed=False) == ""
    with pytest.raises(SuiteError, match=r"table.json: row 1: expected 'task' with text, it has id, choices"):
        row.text("task")
    with pytest.raises(SuiteError, match="expected 'choices' with text, got list"):
        row.text("choices")
    with pytest.raises(SuiteError, match="expected 'id' with a list of texts, got int"):
        row.texts("id")
    with pytest.raises(SuiteError, match="expected 'id' with an object with 'text', got int"):
        row.within("id", "text")


def test_recordings(tmp_path: Path) -> None:
    samples.sound(tmp_path / "a.wav", seconds=0.5)
    assert place(audio="./a.wav").sound("audio", tmp_path).clip("", True).seconds == pytest.approx(
        0.5, abs=0.01
    )
    packed = place(audio={"bytes": (tmp_path / "a.wav").read_bytes(), "path": "a.wav"})
    assert packed.sound("audio", tmp_path).clip("", True).seconds == pytest.approx(0.5, abs=0.01)
    with pytest.raises(SuiteError, match="no such file as 'b.wav' in"):
        place(audio="b.wav").sound("audio", tmp_path)
    with pytest.raises(SuiteError, match="expected 'audio' with the path of a recording, got NoneType"):
        place(audio=None).sound("audio", tmp_path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_however_they_are_packed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    samples.question(path)
    clip = place(audio=path.name).sound("audio", tmp_path).clip("", True)
    assert clip.seconds == pytest.approx(soundfile.info(samples.QUESTION).duration, abs=0.1)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SuiteError, match=r"reading Parquet needs pyarrow: pip install 'soundmind\[suites\]'"):
        files.rows(tmp_path / "a.parquet")


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: an extra")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(
        pyarrow.Table.from_pylist([{"audio": {"bytes": b"x", "path": "x"}, "id": i} for i in range(99)]), path
    )
    found = files.places(path)
    assert [p.row["id"] for p in found] == list(range(99))
    assert found[98].sound("audio", tmp_path).data == b"x"
    path.write_bytes(b"none")
    with pytest.raises(SuiteError, match="expected Parquet"):
        files.rows(path)
