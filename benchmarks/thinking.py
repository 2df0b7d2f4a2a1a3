"""Thinking that costs no waiting: right answers, and the wait for the first word of the reply, by mode.

    python -m benchmarks.thinking [--model nano] [--count 300] [--callers 4] [--minutes 30] [--out …/results]

Multi-step questions about numbers, in voices and about numbers that nano was never trained on, each with a
pause of 300 ms in the middle, are spoken to whole Sessions at speaking pace: the detector finds the turn, the
listener hears it, the reply is a text. Each question is asked in every mode, by one caller, in an order of
its own, so that all modes meet the same load; several callers speak at once to one engine.

    off                        no thoughts
    think-then-speak           the reply once the thoughts have ended
    think-first, speak-first   mind-paced: beside the thoughts
    ahead                      think-then-speak, begun at the last pause, if nothing more comes (the default)
    while listening            the same, and what was thought at the pause before is carried on
    …, think-first             with both

The wait is counted from the end of the turn, which the detector finds after 500 ms of silence, and in tokens
of thoughts made since then; all tokens are also those that nobody heard. Resumes where it was broken off; the
answers go to thinking.json as they come, the table to thinking.md. Knows nothing of the network.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from benchmarks.first_token import PACKET_MS
from model import checkpoint
from model.config import SAMPLE_RATE
from model.evaluation import built, clips
from model.evaluation.case import Case, Outcome
from model.evaluation.scoring import interval, right
from streaming.engine import VllmEngine
from streaming.events import (
    Event,
    Pacing,
    ReplyStarted,
    ResponseDone,
    ResponseStarted,
    SessionSettings,
    SpeechStarted,
    ThinkingDelta,
)
from streaming.microphone import RATE_IN
from streaming.pacing import CORRECTION
from streaming.session import Session
from streaming.vad import SpeechDetector

FIRST, AT_ONCE = Pacing(), Pacing(speak_first=True)
MODES: dict[str, dict[str, Any]] = {
    "off": {"effort": "none", "speculation": False},
    "think-then-speak": {"speculation": False},
    "think-first": {"pacing": FIRST, "speculation": False},
    "speak-first": {"pacing": AT_ONCE, "speculation": False},
    "ahead": {},
    "while listening": {"while_listening": True},
    "while listening, think-first": {"while_listening": True, "pacing": FIRST},
}
INTENTS = ("three", "story", "product", "memory_follow")  # more than one step, most of them
LEAD_MS, PAUSE_MS, SILENCE_MS = 300, 300, 6000  # the last at most: the turn is over when its reply is
PATIENCE = 60.0  # seconds for a reply
LIMIT = 160  # tokens of thoughts and reply
WRITE_EVERY = 20  # answers
Answer = dict[str, Any]


# --- questions ---


def questions(count: int) -> list[Case]:
    """Those of several steps, in an order that is always the same. Raises ClipsError."""
    found = _several(clips.EACH_FAMILY)
    known = {case.name for case in found}
    lacking = max(0, count - len(found))
    more = _several(clips.EACH_FAMILY + lacking) if lacking else []
    return [*found, *(case for case in more if case.name not in known)][:count]


def _several(each: int) -> list[Case]:
    """Of tests with so many questions of a family."""
    said = [s for s in clips.held_out(each) if s.utterance.family == "numbers"]
    said = [s for s in said if s.utterance.intent in INTENTS]
    ordered = sorted(said, key=lambda s: (INTENTS.index(s.utterance.intent), s.seed))
    found = [built.case(s, {}) for s in ordered]
    return [case for case in found if case.number is not None and case.clip.voiced]


def audio(case: Case) -> NDArray[np.int16]:
    """At 24 kHz: the question with a pause where it is quietest, and silence around."""
    samples = case.clip.samples
    at = pause(samples)

    def silence(ms: int) -> NDArray[np.int16]:
        return np.zeros(ms * SAMPLE_RATE // 1000, np.int16)

    parts = [silence(LEAD_MS), samples[:at], silence(PAUSE_MS), samples[at:], silence(SILENCE_MS)]
    wide = soxr.resample(np.concatenate(parts).astype(np.float32) / 32768, SAMPLE_RATE, RATE_IN)
    pcm: NDArray[np.int16] = np.rint(wide.clip(-1, 1) * 32767).astype("<i2")
    return pcm


def pause(samples: NDArray[np.int16]) -> int:
    """The quietest place in the middle of it, likely between two words."""
    window = SAMPLE_RATE // 20
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(window), "valid")
    first, last = int(power.size * 0.35), int(power.size * 0.75)
    return first + int(np.argmin(power[first:last])) + window // 2


# --- asking ---


class Account:
    """What one question came to."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self._thoughts = ""
        self.ahead = 0  # tokens thought before the turn had ended, and taken over
        self.wasted = 0  # tokens that nobody heard
        self.before: int | None = None  # tokens of thoughts before the first word
        self.asked = False
        self.over = asyncio.Event()  # the newest reply is
        self.done: ResponseDone | None = None

    def speculated(self, promoted: bool, tokens: int) -> None:
        if promoted:
            self.ahead = tokens
        else:
            self.wasted += tokens

    def event(self, event: Event) -> None:
        match event:
            case ThinkingDelta(_, _, delta):
                self._thoughts += delta
            case ReplyStarted():
                self.before = len(self._engine.prompt.encode(self._thoughts))
            case SpeechStarted():  # perhaps once more: the pause was taken for the end
                self.asked = False
                self.over.clear()
            case ResponseStarted():
                self.asked = True
            case ResponseDone():
                self.done = event
                self.over.set()

    def answer(self, case: Case, mode: str) -> Answer:
        done = self.done
        base: Answer = {"question": case.name, "said": case.clip.words, "mode": mode}
        if done is None:
            return base | {"right": False, "error": "no reply"}
        timings, usage = done.timings, done.usage
        base |= {
            "right": right(case, Outcome(reply=done.text)),
            "reply": done.text,
            "expected": case.reply,
            "thinking": done.thinking,
            "corrected": CORRECTION in done.text.lower(),
            "tokens": usage.reasoning + usage.reply + self.wasted,
            "cached": usage.cached,
            "status": done.status,
        }
        if timings.first_reply is not None and timings.turn_ended is not None and self.before is not None:
            base["wait_ms"] = timings.first_reply - timings.turn_ended
            base["since_voice_ms"] = timings.first_reply
            base["wait_tokens"] = max(0, self.before - self.ahead)
        return base


async def ask(engine: VllmEngine, detector: SpeechDetector, case: Case, mode: str) -> Answer:
    """One question in a conversation of its own."""
    account = Account(engine)
    wanted = SessionSettings(case.instructions, max_output_tokens=LIMIT, **MODES[mode])
    session = Session(engine, detector, account.event, wanted, speculated=account.speculated)
    running = asyncio.create_task(session.run())
    pcm, packet = audio(case), RATE_IN * PACKET_MS // 1000
    try:
        begin = time.perf_counter()
        for number, at in enumerate(range(0, pcm.size, packet)):
            await asyncio.sleep(max(0.0, begin + number * PACKET_MS / 1000 - time.perf_counter()))
            session.append_audio(pcm[at : at + packet].tobytes())
            if account.asked and at > pcm.size - SILENCE_MS * RATE_IN // 1000:
                break  # the turn is over: the microphone is shut
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await account.over.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return account.answer(case, mode)


async def measure(model: str, cases: Sequence[Case], callers: int, minutes: float, kept: Kept) -> None:
    """Every question that has not been asked yet in every mode, until the time is over."""
    engine = await VllmEngine.start(checkpoint.resolve(model))
    detector = SpeechDetector()
    waiting = list(enumerate(cases))[::-1]
    try:
        await ask(engine, detector, cases[0], "think-first")  # a warm-up
        last = time.monotonic() + minutes * 60

        async def caller() -> None:
            while waiting and time.monotonic() < last:
                number, case = waiting.pop()
                names = list(MODES)
                for mode in (*names[number % len(names) :], *names[: number % len(names)]):
                    if not kept.has(case, mode):
                        kept.keep(await ask(engine, detector, case, mode))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(callers):
                tasks.create_task(caller())
    finally:
        await engine.close()
        kept.write()


# --- what came of it ---


def weights(folder: Path) -> str:
    """Which they are: another training is another measurement."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Kept:
    """The answers so far, in a file."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        """Those in the file are gone on with, if they are about the same. Raises ValueError."""
        self._folder, self._about = folder, about
        self._since = 0
        self.answers: list[Answer] = []
        path = folder / "thinking.json"
        if path.exists():
            raw = json.loads(path.read_text())
            if raw["about"] != about:
                raise ValueError(f"{path} is about something else: {raw['about']}; move it away")
            self.answers = raw["answers"]
        self._asked = {(answer["question"], answer["mode"]) for answer in self.answers}

    def has(self, case: Case, mode: str) -> bool:
        return (case.name, mode) in self._asked

    def keep(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._since += 1
        if self._since >= WRITE_EVERY:
            self.write()

    def write(self) -> None:
        self._since = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / "thinking.json.tmp"
        raw = {"about": self._about, "answers": self.answers}
        half.write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n")
        half.rename(self._folder / "thinking.json")
        (self._folder / "thinking.md").write_text(table(self.answers))


def table(answers: Sequence[Answer]) -> str:
    """Over the questions that were asked in every mode."""
    asked = [{a["question"] for a in answers if a["mode"] == mode} for mode in MODES]
    common = set.intersection(*asked)
    rows = [
        f"{len(common)} questions in every mode. 95 % intervals; waits are medians (and the 90th of 100).",
        "",
        "| mode | right, % | wait for the first word: tokens of thoughts | ms after the turn's end "
        "| ms after the last voiced sample | corrected | tokens in all |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        _row(mode, [a for a in answers if a["mode"] == mode and a["question"] in common]) for mode in MODES
    ]
    return "\n".join(rows) + "\n"


def _row(mode: str, of: Sequence[Answer]) -> str:
    if not of:
        return f"| {mode} |" + " - |" * 6
    count = sum(a["right"] for a in of)
    low, high = interval(count, len(of))
    waits = ([a[name] for a in of if name in a] for name in ("wait_tokens", "wait_ms", "since_voice_ms"))
    tokens = statistics.mean([a.get("tokens", 0) for a in of])
    corrected = sum(a.get("corrected", False) for a in of)
    cells = [f"{100 * count / len(of):.1f} ({100 * low:.1f} to {100 * high:.1f})", *map(_spread, waits)]
    return f"| {mode} | {' | '.join(cells)} | {corrected} | {tokens:.0f} |"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.0f} ({np.percentile(values, 90):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Right answers, and the wait for them, by mode of thinking.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--count", type=int, default=300, help="questions (300)")
    parser.add_argument("--callers", type=int, default=4, help="who speak at once (4)")
    parser.add_argument("--minutes", type=float, default=30, help="then it is broken off (30)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    about = {
        "model": given.model,
        "weights": weights(checkpoint.resolve(given.model)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "callers": given.callers,
    }
    kept = Kept(given.out, about)
    asyncio.run(measure(given.model, questions(given.count), given.callers, given.minutes, kept))
    print(table(kept.answers))


if __name__ == "__main__":
    main()
