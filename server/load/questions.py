"""What is asked, and what is right: a folder of recordings with a CSV file, as `soundmind eval` reads it.

Beside file, text and answer the CSV file may have the columns `after` (the file that has to have been said
before in the same conversation); `call` and `result`: the call that is expected, as JSON with a name and
arguments, and what the tool gives back; and `pauses`: the places between two words, in seconds, at which a
speaker may hesitate (without any, somewhere quiet is chosen, within a word if need be). `answer` is what the
reply to a result has, then; the tools offered are in `tools.json`, an array as the Realtime API has it. The
folder `questions` beside this file is for the embedded model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.evaluation.own import OwnError, recordings
from model.evaluation.scoring import occurs
from server.audio_file import RATE, read_pcm
from server.load.schedule import PAUSE, Sayable

PACKAGED = Path(__file__).parent / "questions"
LOUD = 655  # of 16-bit samples (2 %): from here on it is a voice

Wire = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Question:
    name: str
    pcm: bytes  # PCM16, mono, 24 kHz
    answer: str
    after: int | None = None
    call: Wire | None = None  # name, arguments
    result: str = ""
    pauses: tuple[float, ...] = ()  # seconds: where it may be interrupted by one

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (2 * RATE)

    @property
    def onset(self) -> float:
        """Seconds before the first voiced sample."""
        loud = np.flatnonzero(np.abs(np.frombuffer(self.pcm, "<i2").astype(np.int32)) >= LOUD)
        return float(loud[0]) / RATE if loud.size else 0.0

    @property
    def sayable(self) -> Sayable:
        return Sayable(self.seconds, self.after, self.call is not None)

    def right(self, reply: str) -> bool:
        return occurs(self.answer, reply)

    def called(self, items: list[Wire]) -> bool:
        """Whether these calls are the one that was expected."""
        return [{"name": item["name"], "arguments": json.loads(item["arguments"])} for item in items] == [
            self.call
        ]


def hesitating(question: Question, chance: float) -> bytes:
    """With a pause in it, at one of its own places; without any, where it is quietest within 0.2 s of a place
    drawn from its middle half."""
    samples = np.frombuffer(question.pcm, "<i2")
    if question.pauses:
        at = round(RATE * question.pauses[int(chance * len(question.pauses))])
    else:
        at = _quiet(samples, int(samples.size * (0.25 + 0.5 * chance)))
    return bytes(np.concatenate([samples[:at], np.zeros(int(PAUSE * RATE), "<i2"), samples[at:]]).tobytes())


def _quiet(samples: np.ndarray, middle: int) -> int:
    span = RATE // 100
    around = range(max(0, middle - RATE // 5), max(1, min(samples.size - span, middle + RATE // 5)), span)
    return min(around, key=lambda n: int(np.abs(samples[n : n + span].astype(np.int32)).sum()))


def questions(folder: Path) -> tuple[list[Question], list[Wire]]:
    """And the tools that are offered. Raises OwnError and AudioFileError."""
    rows = recordings(folder)
    places = {file.resolve(): n for n, (_, file) in enumerate(rows)}
    found = []
    for number, (row, file) in enumerate(rows, 2):
        where = f"{folder}: row {number}"
        after = None
        if named := (row.get("after") or "").strip():
            after = places.get((folder / named).resolve())
            if after is None:
                raise OwnError(f"{where}: after: expected another row's file, got {named!r}")
        call = _call((row.get("call") or "").strip(), where)
        result = (row.get("result") or "").strip()
        one = Question(file.name, read_pcm(file), row["answer"].strip(), after, call, result)
        found.append(replace(one, pauses=_pauses((row.get("pauses") or ""), one.seconds, where)))
    if any(one.after is not None and found[one.after].after is not None for one in found):
        raise OwnError(f"{folder}: after: expected a file that has itself nothing before it")
    return found, _tools(folder) if any(one.call for one in found) else []


def _call(text: str, where: str) -> Wire | None:
    if not text:
        return None
    try:
        call = json.loads(text)
    except ValueError as error:
        raise OwnError(f"{where}: call: expected JSON ({error})") from error
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        raise OwnError(f'{where}: call: expected {{"name": …, "arguments": {{…}}}}, got {text}')
    return call


def _pauses(text: str, seconds: float, where: str) -> tuple[float, ...]:
    try:
        places = tuple(float(place) for place in text.split())
    except ValueError as error:
        raise OwnError(f"{where}: pauses: expected seconds with spaces between, got {text!r}") from error
    if not all(0 <= place <= seconds for place in places):
        raise OwnError(f"{where}: pauses: expected seconds from 0 to {seconds:.2f}, got {text!r}")
    return places


def _tools(folder: Path) -> list[Wire]:
    path = folder / "tools.json"
    try:
        tools = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OwnError(f"{path}: calls need a JSON array of tools there ({error})") from error
    if not isinstance(tools, list):
        raise OwnError(f"{path}: expected a JSON array of tools")
    return tools
