"""End of speech to the first sound in the browser, over WebRTC and over WebSocket, told apart by stage.

    python -m benchmarks.browser [--turns 30] [--url http://HOST:PORT] [--out benchmarks/results]

A real Chromium with the page of `client_web/` asks a recorded question over and over of a real server with
nano and its voice. The first four stages are the server's (`soundmind.timings`), counted from the last voiced
sample's arrival; the last is the page's own: when sound left for the loudspeaker. The transports take turns,
a few questions each, so that a busy machine is as hard on one as on the other. Raw numbers go to
browser.json, the table to browser.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tools.chromium import Page, chromium, microphone_file, tab
from tools.pictures import served

RECORDING = Path("tests/recordings/product.wav")
QUIET_BEFORE, QUIET_AFTER = 0.8, 7.0  # seconds; a reply takes about two
ROUND = 5  # turns of a transport at a time
STAGES = ("turn_ended_ms", "first_thinking_ms", "first_reply_ms", "first_sound_ms", "heard_ms")
NAMES = ("turn ended", "first thought", "first word", "first sound sent", "first sound heard")
TIMES = """Promise.all([import('/main.js'), import('/state.js')]).then(([{app}, {times}]) => {
  const {state} = app.conversation;
  return state.entries.filter((one) => one.kind === 'reply' && one.state !== 'open').map((one) => (
    {...times(state, one), text: one.text, status: one.state, over: app.conversation.transport}));
})"""


async def turns(page: Page, url: str, transport: str, count: int) -> list[dict[str, Any]]:
    """The times of so many replies, in a conversation of their own."""
    await page.microphone(url, "granted")
    stored = f"localStorage['soundmind.settings'] = JSON.stringify({{transport: '{transport}'}})"
    await page.command("Page.addScriptToEvaluateOnNewDocument", source=stored)
    await page.go(url)
    await page.click("#talk")
    while True:
        told: list[dict[str, Any]] = await page.evaluate(TIMES)
        if len(told) >= count:
            await page.click("#end")
            return told[:count]
        await asyncio.sleep(0.25)


async def measure(address: str, url: str, count: int) -> dict[str, list[dict[str, Any]]]:
    seen: dict[str, list[dict[str, Any]]] = {"webrtc": [], "websocket": []}
    while any(len(told) < count for told in seen.values()):
        for transport, told in seen.items():
            async with tab(address) as page:
                told += await turns(page, url, transport, min(ROUND, count - len(told)))
            print(transport, len(told), flush=True)
    return seen


def table(seen: dict[str, list[dict[str, Any]]]) -> str:
    """Medians and 95th percentiles in ms, and how many turns were answered rightly."""
    lines = [
        "| ms after the end of speech, p50 / p95 | WebRTC | WebSocket |",
        "|---|---|---|",
    ]
    for stage, name in zip(STAGES, NAMES, strict=True):
        lines.append(f"| {name} | {' | '.join(_both(told, stage) for told in seen.values())} |")
    right = [sum("54" in one["text"] for one in told) for told in seen.values()]
    counts = " | ".join(f"{n} of {len(told)}" for n, told in zip(right, seen.values(), strict=True))
    lines.append(f"| answered rightly | {counts} |")
    return "\n".join(lines)


def _both(told: list[dict[str, Any]], stage: str) -> str:
    values = [one[stage] for one in told if one.get(stage) is not None]
    if not values:
        return "-"
    middle, high = np.percentile(values, [50, 95])
    missing = len(told) - len(values)
    return f"{middle:.0f} / {high:.0f}" + (f" ({missing} missing)" if missing else "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser")
    parser.add_argument("--turns", type=int, default=30, help="of each transport")
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder, "question.wav")
        microphone_file(question, [RECORDING], QUIET_BEFORE, QUIET_AFTER)
        with served(arguments.url) as url, chromium(question) as address:
            seen = asyncio.run(measure(address, url, arguments.turns))
    where = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"
    text = f"# End of speech to the first sound in the browser\n\n{table(seen)}\n\n{where}\n"
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "browser.json").write_text(json.dumps(seen, indent=1) + "\n")
    (arguments.out / "browser.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
