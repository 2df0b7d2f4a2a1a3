"""From the last audio sample to the first token: a live session against a one-shot request.

    python -m benchmarks.first_token [--model nano] [--turns 10] [--out benchmarks/results]

One engine, one run, the two sides in turn. The live side is a whole Session that hears the audio at
speaking pace and is then told that the turn is over; the one-shot side gets the same audio at once, and
computes features, encoder and prefill from nothing. Neither contains the silence that a detector waits
for. Beside it: what one append costs after 1, 5 and 10 minutes of conversation. Raw numbers go to
first_token.json, the table to first_token.md, the plot to first_token.png.
It knows nothing of the network between client and server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
import uuid
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from model import checkpoint
from model.reasoning import Thinking
from model.windows import Windows
from streaming import ear
from streaming.audio import Resampler, decode_pcm16
from streaming.context import Context
from streaming.ear import Ear
from streaming.engine import VllmEngine
from streaming.events import (
    Encoding,
    Event,
    ReplyDelta,
    ResponseDone,
    ResponseRequest,
    SessionSettings,
    ThinkingDelta,
)
from streaming.listener import Listener
from streaming.microphone import RATE, RATE_IN
from streaming.session import Session
from streaming.speaker import Manner, speak
from streaming.vad import SpeechDetector

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"
SECONDS = (2, 5, 10, 20)
MINUTES = (1, 5, 10)
PACKET_MS = 20
LIMIT = 96  # tokens of reasoning and reply
CONTEXT = 16_384  # tokens: ten minutes and more


def speech(seconds: float, seed: int) -> NDArray[np.int16]:
    """Recorded questions one after the other, 24 kHz, in an order of its own a seed."""
    files = sorted(RECORDINGS.glob("*.wav"))
    order = np.random.default_rng(seed).permutation(len(files))
    blocks = []
    total = 0
    while total < seconds * RATE_IN:
        for i in order:
            samples, rate = soundfile.read(files[i], dtype="float32", always_2d=True)
            block = soxr.resample(samples.mean(axis=1), rate, RATE_IN)
            blocks.append(block)
            total += block.size
    whole = np.concatenate(blocks)[: int(seconds * RATE_IN)]
    pcm: NDArray[np.int16] = (whole * 32767).astype("<i2")
    return pcm


async def live(
    engine: VllmEngine,
    detector: SpeechDetector,
    pcm: NDArray[np.int16],
    windows: Windows | None = None,
    encoding: Encoding = "incremental",
) -> dict[str, float]:
    """Milliseconds from the last packet to the first thinking and the first reply token."""
    told: dict[str, float] = {}
    finished = asyncio.Event()

    def emit(event: Event) -> None:
        now = time.perf_counter()
        if isinstance(event, ThinkingDelta):
            told.setdefault("first_thinking", now)
        elif isinstance(event, ReplyDelta):
            told.setdefault("first_reply", now)
        elif isinstance(event, ResponseDone):
            told["cached"] = event.usage.cached
            told["prompt"] = event.usage.audio + event.usage.text
            finished.set()

    settings = SessionSettings(turn_detection=None, max_output_tokens=LIMIT, encoding=encoding)
    session = Session(engine, detector, emit, settings, windows=windows)
    running = asyncio.create_task(session.run())
    try:
        packet = RATE_IN * PACKET_MS // 1000
        begin = time.perf_counter()
        for n, at in enumerate(range(0, pcm.size, packet)):
            await asyncio.sleep(max(0.0, begin + n * PACKET_MS / 1000 - time.perf_counter()))
            session.append_audio(pcm[at : at + packet].tobytes())
        ended = time.perf_counter()
        session.commit()
        session.create_response(ResponseRequest())
        await finished.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return since(told, ended)


async def one_shot(engine: VllmEngine, pcm: NDArray[np.int16]) -> dict[str, float]:
    """The same for one request with all of the audio."""
    told: dict[str, float] = {}
    resampler = Resampler(RATE_IN, RATE)
    samples = np.concatenate([resampler.push(decode_pcm16(pcm.tobytes())), resampler.finish()])
    heard = (samples * 32767).astype(np.int16)
    ended = time.perf_counter()
    prompt = engine.prompt
    audio = ear.whole(uuid.uuid4().hex, heard, prompt, engine.n_mels)
    context = Context.of(prompt.human_open()) + audio + Context.of(prompt.human_close())
    async with aclosing(speak(engine, context, Manner(thinking=True, max_tokens=LIMIT))) as steps:
        async for step in steps:
            now = time.perf_counter()
            told["cached"], told["prompt"] = step.cached_tokens, len(context)
            for part in step.parts:
                told.setdefault("first_thinking" if isinstance(part, Thinking) else "first_reply", now)
    return since(told, ended)


def since(told: dict[str, float], ended: float) -> dict[str, float]:
    times = {k: (told[k] - ended) * 1000 for k in ("first_thinking", "first_reply") if k in told}
    return times | {k: told[k] for k in ("cached", "prompt")}


async def appends(engine: VllmEngine) -> dict[int, list[float]]:
    """Milliseconds that an append of 400 ms takes, 20 of them from each of MINUTES on."""
    confirmed = asyncio.Event()
    listener = Listener(engine, lambda seconds: confirmed.set())
    running = asyncio.create_task(listener.run())
    listener.append(Context.of(engine.prompt.human_open()), later=True)
    mouth = Ear(uuid.uuid4().hex, engine.prompt, engine.n_mels, Windows())
    pcm = speech(60, 0).astype(np.float32) / 32768
    minute = soxr.resample(pcm, RATE_IN, RATE)
    found: dict[int, list[float]] = {m: [] for m in MINUTES}
    heard = 0
    step = RATE * 4 // 10
    try:
        while heard < (MINUTES[-1] + 0.2) * 60 * RATE:
            at = heard % minute.size
            block = minute[at : at + step]
            heard += block.size
            settled = mouth.hear(block)
            if not settled:
                continue
            confirmed.clear()
            begin = time.perf_counter()
            listener.append(settled)
            await confirmed.wait()
            took = (time.perf_counter() - begin) * 1000
            for m in MINUTES:
                if heard >= m * 60 * RATE and len(found[m]) < 20:
                    found[m].append(took)
                    break
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found


def p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))


def table(raw: dict[str, Any]) -> str:
    rows = [
        "| speech | live, first thinking: median (p95) | one-shot: median (p95) | one-shot / live "
        "| live, first reply: median (p95) | tokens found in the prefix cache |",
        "|---|---|---|---|---|---|",
    ]
    for seconds in SECONDS:
        turns = raw["turns"][str(seconds)]
        sides = [[t["first_thinking"] for t in turns[side]] for side in ("live", "one_shot")]
        replies = [t["first_reply"] for t in turns["live"] if "first_reply" in t]
        (a, b), (a95, b95) = map(statistics.median, sides), map(p95, sides)
        reply = f"{statistics.median(replies):.0f} ms ({p95(replies):.0f})" if replies else "none"
        cached = statistics.median(t["cached"] / t["prompt"] for t in turns["live"])
        rows.append(
            f"| {seconds} s | {a:.0f} ms ({a95:.0f}) | {b:.0f} ms ({b95:.0f}) | {b / a:.1f} × | {reply} "
            f"| {cached:.0%} |"
        )
    first, last = (
        statistics.median(t["first_thinking"] for t in raw["turns"][str(s)]["live"])
        for s in (SECONDS[0], SECONDS[-1])
    )
    rows += ["", f"Live at {SECONDS[-1]} s against live at {SECONDS[0]} s: {last / first:.2f} ×.", ""]
    rows += ["| conversation so far | one append of 400 ms: median (p95) |", "|---|---|"]
    for minutes, took in raw["appends"].items():
        rows.append(f"| {minutes} min | {statistics.median(took):.1f} ms ({p95(took):.1f}) |")
    return "\n".join(rows) + "\n"


def plot(raw: dict[str, Any], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for side, name, colour in (
        ("one_shot", "one-shot request", "#c44e52"),
        ("live", "live session", "#4c72b0"),
    ):
        values = {s: [t["first_thinking"] for t in raw["turns"][str(s)][side]] for s in SECONDS}
        axes.plot(SECONDS, [statistics.median(v) for v in values.values()], "o-", color=colour, label=name)
        for seconds, points in values.items():
            axes.plot([seconds] * len(points), points, ".", color=colour, alpha=0.35)
    axes.set(xlabel="speech, seconds", ylabel="last sample to first token, ms", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=130)


async def measure(model: str, turns: int) -> dict[str, Any]:
    os.environ["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] = "1"  # only the cost of length is of interest here
    engine = await VllmEngine.start(checkpoint.resolve(model), ["--max-model-len", str(CONTEXT)])
    detector = SpeechDetector()
    raw: dict[str, Any] = {
        "model": model,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "turns": {},
    }
    try:
        for seconds in (1, *SECONDS):  # the first is a warm-up
            sides: dict[str, list[dict[str, float]]] = {"live": [], "one_shot": []}
            for turn in range(turns):
                pcm = speech(seconds, turn)
                sides["live"].append(await live(engine, detector, pcm))
                sides["one_shot"].append(await one_shot(engine, pcm))
            raw["turns"][str(seconds)] = sides
            medians = {k: statistics.median(t["first_thinking"] for t in v) for k, v in sides.items()}
            print(
                f"{seconds} s: live {medians['live']:.0f} ms, one-shot {medians['one_shot']:.0f} ms",
                flush=True,
            )
        raw["appends"] = await appends(engine)
    finally:
        await engine.close()
    return raw


def main() -> None:
    parser = argparse.ArgumentParser(description="Last audio sample to first token: live against one-shot.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--turns", type=int, default=10, help="of each length (default 10)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    raw = asyncio.run(measure(given.model, given.turns))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "first_token.json").write_text(json.dumps(raw, indent=1) + "\n")
    raw = json.loads((given.out / "first_token.json").read_text())
    (given.out / "first_token.md").write_text(table(raw))
    plot(raw, given.out / "first_token.png")
    print(table(raw))


if __name__ == "__main__":
    main()
