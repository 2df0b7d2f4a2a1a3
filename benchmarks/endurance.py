"""Many turns in one conversation: what the server's memory and the engine's requests do meanwhile.

    python -m benchmarks.endurance RECORDING [--url http://127.0.0.1:8000] [--turns 200]

The recording is sent as fast as it is taken, again as soon as its reply is complete. Memory is the
resident set of the server and all its processes, found by the port; so the server has to run on this
machine. Without --url it starts one. Raw numbers go to endurance.json.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import statistics
from pathlib import Path

from httpx import AsyncClient
from websockets.asyncio.client import connect

from server.ask import realtime_url
from server.audio_file import read_pcm
from server.config import load
from server.load.usage import family
from server.serving import serve
from server.shutdown import Shutdown

SILENCE = bytes(48_000)  # a second
Sample = dict[str, float]


def resident(url: str) -> float:
    """MiB."""
    return float(sum(p.memory_info().rss for p in family(url))) / 2**20


async def requests(url: str) -> float:
    """What the engine says that it has not finished, parked listeners included."""
    async with AsyncClient(base_url=url, trust_env=False) as client:
        text = (await client.get("/metrics")).text
    return float(dict(line.rsplit(" ", 1) for line in text.splitlines())["soundmind_engine_requests"])


async def converse(url: str, pcm: bytes, turns: int) -> list[Sample]:
    """Ask so many times in one conversation; a sample after every turn."""
    audio = base64.b64encode(pcm + SILENCE).decode()
    samples: list[Sample] = []
    async with connect(realtime_url(url), proxy=None, max_size=None) as ws:
        for turn in range(1, turns + 1):
            await ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            while (event := json.loads(await ws.recv()))["type"] != "response.done":
                if event["type"] == "error":
                    raise RuntimeError(event["error"]["message"])
            if event["response"]["status"] != "completed":
                raise RuntimeError(f"turn {turn} ended as {event['response']['status']}")
            samples.append({"turn": turn, "mib": resident(url), "requests": await requests(url)})
    return samples


def growth(samples: list[Sample]) -> float:
    """MiB between the medians of the second quarter and of the last: what a start-up takes is not in it."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    return statistics.median(s["mib"] for s in last) - statistics.median(s["mib"] for s in second)


def table(samples: list[Sample]) -> str:
    marks = sorted({1, len(samples)} | {s for s in range(25, len(samples), 25)})
    rows = ["| turns | resident, MiB | engine requests |", "|---|---|---|"]
    rows += [f"| {m} | {samples[m - 1]['mib']:.0f} | {samples[m - 1]['requests']:.0f} |" for m in marks]
    rows += ["", f"Second quarter to last quarter: {growth(samples):+.1f} MiB."]
    return "\n".join(rows) + "\n"


async def measure(given: argparse.Namespace) -> list[Sample]:
    pcm = read_pcm(given.recording)
    if given.url:
        return await converse(given.url, pcm, given.turns)
    samples: list[Sample] = []

    async def visit(url: str) -> None:
        samples.extend(await converse(url, pcm, given.turns))

    await serve(load({"model": given.model, "port": 0}, {}, None), print, Shutdown(), visit, stay=False)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory and requests over many turns of one conversation.")
    parser.add_argument("recording", type=Path, help="one question")
    parser.add_argument("--url", help="a server on this machine; without it one is started")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    samples = asyncio.run(measure(given))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "endurance.json").write_text(json.dumps(samples) + "\n")
    (given.out / "endurance.md").write_text(table(samples))
    print(table(samples))


if __name__ == "__main__":
    main()
