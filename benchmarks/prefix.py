"""What a reply costs the engine as a conversation grows: tokens computed against tokens found in its cache.

    python -m benchmarks.prefix [--model nano] [--turns 30] [--out benchmarks/results]

One conversation of spoken questions, all of it in one session; every turn is asked, committed and answered.
Of each reply's prompt the engine says how many tokens it found in its prefix cache; the rest it computed.
Only whole blocks are found, so that up to two blocks of what was there may be computed again. Beside it the
engine's own count over the turn, of everything that was looked up: the reply, and what the listener read.
Raw numbers go to prefix.json, the table to prefix.md.
It knows nothing of time: that is `benchmarks.first_token`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from model import checkpoint
from server.audio_file import read_pcm
from streaming.engine import VllmEngine
from streaming.events import Event, ResponseDone, ResponseRequest, SessionSettings
from streaming.session import Session
from streaming.vad import SpeechDetector

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"
ASKED = ("sum", "difference", "product", "digits", "comparison", "day")
TOLD = (1, 2, 10, 20, 30)
CONTEXT = 16_384  # tokens: thirty turns and more
LIMIT = 64  # tokens of a reply, its thoughts included


@dataclass(frozen=True)
class Turn:
    """`prompt`: tokens that the reply began from. Of them `cached` were found."""

    prompt: int
    cached: int
    queried: int  # by the engine's own count, over the turn
    hits: int

    @property
    def computed(self) -> int:
        return self.prompt - self.cached


async def converse(engine: VllmEngine, turns: int) -> list[Turn]:
    done: asyncio.Queue[ResponseDone] = asyncio.Queue()

    def emit(event: Event) -> None:
        if isinstance(event, ResponseDone):
            done.put_nowait(event)

    settings = SessionSettings(turn_detection=None, max_output_tokens=LIMIT)
    session = Session(engine, SpeechDetector(), emit, settings)
    running = asyncio.create_task(session.run())
    found: list[Turn] = []
    try:
        await asyncio.sleep(0)
        for number in range(turns):
            queried, hits = engine.figures.queried, engine.figures.hits
            session.append_audio(read_pcm(RECORDINGS / f"{ASKED[number % len(ASKED)]}.wav"))
            session.commit()
            session.create_response(ResponseRequest())
            ended = await done.get()
            if ended.status != "completed" and ended.reason != "max_output_tokens":
                raise RuntimeError(f"turn {number + 1} ended as {ended.status}: {ended.reason}")
            usage = ended.usage
            await asyncio.sleep(0.3)  # for the listener to read the reply
            found.append(
                Turn(
                    usage.audio + usage.text,
                    usage.cached,
                    engine.figures.queried - queried,
                    engine.figures.hits - hits,
                )
            )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found


def table(turns: Sequence[Turn], block: int) -> str:
    rows = [
        "| turn | tokens the reply began from | found in the cache | computed | of these new in this turn "
        "| computed in the whole turn, by the engine's count |",
        "|---|---|---|---|---|---|",
    ]
    for number in TOLD:
        if number <= len(turns):
            turn = turns[number - 1]
            new = turn.prompt - (turns[number - 2].prompt if number > 1 else 0)
            rows.append(
                f"| {number} | {turn.prompt} | {turn.cached} | {turn.computed} | {min(new, turn.computed)} "
                f"| {turn.queried - turn.hits} |"
            )
    again = [after.computed - (after.prompt - before.prompt) for before, after in pairwise(turns)]
    rows += [
        "",
        f"At most {max(0, *again)} tokens a turn were computed that an earlier turn had had already; "
        f"a block has {block}.",
    ]
    return "\n".join(rows) + "\n"


async def measure(model: str, turns: int) -> tuple[list[Turn], int]:
    os.environ["VLLM_ALLOW_LONG_MAX_MODEL_LEN"] = "1"  # only the work is of interest here, not the answers
    engine = await VllmEngine.start(checkpoint.resolve(model), ["--max-model-len", str(CONTEXT)])
    try:
        return await converse(engine, turns), engine.block
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Tokens computed against tokens cached, turn by turn.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    turns, block = asyncio.run(measure(given.model, given.turns))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "prefix.json").write_text(json.dumps([asdict(turn) for turn in turns]) + "\n")
    (given.out / "prefix.md").write_text(table(turns, block))
    print(table(turns, block))


if __name__ == "__main__":
    main()
