"""kill -9 of the engine under a server with several conversations: what is lost, and how late replies come.

    python -m benchmarks.engine_kill [--tries 50] [--conversations 3]

One server, started as a user starts it. For each try the conversations are opened, and each is told a name;
then the engine's core process is killed in mid-thought, in mid-reply or between turns, one after the other,
at a random phase, and one of them asks, or has asked, something of which the answer is known. Afterwards each
is asked for its name: one that has been closed, or does not know it, is lost. Every try is kept in
engine_kill.json at once, and a run goes on with those that are there.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from httpx import AsyncClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.audio_file import read_pcm

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "tests" / "recordings"
SILENCE = bytes(48_000)  # a second
QUESTIONS = {"sum": "42", "difference": "55", "product": "54", "digits": "7 3 0 5", "comparison": "31"}
NAME, TELL, ASK = "Anna", "name", "recall"
MOMENTS = ("mid-thought", "mid-reply", "between turns")
BEGINS = {"mid-thought": "response.reasoning_text.delta", "mid-reply": "response.output_text.delta"}
PHASE = {"mid-thought": 0.25, "mid-reply": 0.03, "between turns": 2.0}  # seconds at most, about as they last
PATIENCE = 600.0  # seconds for anything to come
Try = dict[str, Any]


class Conversation:
    """One client's, in text."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self.seen: list[str] = []  # kinds of events of the newest reply

    async def say(self, recording: str) -> None:
        self.seen = []
        audio = base64.b64encode(read_pcm(RECORDINGS / f"{recording}.wav") + SILENCE).decode()
        await self._ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                event: dict[str, Any] = json.loads(await self._ws.recv())
                self.seen.append(event["type"])
                if event["type"] == kind:
                    return event

    async def answer(self) -> str | None:
        """What the reply says; None where it failed."""
        response = (await self.until("response.done"))["response"]
        if response["status"] != "completed":
            return None
        return "".join(part["text"] for item in response["output"] for part in item.get("content", []))


@asynccontextmanager
async def conversation(url: str) -> AsyncIterator[Conversation]:
    async with connect(url.replace("http", "ws", 1) + "/v1/realtime", proxy=None, max_size=None) as ws:
        made = Conversation(ws)
        session = {"type": "realtime", "output_modalities": ["text"]}
        await ws.send(json.dumps({"type": "session.update", "session": session}))
        await made.until("session.updated")
        yield made


@contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    """`soundmind serve`: its address, and its process."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"SOUNDMIND_ENGINE_PATIENCE_S": str(PATIENCE)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("listening on "):
                    yield line.split()[-1], psutil.Process(process.pid)
                    return
            raise RuntimeError("the server has not started")
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()


def kill_engine(process: psutil.Process) -> None:
    for child in process.children(recursive=True):
        if child.name().startswith("VLLM::EngineCor"):  # the kernel keeps 15 characters of a name
            child.kill()


async def well(url: str) -> int:
    """The engine's generation, once there is one."""
    async with AsyncClient(base_url=url, trust_env=False) as client, asyncio.timeout(PATIENCE):
        while True:
            health = (await client.get("/healthz")).json()
            if health["status"] == "ok":
                return int(health["generation"])
            await asyncio.sleep(0.25)


async def attempt(
    url: str, process: psutil.Process, moment: str, conversations: int, dice: random.Random
) -> Try:
    before = await well(url)
    question, phase = dice.choice(sorted(QUESTIONS)), dice.uniform(0.0, PHASE[moment])
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(conversation(url)) for _ in range(conversations)]
        for one in held:
            await one.say(TELL)
            await one.answer()
        asking = dice.choice(held)
        if moment in BEGINS:
            await asking.say(question)
            await asking.until(BEGINS[moment])
            await asyncio.sleep(phase)
            kill_engine(process)
            killed = time.monotonic()
        else:
            kill_engine(process)
            killed = time.monotonic()
            await asyncio.sleep(phase)
            await asking.say(question)
        try:
            said = await asking.answer()
        except (ConnectionClosed, TimeoutError):
            said = None
        seconds, seen = time.monotonic() - killed, asking.seen
        after = await well(url)
        restarted = time.monotonic() - killed
        known = [await remembers(one) for one in held]
    return {
        "moment": moment,
        "phase_s": round(phase, 3),
        "under_way": moment == "between turns" or "soundmind.engine_lost" in seen,
        "conversations": conversations,
        "lost": known.count(False),
        "replied": said is not None,
        "right": said is not None and QUESTIONS[question] in said,
        "seconds": round(seconds, 2),
        "restarted_s": round(restarted, 2),
        "generations": after - before,
        "server_mib": round(process.memory_info().rss / 2**20),
        "question": question,
        "said": said,
    }


async def remembers(one: Conversation) -> bool:
    try:
        await one.say(ASK)
        return NAME in (await one.answer() or "")
    except (ConnectionClosed, TimeoutError):
        return False


def table(tries: list[Try]) -> str:
    rows = [
        "| killed | tries | reply still under way | conversations open | lost | replies that came | right "
        "| seconds until the reply: median | most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for moment in (*MOMENTS, "all"):
        these = [t for t in tries if moment in ("all", t["moment"])]
        if not these:
            continue
        seconds = [t["seconds"] for t in these if t["under_way"] and t["replied"]]
        late = f"{statistics.median(seconds):.1f} | {max(seconds):.1f}" if seconds else "- | -"
        sums = " | ".join(
            str(sum(t[name] for t in these))
            for name in ("under_way", "conversations", "lost", "replied", "right")
        )
        rows.append(f"| {moment} | {len(these)} | {sums} | {late} |")
    restarts = [t["restarted_s"] for t in tries]
    rows += [
        "",
        f"The next engine took requests {statistics.median(restarts):.1f} s after the kill (median; "
        f"{min(restarts):.1f} to {max(restarts):.1f}), on {os.cpu_count()} CPU cores. A reply that was no "
        "longer under way had been decoded whole before the engine was dead; its seconds do not count.",
    ]
    return "\n".join(rows) + "\n"


async def run(tries: list[Try], wanted: int, conversations: int, seed: int, out: Path) -> None:
    with server() as (url, process):
        for at in range(len(tries), wanted):
            dice = random.Random(f"{seed} {at}")
            tries.append(await attempt(url, process, MOMENTS[at % 3], conversations, dice))
            (out / "engine_kill.json").write_text(json.dumps(tries, indent=1) + "\n")
            (out / "engine_kill.md").write_text(table(tries))
            print(json.dumps(tries[-1]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="kill -9 of the engine, again and again: what is lost.")
    parser.add_argument("--tries", type=int, default=50, help="in all, those of earlier runs included (50)")
    parser.add_argument("--conversations", type=int, default=3, help="open at a time (3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs have measured")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "engine_kill.json"
    tries: list[Try] = json.loads(kept.read_text()) if kept.exists() and not given.fresh else []
    if len(tries) < given.tries:
        asyncio.run(run(tries, given.tries, given.conversations, given.seed, given.out))
    print(table(tries))


if __name__ == "__main__":
    main()
