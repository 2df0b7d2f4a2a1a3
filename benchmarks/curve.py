"""Does thinking pay? Right answers against how long a checkpoint may think, and against how many chains vote.

    python -m benchmarks.curve --model nano --model "after round 1=FOLDER" [--count 200] [--seeds 3]

Spoken questions of the tests (texts, voices and timbres of no training), encoded as live audio is and kept:
perception, a quarter of them with words against the sound, and arithmetic. Chains are sampled at the
temperature that Step-Audio-R1's authors use. A budget of N tokens is kept as the server keeps it: the chain
is cut there and closed, and the reply follows; 0 is the empty chain. Votes are of whole chains. Intervals are
of 95 %, over questions, of the mean over seeds. Checkpoints measured before, under the same settings, stay in
curve.json, and the tables and pictures show them all. Knows no server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model import checkpoint
from model.config import SAMPLES_PER_TOKEN
from model.evaluation import clips, conditions
from model.evaluation.clips import Said
from model.evaluation.scoring import words
from model.training import world
from model.training.export import ENCODER
from model.training.features import Heard
from model.training.mgrd.filters import acoustic, right
from model.training.mgrd.plot import Point, lines
from model.training.mgrd.policy import Policy
from model.training.mgrd.questions import Question, seen
from model.training.mgrd.sampler import sample
from model.training.sources import work
from model.training.world import State

LIMITS = 0, 8, 16, 32, 64, 128  # tokens of thoughts
BUDGETS = (*map(str, LIMITS), "unlimited")
VOTES = (1, 4, 16)
SEEDS = 3
TEMPERATURE = 0.7
CONFLICTS = 4  # one question of perception in so many
REPLY = 48  # tokens of a reply at most
BEGIN, END = "<!-- curve: begin -->", "<!-- curve: end -->"
DOCUMENT = Path(__file__).parent.parent / "docs" / "thinking.md"


@dataclass(frozen=True)
class Share:
    """Of right answers, with half its 95 % interval; of `n` questions."""

    mean: float
    half: float
    n: int

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ± {100 * self.half:.1f}"


def share(rights: Sequence[Sequence[bool]]) -> Share:
    """`rights`: of each question, by seed. Seeds of one question are not independent of each other."""
    return _share([statistics.mean(one) for one in rights])


def gain(before: Sequence[Sequence[bool]], after: Sequence[Sequence[bool]]) -> Share:
    """What more is right of the same questions, each against itself."""
    pairs = zip(before, after, strict=True)
    return _share([statistics.mean(then) - statistics.mean(first) for first, then in pairs])


def _share(means: Sequence[float]) -> Share:
    half = 1.96 * statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else 0.0
    return Share(statistics.mean(means), half, len(means))


def elected(replies: Sequence[str]) -> str:
    """What most say, in these words; the earliest of those where several are said as often."""
    counts = Counter(tuple(words(reply)) for reply in replies)
    most = max(counts.values())
    return next(reply for reply in replies if counts[tuple(words(reply))] == most)


# --- questions ---


def chosen(said: Sequence[Said], count: int) -> dict[str, list[Said]]:
    """`count` of perception and of arithmetic (fewer where there are no more)."""
    hearing = [s for s in said if s.utterance.family == "perception"]
    against = [s for s in hearing if clips.conflicting(s.utterance)][: count // CONFLICTS]
    rest = [s for s in hearing if not clips.conflicting(s.utterance)][: count - len(against)]
    numbers = [s for s in said if s.utterance.family == "numbers"][:count]
    return {"perception": rest + against, "arithmetic": numbers}


def asked(policy: Policy, said: Sequence[Said]) -> list[Question]:
    """The clips as a microphone hears them; what the encoder makes of them is kept, by its weights."""
    ears = checkpoint.load(policy.folder).encoder
    known = hashlib.sha256((policy.folder / ENCODER).read_bytes()).hexdigest()[:8]
    takes = [conditions.take(s.clip.samples, "clean", s.seed) for s in said]
    every = seen(ears, takes, work() / "curve" / f"{known}-{len(said)}.npz")
    found = []
    for one, tokens in zip(said, every, strict=True):
        over = len(tokens) - round(conditions.TAIL * 16_000 / SAMPLES_PER_TOKEN)
        heard = Heard(one.utterance, one.clip.voice, tokens, over, False, True)
        found.append(Question(one.seed, one.utterance, world.answer(State(), one.utterance), heard))
    return found


# --- one checkpoint ---


@dataclass(frozen=True)
class Measured:
    """By budget and by votes: whether each question is right, by seed."""

    budgets: dict[str, list[list[bool]]]
    votes: dict[str, list[list[bool]]]
    tokens: float  # of thoughts without a limit, on average
    acoustic: float  # share of these chains that note something of the sound


def measured(policy: Policy, questions: Sequence[Question], seeds: int, votes: Sequence[int]) -> Measured:
    most = max(votes)
    heads = policy.heads(questions)
    chance = torch.Generator().manual_seed(0)
    stop = policy.prompt.eot
    groups = sample(policy, policy.opened(heads), seeds * most, stop, chance, TEMPERATURE)
    texts = [[policy.read(one.ids) for one in group] for group in groups]
    chains = [[of[seed * most][0] for seed in range(seeds)] for of in texts]
    unlimited = [[of[seed * most][1] for seed in range(seeds)] for of in texts]
    budgets = {str(limit): _within(policy, heads, chains, unlimited, limit, chance) for limit in LIMITS}
    budgets["unlimited"] = unlimited
    by_votes = {
        str(count): [
            [elected([reply for _, reply in of[s * most : s * most + count]]) for s in range(seeds)]
            for of in texts
        ]
        for count in votes
    }
    every = [thinking for of in texts for thinking, _ in of]
    return Measured(
        {key: _right(questions, replies) for key, replies in budgets.items()},
        {key: _right(questions, replies) for key, replies in by_votes.items()},
        statistics.mean(len(policy.prompt.encode(thinking)) for thinking in every),
        statistics.mean(map(acoustic, every)),
    )


def _right(questions: Sequence[Question], replies: Sequence[Sequence[str]]) -> list[list[bool]]:
    return [
        [right(question.said, question.expected, reply) for reply in of]
        for question, of in zip(questions, replies, strict=True)
    ]


def _within(
    policy: Policy,
    heads: Sequence[torch.Tensor],
    chains: Sequence[Sequence[str]],
    unlimited: Sequence[Sequence[str]],
    budget: int,
    chance: torch.Generator,
) -> list[list[str]]:
    """Replies behind chains that are cut at `budget` tokens; a shorter chain has its reply already."""
    stop = policy.prompt.eot
    if budget == 0:
        groups = sample(
            policy, policy.opened(heads, thinking=False), len(chains[0]), stop, chance, TEMPERATURE, REPLY
        )
        return [[policy.read(one.ids, thinking=False)[1] for one in group] for group in groups]
    found = [list(of) for of in unlimited]
    places, prompts = [], []
    for number, of in enumerate(chains):
        for seed, chain in enumerate(of):
            ids = policy.prompt.encode(chain)
            if len(ids) > budget:
                begun = policy.prompt.assistant_behind(policy.decode(ids[:budget]))
                places.append((number, seed))
                prompts.append(torch.cat([heads[number], policy.embedded(begun)]))
    groups = sample(policy, prompts, 1, stop, chance, TEMPERATURE, REPLY)
    for (number, seed), group in zip(places, groups, strict=True):
        found[number][seed] = policy.read(group[0].ids, thinking=False)[1]
    return found


# --- tables and pictures ---

Results = dict[str, dict[str, Any]]  # by checkpoint, then by kind of question


def tables(results: Results, against: int = 0) -> str:
    """Markdown: a row for each checkpoint and kind, right answers in per cent.

    `against`: questions of perception with words against the sound, which come last.
    """
    out = []
    for kind in ("perception", "arithmetic"):
        rows = [(model, of[kind]) for model, of in results.items()]
        n = share(list(rows[0][1]["votes"].values())[0]).n
        out.append(f"**{kind}**, n = {n}: right answers in %, by tokens of thoughts, then by votes\n")
        votes = list(rows[0][1]["votes"])
        heads = [*BUDGETS, *(f"{v} votes" for v in votes if v != "1")]
        parted = kind == "perception" and 0 < against < n
        heads += ["gained by thinking"]
        heads += ["where words and sound agree", "where they disagree"] if parted else []
        heads += ["tokens thought", "of the sound"]
        out.append(f"| checkpoint | {' | '.join(heads)} |\n{'|---' * (len(heads) + 1)}|")
        for model, found in rows:
            cells = [str(share(found["budgets"][column])) for column in BUDGETS]
            cells += [str(share(found["votes"][v])) for v in votes if v != "1"]
            before, after = found["budgets"]["0"], found["budgets"]["unlimited"]
            cells.append(str(gain(before, after)))
            if parted:
                cells.append(str(gain(before[:-against], after[:-against])))
                cells.append(str(gain(before[-against:], after[-against:])))
            cells += [f"{found['tokens']:.1f}", f"{100 * found['acoustic']:.0f} %"]
            out.append(f"| {model} | {' | '.join(cells)} |")
        out.append("")
    return "\n".join(out)


def picture(results: Results, kind: str, by: str) -> str:
    """Right answers by budget or by votes, one line a checkpoint."""
    series, ticks = {}, list(next(iter(results.values()))[kind][by])
    for model, of in results.items():
        shares = [share(of[kind][by][tick]) for tick in ticks]
        series[model] = [Point(x, s.mean, s.half) for x, s in enumerate(shares)]
    what = "tokens of thoughts" if by == "budgets" else "chains that vote"
    return lines(f"{kind}: right answers by {what}", series, ticks)


def inserted(document: str, table: str) -> str:
    """The table between its two marks. Raises ValueError where they are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} in the document")
    return f"{before}{begin}\n{table}\n{end}{after}"


def kept(path: Path, settings: dict[str, Any]) -> Results:
    """What was measured before under the same settings."""
    if not path.exists():
        return {}
    known: dict[str, Any] = json.loads(path.read_text())
    found: Results = known["results"] if known["settings"] == settings else {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Right answers by thinking budget and by votes.")
    parser.add_argument(
        "--model", action="append", metavar="NAME[=FOLDER]", help="a checkpoint, maybe under another name"
    )
    parser.add_argument("--count", type=int, default=200, help="questions of each kind (200)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"({SEEDS})")
    parser.add_argument("--votes", type=int, nargs="+", default=list(VOTES), help="(1 4 16)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="its table is renewed, if it has one")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    settings = {"count": given.count, "seeds": given.seeds, "votes": given.votes, "temperature": TEMPERATURE}
    results = kept(given.out / "curve.json", settings)
    of_kind = chosen(clips.held_out(), given.count)
    every = [said for group in of_kind.values() for said in group]
    given.out.mkdir(parents=True, exist_ok=True)
    for model in given.model or ["nano"]:
        title, _, place = model.rpartition("=")
        cpu = time.process_time()
        policy = Policy(checkpoint.resolve(place))
        questions = asked(policy, every)
        found: dict[str, Any] = {}
        for kind, group in of_kind.items():
            part, questions = questions[: len(group)], questions[len(group) :]
            found[kind] = vars(measured(policy, part, given.seeds, given.votes))
        results[title or place] = {**found, "cpu_seconds": round(time.process_time() - cpu)}
        (given.out / "curve.json").write_text(json.dumps({"settings": settings, "results": results}) + "\n")
    table = tables(results, sum(clips.conflicting(s.utterance) for s in of_kind["perception"]))
    (given.out / "curve.md").write_text(table)
    for kind in of_kind:
        (given.out / f"curve-{kind}.svg").write_text(picture(results, kind, "budgets"))
        (given.out / f"votes-{kind}.svg").write_text(picture(results, kind, "votes"))
    if given.document.exists() and BEGIN in given.document.read_text():
        given.document.write_text(inserted(given.document.read_text(), table))
    print(table)


if __name__ == "__main__":
    main()
