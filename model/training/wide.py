"""The third training: from the second's weights, everything together in large steps, over far more voices.

Processes draw the steps (packed.py) and one learns, so that a GPU is kept busy: what it learns in seven
minutes takes two cores two days. With several processes no two runs see the same. Knows no audio.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.training import again, corpus, features, tokenizer, train
from model.training.conversations import Maker, Source
from model.training.packed import Packed, pack

RATE, WARM_UP, FLAT = 1e-3, 300, 0.3
STEPS = 17_000
OFTEN = {"numbers": 0.08, "sequences": 0.12, "everyday": 0.1, "memory": 0.16, "unknown": 0.16}
READ_OUT = 0.1  # digits, beside those: what people try first


@dataclass(frozen=True)
class Size:
    """Of the steps. `kinds` are as again.KINDS, `beside` are takes for the adaptor alone."""

    kinds: tuple[again.Kind, ...]
    beside: dict[str, int]
    average: float  # how much of the average over the steps stays in each


LARGE = Size(
    (
        (0.8, 320, 14, 7, 3, 2, train.turns_short),
        (0.17, 900, 5, 2, 1, 0, train.turns_long),
        (0.03, 1600, 3, 1, 0, 0, lambda r: 24),
    ),
    {corpus.SOUNDS: 8, "told": 12},
    0.999,
)
SMALL = Size(  # for a CPU, to go on from a network that is there
    (
        (0.8, 320, 7, 3, 1, 1, train.turns_short),
        (0.17, 900, 2, 1, 1, 0, train.turns_long),
        (0.03, 1600, 1, 1, 0, 0, lambda r: 24),
    ),
    {corpus.SOUNDS: 3, "told": 4},
    0.995,
)
AHEAD = 64  # steps drawn before they are wanted
REPORT, SAVE = 10, 60  # seconds


class Teacher:
    """Draws steps from takes that are there."""

    def __init__(self, words: list[str], pool: again.Spliced, size: Size) -> None:
        built = tokenizer.build(words)
        self.pool, self.size = pool, size
        often = again.often(OFTEN) | {"digits": READ_OUT}
        self._maker = Maker(train.prompt_of(built), Source(pool.spoken, pool.cut), often)
        self._pad, self._index = tokenizer.pad(built), train.index_of(words)

    def step(self, r: random.Random) -> Packed:
        rows = again.drawn(self.size.kinds, self._maker, self.pool, r)
        return pack(rows, self.pool.several(self.size.beside), self._pad, self._index)

    def teach(self, worker: int, first: int, out: Queue[Packed]) -> None:
        """Step after step, until the process is ended. `first`: where the training goes on."""
        torch.set_num_threads(1)
        self.pool.r, r = random.Random(f"pool {worker} {first}"), random.Random(f"wide {worker} {first}")
        while True:
            out.put(self.step(r))


def gathered(workers: int) -> tuple[again.Spliced, list[Path]]:
    """Every take that was computed, and the parts in the order of their tokens."""
    paths, first, jobs = features.parts(), 0, []
    pool = again.Spliced()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as processes:
        for path in paths:
            jobs.append(processes.submit(features.places, path, first))
            first += features.length(path)
        for job in jobs:
            for take in job.result():
                if len(take.seen):
                    pool.add(take)
    return pool, paths


@contextmanager
def taught(teacher: Teacher, workers: int, first: int) -> Iterator[Queue[Packed]]:
    """Steps, drawn by so many processes."""
    context = multiprocessing.get_context("fork")
    queue: Queue[Packed] = context.Queue(AHEAD)
    drawing = [
        context.Process(target=teacher.teach, args=(i, first, queue), daemon=True) for i in range(workers)
    ]
    for process in drawing:
        process.start()
    try:
        yield queue
    finally:
        for process in drawing:
            process.terminate()
        for process in drawing:
            process.join()


def rate_at(done: float, step: int, highest: float) -> float:
    """`done`: share of the training that is over."""
    fall = min(1.0, max(0.0, (done - FLAT) / (1 - FLAT)))
    return highest * min(1.0, (step + 1) / WARM_UP) * max(0.005, 0.5 * (1 + math.cos(math.pi * fall)))


def run(
    begin: Mapping[str, Any],
    out: Path,
    workers: int,
    steps: int,
    rate: float,
    seconds: float = math.inf,
    size: Size = LARGE,
) -> None:
    """Train, with the state in `out`, from which it goes on if that is there.

    `begin`: the training state to begin with. It ends after `steps` or `seconds`: there the rate is least.
    """
    started = time.monotonic()
    state = torch.load(out, weights_only=True, map_location="cpu") if out.exists() else {}
    pool, paths = gathered(workers)
    teacher = Teacher(begin["words"], pool, size)
    last = step = int(state.get("step", 0))
    with taught(teacher, workers, step) as lessons:
        torch.manual_seed(0)
        torch.set_float32_matmul_precision("high")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        known = torch.cat([torch.from_numpy(features.tokens(path)).to(device) for path in paths])
        learner = train.learner_of(begin["words"]).to(device)
        learner.load_state_dict(state.get("learner", begin["average"]), strict=False)
        optimizer = train.optimizer_of(learner)
        values = learner.state_dict()
        average = {name: value.clone() for name, value in values.items()}
        if state:
            optimizer.load_state_dict(state["optimizer"])
            average = {name: state["average"][name].to(device) for name in average}
        print(f"{len(pool)} takes there after {time.monotonic() - started:.0f} s", flush=True)
        reported = saved = time.monotonic()
        done = step / steps
        while done < 1:
            lesson = lessons.get()
            seen = known[torch.from_numpy(lesson.seen).to(device).long()].float()
            losses = learner.losses(lesson, seen)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(done, step, rate)
            optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
            decay = min(size.average, (step + 1) / (step + 20))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.values()), list(values.values()), 1 - decay)
            step += 1
            now = time.monotonic()
            done = max(step / steps, (now - started) / seconds)
            if now - reported > REPORT or done >= 1:
                mark = {"step": step, **losses.told()}
                with out.with_name("train.jsonl").open("a") as file:
                    file.write(json.dumps({"stage": "wide", **mark}) + "\n")
                print(f"{done:4.0%} {mark} {(step - last) / (now - reported):.1f} steps/s", flush=True)
                reported, last = now, step
            if now - saved > SAVE or done >= 1:
                half = out.with_suffix(".tmp")
                kept = {"learner": values, "optimizer": optimizer.state_dict(), "average": average}
                torch.save({**kept, "words": begin["words"], "step": step}, half)
                half.rename(out)
                saved = now


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("begin", type=Path, help="the training state to begin with")
    parser.add_argument("--out", type=Path, required=True, help="where the new one is kept")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seconds", type=float, default=math.inf, help="the end, whatever the step is")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--small", action="store_true", help="smaller steps, for a CPU")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    state = torch.load(given.begin, weights_only=True, map_location="cpu")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    run(
        state,
        given.out,
        given.workers,
        given.steps,
        given.rate,
        given.seconds,
        SMALL if given.small else LARGE,
    )
