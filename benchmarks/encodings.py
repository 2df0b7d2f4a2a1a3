"""Two ways to encode a spoken turn, and what each costs: right answers, words, the wait for a first token.

    python -m benchmarks.encodings [--model nano] [--count 60] [--long 20] [--repeats 3] [--grid] [--out DIR]

Offline each turn is encoded whole. Live it is encoded in chunks while it is spoken (incremental), each once
so much audio behind it has been heard (held back) and with so much before it (left context); or the turn that
is answered is encoded anew (refined). Answers come from the reference network on clips that it was never
trained on, and on long turns: hesitations of many seconds in the middle, and utterances strung together, of
which the transcript is scored. The wait is a live session's, one engine, settings in turn. Raw numbers go to
encodings.json, the table to encodings.md. It knows nothing of the network between client and server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.first_token import live, speech
from model import checkpoint
from model.config import SAMPLE_RATE
from model.evaluation import built, clips, conditions
from model.evaluation.case import Answered, Case, Clip, Encoding
from model.evaluation.clips import Hesitation, Said
from model.evaluation.offline import Respondent, encode
from model.evaluation.scoring import right, word_error
from model.windows import LEFT, LOOK_AHEAD, TOKEN_MS, Windows

LOOK_AHEADS_MS = (0, 80, 160, 320, 480)
LEFTS_S = (2.0, 4.0, 8.0, 24.96)  # the last: all there is
LONG = 10.0, 24.0  # seconds of the long turns
GAP = 0.25  # seconds between utterances that are strung together
SECONDS = (3, 12)  # of speech, for the wait
SILENCE = 0.5  # seconds behind it, which a session waits for
COMPARED = 10  # long turns whose embeddings are compared
TOGETHER = 200  # cases


@dataclass(frozen=True)
class Setting:
    encoding: Encoding
    look_ahead_ms: int = LOOK_AHEAD * TOKEN_MS
    left_s: float = LEFT * TOKEN_MS / 1000

    @property
    def windows(self) -> Windows:
        return Windows.of(self.look_ahead_ms, self.left_s * 1000)

    @property
    def name(self) -> str:
        if self.encoding != "incremental":
            return {"whole": "offline"}.get(self.encoding, self.encoding)
        left = "all" if self.left_s == LEFTS_S[-1] else f"{self.left_s:g} s"
        return f"incremental, held back {self.look_ahead_ms} ms, left context {left}"


def settings(grid: bool = False) -> list[Setting]:
    """Offline, refined, and in chunks with one of the two varied, or each with each (`grid`)."""
    usual = Setting("incremental")
    chunks = [Setting("incremental", ms, left) for ms in LOOK_AHEADS_MS for left in LEFTS_S]
    chosen = [s for s in chunks if grid or usual.left_s == s.left_s or usual.look_ahead_ms == s.look_ahead_ms]
    return [Setting("whole"), Setting("refined"), *chosen]


# --- long turns ---


def hesitating(pauses: Sequence[Hesitation], r: random.Random) -> list[Case]:
    """Utterances with a pause that makes the turn take 10 s and more; those that list digits are left out."""
    found = []
    for number, pause in enumerate(p for p in pauses if p.utterance.family in ("numbers", "everyday")):
        total = int(r.uniform(*LONG) * SAMPLE_RATE)
        halves = pause.samples[: pause.pause], pause.samples[pause.goes_on :]
        silence = np.zeros(max(0, total - sum(map(len, halves))), np.int16)
        clip = Clip(pause.utterance.words, pause.voice, np.concatenate([halves[0], silence, halves[1]]))
        said = Said(pause.utterance, clip, f"pause {number}")
        found.append(replace(built.case(said, {}), suite="hesitating", transcript=""))
    return found


def strung(said: Sequence[Said], count: int, r: random.Random) -> list[Case]:
    """Utterances of one voice one after the other; the reply is not scored."""
    voices: dict[str, list[Said]] = {}
    for one in said:
        if one.utterance.family in ("numbers", "sequences", "everyday"):
            voices.setdefault(clips.group(one.clip.voice), []).append(one)
    names = sorted(voices)
    gap = np.zeros(int(GAP * SAMPLE_RATE), np.int16)
    found = []
    for number in range(count):
        voice = names[number % len(names)]
        wanted, parts, words = r.uniform(*LONG), [gap], list[str]()
        while sum(map(len, parts)) < wanted * SAMPLE_RATE:
            one = r.choice(voices[voice])
            parts += [one.clip.samples, gap]
            words += one.clip.words.split()
        clip = Clip(" ".join(words), voice, np.concatenate(parts)[: int(24.9 * SAMPLE_RATE)])
        name = f"strung {number}"
        found.append(Case(name, "strung", "strung", clip, "", suite="strung", transcript=clip.words))
    return found


# --- answers ---


def answers(respondent: Respondent, cases: Sequence[Case], setting: Setting) -> list[Answered]:
    found: list[Answered] = []
    for at in range(0, len(cases), TOGETHER):
        found += respondent.answer(cases[at : at + TOGETHER], setting.encoding, setting.windows)
    return found


def deviation(respondent: Respondent, cases: Sequence[Case], setting: Setting) -> float:
    """How far the embeddings are from the offline ones: the error's share of their power, in per cent."""
    takes = [conditions.take(case.clip.samples, case.condition, case.name) for case in cases]
    error = power = 0.0
    whole = encode(respondent.network, takes, None)
    for a, b in zip(whole, encode(respondent.network, takes, setting.windows), strict=True):
        for x, y in zip(a, b, strict=True):
            error += float((x - y).square().sum())
            power += float(x.square().sum())
    return 100 * error / power


def measured(
    respondent: Respondent, cases: Sequence[Case], long: Sequence[Case], setting: Setting
) -> dict[str, Any]:
    found = answers(respondent, cases, setting)
    raw: dict[str, Any] = {
        "setting": setting.name,
        "right": {a.case.name: right(a.case, a.outcome) for a in found if a.case.suite != "strung"},
        "suites": {a.case.name: a.case.suite for a in found},
    }
    for suite in ("families", "strung"):
        raw[f"{suite}_words"] = word_error([a for a in found if a.case.suite == suite])
    raw["deviation"] = (
        deviation(respondent, long[:COMPARED], setting) if setting.encoding == "incremental" else 0.0
    )
    return raw


# --- the wait ---


async def waits(model: str, wanted: Sequence[Setting], repeats: int) -> dict[str, list[dict[str, float]]]:
    """Milliseconds from the end of the silence to the first thought, and to the first word of the reply."""
    from streaming.engine import VllmEngine
    from streaming.microphone import RATE_IN
    from streaming.vad import SpeechDetector

    engine = await VllmEngine.start(checkpoint.resolve(model), ())
    detector = SpeechDetector()
    found: dict[str, list[dict[str, float]]] = {setting.name: [] for setting in wanted}
    silence = np.zeros(int(SILENCE * RATE_IN), np.int16)
    try:
        await live(engine, detector, speech(1, 0))
        for repeat in range(repeats):
            for seconds in SECONDS:
                pcm = np.concatenate([speech(seconds, repeat), silence])
                for setting in wanted:
                    how: Any = "refined" if setting.encoding == "refined" else "incremental"
                    took = await live(engine, detector, pcm, setting.windows, how)
                    found[setting.name].append({"seconds": seconds, **took})
    finally:
        await engine.close()
    return found


# --- the table ---


def lost(offline: dict[str, bool], other: dict[str, bool]) -> tuple[float, float]:
    """Points lost against offline over the same cases, and half its 95 % interval."""
    steps = [100.0 * (offline[name] - other[name]) for name in offline]
    return statistics.mean(steps), 1.96 * statistics.pstdev(steps) / math.sqrt(len(steps))


def _words(pair: Sequence[int]) -> str:
    return f"{100 * pair[0] / pair[1]:.1f} %" if pair[1] else ""


def table(raw: dict[str, Any]) -> str:
    rows = [
        "| encoding | right | points lost against offline | right, turns of 10 to 24 s | words wrong "
        "| words wrong, 10 to 24 s | embeddings off | first thought | first word of the reply |",
        "|---" * 9 + "|",
    ]
    base = raw["answers"][0]
    for found in raw["answers"]:
        shares = []
        for suite in ("families", "hesitating"):
            of_suite = [r for name, r in found["right"].items() if found["suites"][name] == suite]
            shares.append(f"{100 * statistics.mean(of_suite):.1f} % (n={len(of_suite)})" if of_suite else "")
        points, half = lost(base["right"], found["right"])
        took = raw["waits"].get(found["setting"], [])
        times = [[t[name] for t in took if name in t] for name in ("first_thinking", "first_reply")]
        cells = [
            found["setting"],
            shares[0],
            "" if found is base else f"{points:+.1f} ± {half:.1f}",
            shares[1],
            _words(found["families_words"]),
            _words(found["strung_words"]),
            f"{found['deviation']:.2f} %",
            *(f"{statistics.median(t):.0f} ms" if t else "" for t in times),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to encode a turn: right answers, words, waiting.")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--count", type=int, default=60, help="cases of each family (60)")
    parser.add_argument("--long", type=int, default=20, help="long turns of each kind (20)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="waits for each setting and length (3; 0: none)"
    )
    parser.add_argument("--grid", action="store_true", help="every look-ahead with every left context")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    r = random.Random("encodings")
    said = clips.held_out()
    cases = built.families(said, given.count, built.SPOILED)
    long = strung(said, given.long, r)
    cases += [*hesitating(clips.hesitations(2 * given.long), r)[: given.long], *long]
    respondent = Respondent(checkpoint.resolve(given.model))
    raw: dict[str, Any] = {"model": given.model, "answers": [], "waits": {}}
    for setting in settings(given.grid):
        raw["answers"].append(measured(respondent, cases, long, setting))
        print(table(raw).splitlines()[-1], flush=True)
    if given.repeats:
        timed = [setting for setting in settings(given.grid) if setting.encoding != "whole"]
        raw["waits"] = asyncio.run(waits(given.model, timed, given.repeats))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "encodings.json").write_text(json.dumps(raw, indent=1) + "\n")
    (given.out / "encodings.md").write_text(table(raw))
    print(table(raw))


if __name__ == "__main__":
    main()
