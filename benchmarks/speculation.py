"""Thinking ahead at a pause: how much sooner replies come, and what it costs in tokens.

    python -m benchmarks.speculation [--model nano] [--turns 10] [--out benchmarks/results]

Recorded questions are spoken to a whole Session at speaking pace, silence behind them, with and without
speculation in turn, under server_vad and semantic_vad. Every other question has a pause of 350 ms in it: too
short to end the turn, long enough to think for nothing. Times count from the last voiced sample. Raw numbers
go to speculation.json, the table to speculation.md. It knows nothing of the network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.first_token import LIMIT, PACKET_MS, RECORDINGS
from model import checkpoint
from streaming.engine import VllmEngine
from streaming.events import Event, ResponseDone, SemanticVad, ServerVad, SessionSettings
from streaming.microphone import RATE_IN
from streaming.session import Session
from streaming.vad import SpeechDetector

OTHERS = ("two-questions",)  # no single turn
PAUSE_MS = 350
SILENCE_MS = 6000  # at most; the turn is over when its reply is
DETECTIONS: dict[str, ServerVad | SemanticVad] = {"server_vad": ServerVad(), "semantic_vad": SemanticVad()}
TIMES = ("turn_ended", "first_thinking", "first_reply", "done")


def question(turn: int) -> NDArray[np.int16]:
    """One recorded question, with a pause in the middle of every other one, and silence."""
    files = [file for file in sorted(RECORDINGS.glob("*.wav")) if file.stem not in OTHERS]
    samples, rate = soundfile.read(files[turn % len(files)], dtype="float32")
    spoken = (soxr.resample(samples, rate, RATE_IN) * 32767).astype("<i2")
    middle = spoken.size // 2 if turn % 2 else 0
    pause, silence = (np.zeros(ms * RATE_IN // 1000, "<i2") for ms in (PAUSE_MS * (turn % 2), SILENCE_MS))
    return np.concatenate([spoken[:middle], pause, spoken[middle:], silence])


async def turn(
    engine: VllmEngine, detector: SpeechDetector, pcm: NDArray[np.int16], settings: SessionSettings
) -> dict[str, Any]:
    """One conversation of one question: its times, and its tokens by what became of them."""
    replies: list[ResponseDone] = []
    tokens = {"promoted": 0, "wasted": 0}
    became: list[bool] = []

    def emit(event: Event) -> None:
        if isinstance(event, ResponseDone):
            replies.append(event)

    def speculated(promoted: bool, count: int) -> None:
        tokens["promoted" if promoted else "wasted"] += count
        became.append(promoted)

    session = Session(engine, detector, emit, settings, speculated=speculated)
    running = asyncio.create_task(session.run())
    try:
        packet = RATE_IN * PACKET_MS // 1000
        begin = time.perf_counter()
        spoken = pcm.size - SILENCE_MS * RATE_IN // 1000
        for n, at in enumerate(range(0, pcm.size, packet)):
            await asyncio.sleep(max(0.0, begin + n * PACKET_MS / 1000 - time.perf_counter()))
            session.append_audio(pcm[at : at + packet].tobytes())
            if at > spoken and any(reply.status != "cancelled" for reply in replies):
                break
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    last = replies[-1] if replies else None
    used = last.usage.reasoning + last.usage.reply if last else 0
    return {
        "times": asdict(last.timings) if last else {},
        "replies": len(replies),
        "used": used,
        "became": became,
        **tokens,
    }


def median(turns: list[dict[str, Any]], name: str) -> float | None:
    values = [t["times"][name] for t in turns if t["times"].get(name) is not None]
    return statistics.median(values) if values else None


def table(raw: dict[str, Any]) -> str:
    rows = [
        "| turn detection | speculation | turn over, ms | first thinking, ms | first reply, ms | done, ms "
        "| turns promoted | tokens thought ahead and used | tokens wasted, of those of replies |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, sides in raw["turns"].items():
        for side, turns in sides.items():
            medians = (median(turns, time) for time in TIMES)
            cells = ["-" if m is None else f"{m:.0f}" for m in medians]
            used, wasted = sum(t["used"] for t in turns), sum(t["wasted"] for t in turns)
            share = f"{wasted} ({wasted / used:.0%})" if used else str(wasted)
            promoted = sum(any(t["became"]) for t in turns)
            ahead = sum(t["promoted"] for t in turns)
            rows.append(
                f"| {name} | {side} | {' | '.join(cells)} | {promoted} of {len(turns)} | {ahead} | {share} |"
            )
    return "\n".join(rows) + "\n"


async def measure(model: str, turns: int) -> dict[str, Any]:
    engine = await VllmEngine.start(checkpoint.resolve(model))
    detector = SpeechDetector()
    raw: dict[str, Any] = {
        "model": model,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "turns": {},
    }
    try:
        await turn(engine, detector, question(0), SessionSettings(max_output_tokens=LIMIT))  # a warm-up
        for name, detection in DETECTIONS.items():
            sides: dict[str, list[dict[str, Any]]] = {"off": [], "on": []}
            for number in range(turns):
                for side, found in sides.items():
                    settings = SessionSettings(
                        turn_detection=detection, max_output_tokens=LIMIT, speculation=side == "on"
                    )
                    found.append(await turn(engine, detector, question(number), settings))
            raw["turns"][name] = sides
            print(table({"turns": {name: sides}}), flush=True)
    finally:
        await engine.close()
    return raw


def main() -> None:
    parser = argparse.ArgumentParser(description="Thinking ahead at a pause: time saved, and tokens spent.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--turns", type=int, default=10, help="of each kind (default 10)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    raw = asyncio.run(measure(given.model, given.turns))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "speculation.json").write_text(json.dumps(raw, indent=1) + "\n")
    (given.out / "speculation.md").write_text(table(raw))
    print(table(raw))


if __name__ == "__main__":
    main()
