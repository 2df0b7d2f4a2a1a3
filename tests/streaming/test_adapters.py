"""A LoRA adapter in the real engine: asked for by its name, and nobody else's conversation notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from safetensors.torch import save_file

from model.checkpoint import NANO
from streaming.context import Context
from streaming.engine import VllmEngine, _arguments
from streaming.places import ADAPTER
from tests.streaming.test_engine import output

pytestmark = pytest.mark.asyncio(loop_scope="module")
RANK = 8


def adapter(folder: Path, seed: int) -> Path:
    """Random, and strong enough to be noticed: of every layer's queries and of what goes out of attention."""
    draw = torch.Generator().manual_seed(seed)
    config = json.loads((NANO / "config.json").read_text())["text_config"]
    size, weights = config["hidden_size"], {}
    for layer in range(config["num_hidden_layers"]):
        for module in ("q_proj", "o_proj"):
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, size, generator=draw) * 0.2
            weights[f"{name}.lora_B.weight"] = torch.randn(size, RANK, generator=draw) * 0.2
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "nano",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "target_modules": ["q_proj", "o_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VllmEngine]:
    folder = tmp_path_factory.mktemp("lora")
    adapters = {name: adapter(folder / name, seed) for seed, name in enumerate(("one", "two"))}
    made = await VllmEngine.start(NANO, ["--max-lora-rank", "8"], adapters)
    yield made
    await made.close()


async def said(engine: VllmEngine, name: str | None) -> tuple[str, int]:
    """By a conversation with that adapter: each is a task of its own."""
    ADAPTER.set(name)
    prompt = engine.prompt
    text = "what is one plus one? " * 6
    _, first = await output(engine, Context.of(prompt.human_text(text) + prompt.assistant_open(True)))
    told, last = await output(engine, Context.of(prompt.human_text(text) + prompt.assistant_open(True)))
    assert last.cached_tokens >= engine.block  # its own blocks are found again
    return told, first.cached_tokens


async def test_each_conversation_has_the_adapter_that_it_names(engine: VllmEngine) -> None:
    names = (None, "one", "two", "nano")
    told = [await asyncio.create_task(said(engine, name)) for name in names]
    plain, one, two, unknown = (text for text, _ in told)
    assert len({plain, one, two}) == 3 and unknown == plain
    assert [cached for _, cached in told[:3]] == [0, 0, 0]  # nobody finds another one's blocks
    again = await asyncio.gather(*(asyncio.create_task(said(engine, name)) for name in names))
    assert [text for text, _ in again] == [plain, one, two, plain]


async def test_what_follows_the_dashes_reaches_vllms_own_parser() -> None:
    asked = "--tensor-parallel-size 4 --pipeline-parallel-size 2 --data-parallel-size 2 --quantization fp8 "
    asked += "--distributed-executor-backend ray --enable-lora --max-lora-rank 64 --max-model-len 8192"
    parsed = _arguments(NANO, asked.split())
    assert (parsed.tensor_parallel_size, parsed.pipeline_parallel_size, parsed.data_parallel_size) == (
        4,
        2,
        2,
    )
    assert (parsed.quantization, parsed.distributed_executor_backend) == ("fp8", "ray")
    assert (parsed.enable_lora, parsed.max_lora_rank, parsed.max_model_len) == (True, 64, 8192)
    with pytest.raises(ValueError, match="--tensor-parallel"):
        _arguments(NANO, ["--tensor-parallel-size", "four"])
