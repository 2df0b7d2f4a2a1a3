"""Modality-grounded reasoning distillation, all stages; what is done already is not done again.

`python -m model.training.mgrd --smoke` goes through all of it in small. The work folder is that of the recipe
(`SOUNDMIND_NANO_WORK`); its corpus and features are used where they are there.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

import torch

from model import checkpoint
from model.training.mgrd import plot
from model.training.mgrd.chains import Sampler, torch_chains
from model.training.mgrd.stages import SMOKE, Course, Plan, result
from model.training.sources import work


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m model.training.mgrd", description=__doc__)
    parser.add_argument("--from", dest="begin", default="nano", help="the checkpoint to begin with (nano)")
    parser.add_argument("--work", type=Path, help="folder of the states (mgrd in the recipe's work folder)")
    parser.add_argument("--to", type=Path, help="folder of the result (result in the states' folder)")
    parser.add_argument("--smoke", action="store_true", help="everything in small, in some minutes")
    parser.add_argument(
        "--sampler", choices=("vllm", "torch"), help="of chains to filter (vllm; torch where all is small)"
    )
    parser.add_argument(
        "--ablation",
        choices=("no-reasoning-reward", "always-failed", "unfiltered"),
        default="",
        help="rounds that go against the method, from the same cold start; no result is written",
    )
    parser.add_argument("--threads", type=int, default=2)
    for field in fields(Plan):
        parser.add_argument(f"--{field.name}", type=int, help=f"({field.default})")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    plan = SMOKE if given.smoke else Plan()
    told = {f.name: getattr(given, f.name) for f in fields(Plan) if getattr(given, f.name) is not None}
    folder = given.work or work() / ("mgrd-smoke" if given.smoke else "mgrd")
    begin = checkpoint.resolve(given.begin)
    sampler = _sampler(given.sampler or ("torch" if given.smoke else "vllm"))
    course = Course(replace(plan, **told), begin, folder, sampler, given.ablation)
    if given.ablation:
        known = course.rlvr(course.cold())
        for number in range(1, course.plan.rounds + 1):
            known = course.round(number, known)
        print(f"the last round is in {known}")
        return
    last = course.run()
    to = given.to or folder / "result"
    result(last, to, begin)
    (folder / "mgrd.svg").write_text(plot.log(folder / "log.jsonl"))
    print(f"the result is in {to}")


def _sampler(name: str) -> Sampler:
    if name == "torch":
        return torch_chains
    from model.training.mgrd.vllm_sampler import vllm_chains

    return vllm_chains


if __name__ == "__main__":
    main()
