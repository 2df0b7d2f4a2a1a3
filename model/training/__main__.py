"""Make nano: voices, features, three trainings, checkpoint. What is done already is not done again.

The third training is for a GPU, and left out where there is none. The work folder is
~/.cache/soundmind/nano, or what SOUNDMIND_NANO_WORK says.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from model import checkpoint
from model.training import again, corpus, export, features, train, wide
from model.training.sources import work


def together(work: Callable[..., None], given: Sequence[tuple[int, ...]]) -> None:
    """Do it in a process for each, and wait."""
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=work, args=one) for one in given]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        if job.exitcode:
            raise SystemExit(f"{work.__module__} failed")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m model.training", description=__doc__)
    parser.add_argument("--to", type=Path, default=checkpoint.NANO, help="folder of the checkpoint")
    parser.add_argument("--text", type=int, default=train.STEPS.text, help="steps of text alone")
    parser.add_argument("--ctc", type=int, default=train.STEPS.ctc, help="steps of the adaptor alone")
    parser.add_argument("--joint", type=int, default=train.STEPS.joint, help="steps of everything together")
    parser.add_argument("--again", type=int, default=again.STEPS, help="steps of the second training")
    third = wide.STEPS if torch.cuda.is_available() else 0
    parser.add_argument("--wide", type=int, default=third, help="steps of the third training")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    corpus.build(held_out=True)
    together(corpus.build, [(False, 0, i, given.workers) for i in range(given.workers)])
    together(features.build, [(i, given.workers) for i in range(given.workers)])
    train.run(train.Schedule(given.text, given.ctc, given.joint), given.workers)
    first, state = work() / "first", work() / "again" / "state.pt"
    export.write(first, torch.load(work() / "state.pt", weights_only=True, map_location="cpu"))
    again.run(first, state, given.workers, joint=given.again)
    trained = torch.load(state, weights_only=True, map_location="cpu")
    if given.wide:
        last = work() / "wide" / "state.pt"
        last.parent.mkdir(exist_ok=True)
        wide.run(trained, last, given.workers, given.wide, wide.RATE)
        export.write(given.to, torch.load(last, weights_only=True, map_location="cpu"))
    else:
        export.write(given.to, trained, before=first, share=again.SHARE)
    print(f"nano is in {given.to}")


if __name__ == "__main__":
    main()
