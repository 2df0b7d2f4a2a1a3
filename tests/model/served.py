"""A process of its own: stock vLLM serves a checkpoint, and what it computed is written down.

`python -m tests.model.served FOLDER JOB OUT`. JOB and OUT are torch files; see Job and Answer.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TypedDict

import torch
from torch import Tensor

from model.windows import Window

Item = tuple[str, int, int, Tensor, Window]  # an AudioItem's fields


class Job(TypedDict):
    """`texts`: prompts, and the samples for their placeholder. `live`: token ids with windows at places."""

    texts: list[tuple[str, Tensor]]
    live: list[tuple[list[int], list[Item]]]
    limit: int
    lora: str | None  # the folder of an adapter


class Answer(TypedDict):
    """Of each prompt: its token ids, each item's embeddings, and the likeliest tokens."""

    ids: list[list[int]]
    embeddings: list[list[Tensor]]
    tokens: list[list[int]]
    adapted: list[list[int]]  # the tokens with the adapter
    lora_modules: set[str]  # names of the layers that it adapts


def main(folder: str, job_file: str, out_file: str) -> None:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.multimodal import MULTIMODAL_REGISTRY

    from model.vllm_inputs import AudioItem, audio_prompt

    job: Job = torch.load(job_file, weights_only=False)
    llm = LLM(
        folder,
        enforce_eager=True,
        block_size=32,
        dtype="float32",
        max_model_len=1024,
        max_num_seqs=4,
        max_num_batched_tokens=1024,
        enable_lora=job["lora"] is not None,
        max_lora_rank=8,
        disable_log_stats=True,
    )
    processor = MULTIMODAL_REGISTRY.create_processor(llm.llm_engine.model_config)
    prompts: list[Any] = [
        processor(text, processor.info.parse_mm_data({"audio": [samples.numpy()]}))
        for text, samples in job["texts"]
    ]
    prompts += [audio_prompt(ids, [AudioItem(*item) for item in items]) for ids, items in job["live"]]

    def embed(model: Any) -> list[list[Tensor]]:
        with torch.inference_mode():
            return [
                [e for item in p["mm_kwargs"]["audio"] for e in model.embed_multimodal(**_batch(item))]
                for p in prompts
            ]

    def generate(adapter: LoRARequest | None) -> list[list[int]]:
        params = SamplingParams(temperature=0.0, max_tokens=job["limit"])
        for number, prompt in enumerate(prompts):
            llm.llm_engine.add_request(str(number), prompt, params, lora_request=adapter)
        found: dict[str, list[int]] = {}
        while llm.llm_engine.has_unfinished_requests():
            for output in llm.llm_engine.step():
                found[output.request_id] = list(output.outputs[0].token_ids)
        return [found[str(number)] for number in range(len(prompts))]

    answer = Answer(
        ids=[p["prompt_token_ids"] for p in prompts],
        embeddings=llm.apply_model(embed)[0],
        tokens=generate(None),
        adapted=generate(LoRARequest("adapter", 1, job["lora"])) if job["lora"] else [],
        lora_modules=llm.apply_model(lora_modules)[0],
    )
    torch.save(answer, out_file)


def lora_modules(model: torch.nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if type(module).__name__.endswith("WithLoRA")}


def _batch(item: Any) -> dict[str, Any]:
    return {name: [data] for name, data in item.get_data().items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
