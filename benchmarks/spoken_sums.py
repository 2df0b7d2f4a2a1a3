"""Spoken sums through the whole live path: every recording is spoken to a server at speaking pace.

    python -m model.training.sums FOLDER                 (makes the recordings: voices never trained on)
    python -m benchmarks.spoken_sums FOLDER [--url ws://…] [--callers 2] [--out benchmarks/results]

What counts as right: the last number in the reply is the sum. Without --url it starts a server of its own.
Raw answers go to spoken_sums.json. It knows the Realtime API and nothing of the server's inside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from server.ask import Wishes, ask
from server.audio_file import read_pcm
from server.config import load
from server.serving import serve
from server.shutdown import Shutdown


class Silent:
    """A report that prints nothing."""

    def event(self, event: dict[str, Any]) -> None:
        pass

    summary = event


def last_number(reply: str) -> int | None:
    found = re.findall(r"\d+", reply)
    return int(found[-1]) if found else None


def interval(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


async def ask_all(url: str, folder: Path, callers: int) -> list[dict[str, Any]]:
    """Each recording in a conversation of its own, `callers` at once."""
    waiting = list(json.loads((folder / "manifest.json").read_text()))
    total = len(waiting)
    answers: list[dict[str, Any]] = []

    async def caller() -> None:
        while waiting:
            entry = waiting.pop()
            turns = (await ask(url, read_pcm(folder / entry["file"]), Silent(), Wishes())).turns
            last = turns[-1] if turns else None
            answer: dict[str, Any] = {
                "turns": len(turns),
                "heard": None,
                "thinking": "",
                "reply": "",
                "timings": {},
            }
            if last:
                answer |= {"heard": last.heard, "thinking": last.thinking, "reply": last.reply}
                answer["timings"] = last.timings
            right = len(turns) == 1 and last_number(answer["reply"]) == entry["answer"]
            answers.append(entry | answer | {"right": right})
            if len(answers) % 20 == 0:
                print(f"{len(answers)} of {total}: {sum(a['right'] for a in answers)} right", flush=True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(caller())
    return sorted(answers, key=lambda a: str(a["file"]))


def table(answers: list[dict[str, Any]]) -> str:
    voices = defaultdict(list)
    for answer in answers:
        voices[answer["voice"]].append(answer["right"])
    rows = ["| voice | right | of |", "|---|---|---|"]
    rows += [f"| {voice} | {sum(v)} | {len(v)} |" for voice, v in sorted(voices.items())]
    right, n = sum(a["right"] for a in answers), len(answers)
    low, high = interval(right, n)
    rows.append(f"| **all** | **{right}** ({right / n:.1%}, 95 % interval {low:.1%} to {high:.1%}) | {n} |")
    heard = [a["heard"] == a["text"] for a in answers]
    rows += ["", f"Heard to the word: {sum(heard)} of {n}."]
    for name in ("turn_ended_ms", "first_thinking_ms", "first_reply_ms"):
        times = [a["timings"][name] for a in answers if a["timings"].get(name) is not None]
        if times:
            rows.append(f"{name}: median {statistics.median(times):.0f}, of {len(times)}.")
    return "\n".join(rows) + "\n"


async def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    if given.url:
        return await ask_all(given.url, given.folder, given.callers)
    answers: list[dict[str, Any]] = []

    async def visit(url: str) -> None:
        answers.extend(await ask_all(url, given.folder, given.callers))

    config = load({"model": given.model, "port": 0}, {}, None)
    await serve(config, print, Shutdown(), visit, stay=False)
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description="Spoken sums through the live path.")
    parser.add_argument("folder", type=Path, help="recordings and manifest.json")
    parser.add_argument("--url", help="a running server; without it one is started")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--callers", type=int, default=2, help="conversations at once (default 2)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    answers = asyncio.run(measure(given))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "spoken_sums.json").write_text(json.dumps(answers, indent=1) + "\n")
    (given.out / "spoken_sums.md").write_text(table(answers))
    print(table(answers))


if __name__ == "__main__":
    main()
