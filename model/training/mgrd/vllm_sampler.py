"""Chains of a checkpoint sampled by stock vLLM, as a served model would think: the samples go through it all.

vLLM runs in a process of its own (`python -m model.training.mgrd.vllm_sampler FOLDER JOB OUT`), with the
plugin of model/vllm_plugin.py: its threads and its settings are not the training's. A prompt is computed
once for all its chains, in vLLM's prefix cache. Knows no rewards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import checkpoint
from model.features import as_heard
from model.training.mgrd.policy import Policy, system
from model.training.mgrd.questions import Question
from model.training.mgrd.sampler import LIMIT, Sampled
from model.windows import Window, Windows

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
LONGEST = 1024  # tokens of a prompt and its chain

Heard = tuple[int, int, Tensor, Window]  # offset and tokens in the prompt, log-mel, its window


class SamplerError(RuntimeError):
    """vLLM did not come to an end; the last that it said."""


class Job(TypedDict):
    """Token ids of each prompt, with what is heard in it."""

    prompts: list[tuple[list[int], list[Heard]]]
    count: int
    seed: int
    stop: int
    limit: int


def vllm_chains(folder: Path, questions: Sequence[Question], count: int, seed: int) -> list[list[Sampled]]:
    """`count` chains of each question at temperature 1. Raises SamplerError."""
    policy = Policy(folder)
    mels = checkpoint.read_config(folder).audio.n_mels
    prompts = [_prompt(policy, question, mels) for question in questions]
    job = Job(prompts=prompts, count=count, seed=seed, stop=policy.prompt.eot, limit=LIMIT)
    with tempfile.TemporaryDirectory() as place:
        job_file, out_file = Path(place) / "job.pt", Path(place) / "out.pt"
        torch.save(job, job_file)
        ran = subprocess.run(
            [sys.executable, "-m", __name__, str(folder), str(job_file), str(out_file)],
            env={"OMP_NUM_THREADS": str(torch.get_num_threads()), **os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
        )
        if ran.returncode or not out_file.exists():
            raise SamplerError(f"vLLM ended with {ran.returncode}: {ran.stderr[-2000:]}")
        found: list[list[tuple[list[int], bool]]] = torch.load(out_file, weights_only=True)
    return [[Sampled(tuple(ids), ended) for ids, ended in group] for group in found]


def _prompt(policy: Policy, question: Question, mels: int) -> tuple[list[int], list[Heard]]:
    prompt = policy.prompt
    ids, heard = system(prompt), list[Heard]()
    if question.samples is None:
        ids += prompt.human_text(question.said.words)
    else:
        ids += [*prompt.human_open(), prompt.audio_start]
        parts = windows(question.samples, mels)
        heard = [(len(ids) + w.start, w.stop - w.start, mel, w) for mel, w in parts]
        ids += [*prompt.patches(parts[-1][1].stop), prompt.audio_end, *prompt.human_close()]
    return [*ids, *prompt.assistant_open(True)], heard


def windows(samples: NDArray[np.int16], mels: int) -> list[tuple[Tensor, Window]]:
    """Log-mel of each window of one take, as a live session hears them: the tail comes last."""
    heard = as_heard(samples.astype(np.float32) / 32768, mels, Windows().every(len(samples)))
    return [(mel.half(), window) for mel, window in heard]


def main(folder: str, job_file: str, out_file: str) -> None:
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from model.vllm_inputs import AudioItem, audio_prompt
    from model.vllm_plugin import register

    job: Job = torch.load(job_file, weights_only=False)
    register()
    llm: Any = LLM(
        folder,
        enforce_eager=True,
        block_size=32,
        dtype="float32",
        max_model_len=LONGEST,
        skip_mm_profiling=True,
        disable_log_stats=True,
        seed=job["seed"],  # a seed for each request is more than vLLM's CPU generator can do
    )
    engine = llm.llm_engine
    for number, (ids, heard) in enumerate(job["prompts"]):
        items = [
            AudioItem(f"{number} {offset}", offset, tokens, mel, window)
            for offset, tokens, mel, window in heard
        ]
        params = SamplingParams(
            n=job["count"],
            temperature=1.0,
            max_tokens=job["limit"],
            stop_token_ids=[job["stop"]],
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,  # or the last output has the last chain alone
        )
        engine.add_request(str(number), audio_prompt(ids, items), params)
    found: dict[int, list[tuple[list[int], bool]]] = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.finished:
                chains = sorted(output.outputs, key=lambda one: one.index)
                found[int(output.request_id)] = [_ended(list(c.token_ids), job["stop"]) for c in chains]
    torch.save([found[number] for number in range(len(job["prompts"]))], out_file)


def _ended(ids: list[int], stop: int) -> tuple[list[int], bool]:
    """The stop left out, and whether it came."""
    return (ids[: ids.index(stop)], True) if stop in ids else (ids, False)


if __name__ == "__main__":
    main(*sys.argv[1:])
