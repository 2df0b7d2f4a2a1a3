"""Tables as benchmarks publish them: JSON arrays, JSON lines and Parquet; every lack is told with its place.

Knows no benchmark. Parquet needs pyarrow, which is an extra.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.evaluation.suites.item import Sound, SuiteError

Row = Mapping[str, Any]
PARQUET = "pip install 'soundmind[suites]'"
SHOWN = 12  # names in an error


def folder(path: Path, expected: str) -> Path:
    """Raises SuiteError."""
    if not path.is_dir():
        raise SuiteError(f"{path}: no such folder (expected {expected})")
    return path


def table(data: Path, *names: str) -> Path:
    """The first of these files that is there; a name may be a pattern. Raises SuiteError."""
    folder(data, " or ".join(names))
    for name in names:
        if found := sorted(data.glob(name)):
            return found[0]
    there = _some(path.name for path in sorted(data.iterdir()))
    raise SuiteError(f"{data}: expected {' or '.join(names)}, found {there}")


def rows(path: Path) -> list[Row]:
    """Of a JSON array, of JSON lines, or of a Parquet file. Raises SuiteError."""
    if path.suffix == ".parquet":
        return list(_parquet(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: cannot be read ({error})") from error
    found = _lines(path, text) if path.suffix == ".jsonl" else _array(path, text)
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise SuiteError(f"{path}: row {number}: expected an object, got {type(row).__name__}")
    if not found:
        raise SuiteError(f"{path}: expected at least one row")
    return found


def _array(path: Path, text: str) -> list[Any]:
    """MMSU's script reads a JSON array from a file that it calls .jsonl: both are taken for what they are."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SuiteError(f"{path}: expected JSON ({error})") from error
    if not isinstance(found, list):
        raise SuiteError(f"{path}: expected an array of objects, got {type(found).__name__}")
    return found


def _lines(path: Path, text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        return _array(path, text)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise SuiteError(f"{path}: line {number}: expected JSON ({error})") from error
    return found


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise SuiteError(f"{path}: reading Parquet needs pyarrow: {PARQUET}") from error
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SuiteError(f"{path}: expected Parquet ({error})") from error


class Place:
    """A row with where it stands."""

    def __init__(self, path: Path, number: int, row: Row) -> None:
        self.path, self.number, self.row = path, number, row

    def text(self, name: str, *, needed: bool = True) -> str:
        """A field's text; numbers are taken as text. Raises SuiteError."""
        value = self.row.get(name)
        if value is None and not needed:
            return ""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
        raise self.lacks(name, "text", value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Raises SuiteError."""
        value = self.row.get(name)
        if (
            isinstance(value, Sequence)
            and not isinstance(value, str)
            and all(isinstance(v, str) for v in value)
        ):
            return tuple(value)
        raise self.lacks(name, "a list of texts", value)

    def within(self, name: str, inner: str) -> str:
        """The text of a field of a field. Raises SuiteError."""
        value = self.row.get(name)
        if not isinstance(value, Mapping):
            raise self.lacks(name, f"an object with {inner!r}", value)
        return Place(self.path, self.number, value).text(inner)

    def sound(self, name: str, data: Path) -> Sound:
        """A path from the folder on, or a table's {bytes, path}. Raises SuiteError."""
        value = self.row.get(name)
        if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
            return Sound(Path(f"{self.path}: row {self.number}"), value["bytes"])
        if not isinstance(value, str):
            raise self.lacks(name, "the path of a recording", value)
        if not (found := data / value).is_file():
            raise SuiteError(f"{self.path}: row {self.number}: no such file as {value!r} in {data}")
        return Sound(found)

    def lacks(self, name: str, expected: str, got: object) -> SuiteError:
        there = _some(self.row)
        is_there = f"got {type(got).__name__}" if name in self.row else f"it has {there}"
        return SuiteError(f"{self.path}: row {self.number}: expected {name!r} with {expected}, {is_there}")


def places(path: Path) -> list[Place]:
    """Raises SuiteError."""
    return [Place(path, number, row) for number, row in enumerate(rows(path), 1)]


def _some(names: Iterator[str] | Mapping[str, Any]) -> str:
    every = list(names)
    return ", ".join(every[:SHOWN]) + (", …" if len(every) > SHOWN else "") if every else "nothing"
