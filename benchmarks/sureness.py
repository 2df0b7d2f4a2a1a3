"""How sure a model must be of a word to say it before it has thought to the end.

    python -m benchmarks.sureness [--model nano] [--count 40] [--out benchmarks/results]

The questions of benchmarks.thinking, whole, as prompts. Each is thought about and replied to; and from no
thoughts, and from the first 16 tokens of them, a first segment of a reply is articulated, with how probable
each token was. What each bar and length of a segment would have let it say is reckoned from that: how many
words, and how often one that the reply to all thoughts does not have, so that it has to be corrected. Greedy:
nothing but the model is in the figures. The steps go to sureness.json, the table to sureness.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks.thinking import questions
from model import checkpoint
from model.evaluation.case import Case
from model.prompt import END_THINK
from streaming.context import Context
from streaming.conversation import Entry
from streaming.engine import Sampling, VllmEngine
from streaming.events import Message, Pacing
from streaming.pacing import Segment, whole_words, words
from streaming.recall import spoken

BARS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
SEGMENTS = (8, 16)  # tokens of a reply
THOUGHTS = (0, 16)  # tokens
LIMIT = 120  # tokens of thoughts and reply
AT_ONCE = 4  # questions

Step = tuple[str, int, float, str | None]  # text, tokens, how sure, finish


async def steps(engine: VllmEngine, context: Context, most: int) -> list[Step]:
    found = []
    async with aclosing(engine.generate(context, Sampling(most, sure=True))) as deltas:
        async for delta in deltas:
            found.append((delta.text, delta.tokens, delta.sure, delta.finish))
    return found


async def one(engine: VllmEngine, case: Case) -> dict[str, Any]:
    """The reply to all thoughts, and how a reply to fewer of them begins."""
    prompt = engine.prompt
    entry = Entry([Message(case.name.replace(" ", "_"), "user", True)], case.clip.samples)
    context = Context.of(prompt.system(case.instructions)) + spoken(entry, prompt, engine.n_mels)
    thinking = await steps(engine, context + Context.of(prompt.assistant_open(True)), LIMIT)
    told = "".join(text for text, *_ in thinking)
    begun = {}
    for tokens in THOUGHTS:
        chain = whole_words("".join(text for text, *_ in thinking[:tokens]).partition(END_THINK)[0])
        head = Context.of(prompt.assistant_behind(chain))
        begun[str(tokens)] = await steps(engine, context + head, max(SEGMENTS))
    return {"question": case.name, "reply": told.partition(END_THINK)[2].strip(), "begun": begun}


def said(begun: Sequence[Step], pacing: Pacing) -> list[str]:
    """The words of a first segment."""
    segment, told = Segment("", pacing), ""
    for text, tokens, sure, finish in begun:
        if segment.over:
            break
        told += segment.take(text, tokens, sure, finish)
    return [word.text for word in words(told)]


def table(answers: Sequence[dict[str, Any]]) -> str:
    heads = [f"{t} tokens of thoughts, segment of {s}" for s in SEGMENTS for t in THOUGHTS]
    rows = [
        f"{len(answers)} questions: words said beforehand, on average, and replies that had to be corrected.",
        "",
        f"| sureness | {' | '.join(heads)} |",
        "|---" * (1 + len(heads)) + "|",
    ]
    for bar in BARS:
        cells = []
        for segment in SEGMENTS:
            for tokens in THOUGHTS:
                pacing = Pacing(reply_segment=segment, sure=bar)
                found = [(said(a["begun"][str(tokens)], pacing), words(a["reply"])) for a in answers]
                wrong = sum(told != [word.text for word in reply[: len(told)]] for told, reply in found)
                cells.append(f"{statistics.mean([len(told) for told, _ in found]):.1f}, {wrong}")
        rows.append(f"| {bar:g} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


async def measure(model: str, cases: Sequence[Case]) -> list[dict[str, Any]]:
    engine = await VllmEngine.start(checkpoint.resolve(model))
    try:
        found = []
        for at in range(0, len(cases), AT_ONCE):
            found += await asyncio.gather(*(one(engine, case) for case in cases[at : at + AT_ONCE]))
        return found
    finally:
        await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="How sure of a word to say it before all is thought.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--count", type=int, default=40, help="questions (40)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    answers = asyncio.run(measure(given.model, questions(given.count)))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "sureness.json").write_text(json.dumps(answers, ensure_ascii=False) + "\n")
    (given.out / "sureness.md").write_text(table(answers))
    print(table(answers))


if __name__ == "__main__":
    main()
