"""What has been predicted and judged so far, in files that only grow: a second run goes on where one ended.

    settings.json        how it was asked; a folder holds one way only
    predictions.jsonl    a line for each question and run
    judgements.jsonl     a line for each of them that a judge has told

A line that was being written when the run ended is cut off. Of several lines for one prediction the last
counts. Knows no benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model.evaluation.suites.item import SuiteError

Record = dict[str, Any]
Key = tuple[str, int]  # question and run


class Ledger:
    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Raises SuiteError where the folder has predictions of another kind, or cannot be written."""
        self.folder = folder
        self._predictions, self._judgements = folder / "predictions.jsonl", folder / "judgements.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._settle(folder / "settings.json", dict(settings))
            self.predictions = _read(self._predictions)
            self.judgements = _read(self._judgements)
        except OSError as error:
            raise SuiteError(f"{folder}: cannot be used ({error})") from error

    def _settle(self, path: Path, settings: Record) -> None:
        if not path.exists():
            path.write_text(json.dumps(settings, indent=1) + "\n")
            return
        try:
            before = json.loads(path.read_text())
        except ValueError as error:
            raise SuiteError(f"{path}: expected JSON ({error})") from error
        differing = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
        if differing:
            name = differing[0]
            told = f"{name} was {before.get(name)!r} and is {settings.get(name)!r}"
            raise SuiteError(
                f"{self.folder} has predictions made another way ({told}): expected another --out"
            )

    def predicted(self, key: Key) -> bool:
        """It has an answer; one that failed is asked again."""
        return key in self.predictions and self.predictions[key].get("error") is None

    def predict(self, records: Iterable[Record]) -> None:
        self.predictions |= _write(self._predictions, records)

    def judge(self, records: Iterable[Record]) -> None:
        self.judgements |= _write(self._judgements, records)


def _read(path: Path) -> dict[Key, Record]:
    if not path.exists():
        return {}
    whole = path.read_bytes()
    if (end := whole.rfind(b"\n") + 1) < len(whole):
        with path.open("r+b") as file:
            file.truncate(end)
    found = {}
    for number, line in enumerate(whole[:end].decode().splitlines(), 1):
        try:
            record = json.loads(line)
            found[str(record["id"]), int(record["run"])] = record
        except (ValueError, KeyError, TypeError) as error:
            raise SuiteError(f"{path}: line {number}: expected an object with id and run") from error
    return found


def _write(path: Path, records: Iterable[Record]) -> dict[Key, Record]:
    records = list(records)
    with path.open("a") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return {(record["id"], record["run"]): record for record in records}
