"""A folder of the user's own recordings as cases.

    recordings.csv        one CSV file, any name, with the heading file,text,answer
    sums/one.wav          any audio, named in the column `file` from the folder on

`text` is what is said (it may be empty: then no transcript is scored). `answer` is right where it stands in
the reply as whole words; digits one by one are a number. Without the column `file`, row by row the recordings
of the folder in the order of their names. `voice` may name the speaker; other columns are passed over. Knows
no network.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from model.config import SAMPLE_RATE
from model.errors import UserError
from model.evaluation.case import Case, Clip
from model.evaluation.scoring import words
from model.training.world.core import Effort

NEEDED = ("text", "answer")
SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aif .aiff .au .w64 .caf".split())


class OwnError(UserError, ValueError):
    """The folder cannot be used; one line that says what was expected."""


def cases(folder: Path, instructions: str = "", effort: Effort = "medium") -> list[Case]:
    """Every row of the folder's CSV file. Raises OwnError."""
    found = []
    for row, file in recordings(folder):
        answer = row["answer"].strip()
        clip = Clip(" ".join(words(row["text"])), (row.get("voice") or "").strip(), read(file))
        found.append(
            Case(
                str(file.relative_to(folder)),
                "own",
                "own",
                clip,
                answer,
                suite="own",
                instructions=instructions,
                effort=effort,
                contained=True,
                transcript=clip.words,
            )
        )
    return found


def recordings(folder: Path) -> list[tuple[dict[str, str], Path]]:
    """Every row, with its file. Raises OwnError."""
    table = _table(folder)
    rows = _rows(table)
    for number, row in enumerate(rows, 2):
        if not words(row["answer"]):
            raise OwnError(f"{table}: row {number}: expected an answer with a letter or a digit")
    return list(zip(rows, _files(folder, table, rows), strict=True))


def _table(folder: Path) -> Path:
    if not folder.is_dir():
        raise OwnError(f"{folder}: no such folder (expected recordings and a CSV file with file,text,answer)")
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        named = ", ".join(path.name for path in tables) or "none"
        raise OwnError(f"{folder}: expected one CSV file with the heading file,text,answer, got {named}")
    return tables[0]


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            heading = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            if missing := [name for name in NEEDED if name not in heading]:
                got = ",".join(heading) or "nothing"
                lacks = " and ".join(missing)
                raise OwnError(f"{table}: the heading lacks {lacks}: expected file,text,answer, got {got}")
            reader.fieldnames = heading
            rows = list(reader)
    except OSError as error:
        raise OwnError(f"{table}: cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise OwnError(f"{table}: expected CSV in UTF-8 ({error})") from error
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise OwnError(
                f"{table}: row {number}: expected {len(heading)} fields (commas in a text: quote it)"
            )
    if not rows:
        raise OwnError(f"{table}: expected at least one row below the heading")
    return rows


def _files(folder: Path, table: Path, rows: list[dict[str, str]]) -> list[Path]:
    """The recording of each row."""
    if "file" in rows[0]:
        found = []
        for number, row in enumerate(rows, 2):
            name = row["file"].strip()
            path = folder / name
            if not name or not path.is_file():
                raise OwnError(f"{table}: row {number}: no such file as {name!r}")
            found.append(path)
        return found
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if len(found) != len(rows):
        raise OwnError(
            f"{folder}: {len(rows)} rows, {len(found)} recordings: without a column `file` they go one by one"
        )
    return found


def read(path: Path, data: bytes | None = None) -> NDArray[np.int16]:
    """16 kHz, mono; `data`: what the file would hold. Raises OwnError."""
    try:
        file = path if data is None else io.BytesIO(data)
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError, RuntimeError, ValueError) as error:
        reason = getattr(error, "error_string", error)
        raise OwnError(f"{path}: expected audio (WAV, FLAC, OGG, MP3 …): {reason}") from error
    if not samples.size:
        raise OwnError(f"{path}: there is no sound in it (0 samples)")
    if not np.isfinite(samples).all():
        raise OwnError(f"{path}: expected numbers, some samples are NaN or infinite")
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    pcm: NDArray[np.int16] = np.rint(mono.clip(-1, 1) * 32767).astype(np.int16)
    return pcm
