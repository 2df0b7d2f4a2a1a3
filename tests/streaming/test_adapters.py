"""A LoRA adapter in the real engine: asked for by its name, and nobody else's conversation notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import torch
from httpx import AsyncClient
from openai import AsyncOpenAI
from safetensors.torch import save_file
from websockets.asyncio.client import connect

from model.checkpoint import NANO
from streaming.context import Context
from streaming.engine import VllmEngine, _arguments
from streaming.places import ADAPTER
from streaming.supervisor import Supervisor
from tests.server.client import Client, serving
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


async def replied(client: Client) -> str:
    """The first tokens of its thoughts and its reply."""
    content = [{"type": "input_text", "text": "what is one plus one?"}]
    item = {"type": "message", "role": "user", "content": content}
    await client.send({"type": "conversation.item.create", "item": item})
    await client.send({"type": "response.create", "response": {"max_output_tokens": 24}})
    done = (await client.until("response.done"))["response"]
    assert done["status"] in ("completed", "incomplete")
    return "".join(e["delta"] for e in client.seen if e["type"].endswith("text.delta"))


async def asked(url: str, query: str, key: str | None = None) -> tuple[str, str]:
    """The model that a client is told it has, and what that says."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with connect(f"{url}/v1/realtime{query}", additional_headers=headers) as ws:
        client = Client(ws)
        model = (await client.next())["session"]["model"]
        return model, await replied(client)


async def no_other() -> VllmEngine:
    raise AssertionError("the engine has died")


async def test_clients_name_the_adapter_in_their_address_or_in_their_secret(engine: VllmEngine) -> None:
    async with serving(Supervisor(engine, no_other), adapters=("one", "two")) as url:
        told = await asyncio.gather(
            *(asked(url, query) for query in ("", "?model=nano", "?model=one", "?model=two"))
        )
        assert [model for model, _ in told] == ["nano", "nano", "one", "two"]
        unnamed, plain, one, two = (text for _, text in told)
        assert unnamed == plain and len({plain, one, two}) == 3
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
            body = {"session": {"type": "realtime", "model": "two"}}
            secret = (await http.post("/v1/realtime/client_secrets", json=body)).json()
        assert secret["session"]["model"] == "two"
        assert await asked(url, "", secret["value"]) == ("two", two)
        base = url.replace("ws", "http", 1)
        async with AsyncOpenAI(base_url=f"{base}/v1", api_key="none") as package:
            async with package.realtime.connect(model="one") as connection:
                created = await connection.recv()
                assert created.type == "session.created" and created.session.model == "one"  # type: ignore[union-attr]


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
