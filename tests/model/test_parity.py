"""The served network is held to the plain one: same embeddings, same tokens.

One engine a checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from model import checkpoint
from model.network import StepAudio2
from model.prompt import Prompt
from tests import checkpoints
from tests.model import engines
from tests.model.listening import voice, windows_of
from tests.model.served import Answer, Item, Job

SECONDS = (0.1, 1.0, 3.3, 25.0, 31.0)
LIVE_SECONDS = (3.3, 31.0)
LIMIT = 16
LORA_RANK, LORA_ALPHA = 4, 8.0
LORA_LAYERS = {"q_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn", "down_proj": "mlp"}


@dataclass(frozen=True)
class Served:
    """What stock vLLM made of a checkpoint, and the plain network beside it."""

    network: StepAudio2
    prompt: Prompt
    audio: list[list[Tensor]]  # of each prompt the embeddings that the plain network gives each item
    answer: Answer
    adapted: StepAudio2 | None


def serve(folder: Path, scratch: Path, lora: bool = False) -> Served:
    network = checkpoint.load(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    prompt = Prompt.of(
        lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids), tokenizer.get_vocab()
    )
    adapted = write_adapter(scratch / "adapter", folder) if lora else None
    job = Job(
        texts=[
            (
                f"<|BOT|>human\n<audio_start><audio_patch><audio_end>{request}<|EOT|><|BOT|>assistant\n<think>\n",
                voice(seconds),
            )
            for seconds, request in zip(SECONDS, ("", "What was said?", "", "", ""), strict=True)
        ],
        live=[live_prompt(prompt, voice(s), network.config.audio.n_mels) for s in LIVE_SECONDS],
        limit=LIMIT,
        lora=str(scratch / "adapter") if lora else None,
    )
    torch.save(job, scratch / "job.pt")
    engines.run("tests.model.served", folder, scratch / "job.pt", scratch / "out.pt")
    answer: Answer = torch.load(scratch / "out.pt", weights_only=False)
    return Served(network, prompt, expected_audio(network), answer, adapted)


def live_prompt(prompt: Prompt, samples: Tensor, n_mels: int) -> tuple[list[int], list[Item]]:
    """A listener's context: each piece's windows in order."""
    ids = prompt.human_open()
    items: list[Item] = []
    for number, piece in enumerate(windows_of(samples, n_mels)):
        ids = [*ids, prompt.audio_start]
        for mel, window in piece:
            tokens = window.stop - window.start
            items.append((f"{samples.numel()}-{number}-{window.start}", len(ids), tokens, mel, window))
            ids = [*ids, *prompt.patches(tokens)]
        ids = [*ids, prompt.audio_end]
    return [*ids, *prompt.human_close(), *prompt.assistant_open(True)], items


def write_adapter(folder: Path, base: Path) -> StepAudio2:
    """A random LoRA adapter of the decoder in PEFT's format; returns the network with it merged in."""
    network = checkpoint.load(base)
    generator = torch.Generator().manual_seed(3)
    state: dict[str, Tensor] = {}
    for number, layer in enumerate(network.model.layers):
        for name, part in LORA_LAYERS.items():
            module = layer.get_submodule(f"{part}.{name}")
            assert isinstance(module, torch.nn.Linear)
            down = 0.3 * torch.randn(LORA_RANK, module.in_features, generator=generator)
            up = 0.3 * torch.randn(module.out_features, LORA_RANK, generator=generator)
            where = f"base_model.model.model.layers.{number}.{part}.{name}"
            state |= {f"{where}.lora_A.weight": down, f"{where}.lora_B.weight": up}
            module.weight.data += LORA_ALPHA / LORA_RANK * up @ down
    folder.mkdir()
    save_file(state, folder / "adapter_model.safetensors")
    described = {
        "peft_type": "LORA",
        "r": LORA_RANK,
        "lora_alpha": LORA_ALPHA,
        "target_modules": list(LORA_LAYERS),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(described))
    return network


def assert_same_tokens(served: Served, network: StepAudio2, found: list[list[int]]) -> None:
    prompt = served.prompt
    for ids, audio, tokens in zip(served.answer["ids"], served.audio, found, strict=True):
        with torch.inference_mode():
            embedded = network.embed(torch.tensor(ids), torch.cat(audio), prompt.audio_patch)
            expected = network.greedy(embedded, LIMIT, {prompt.eot})
        assert tokens == [*expected, prompt.eot][:LIMIT]


def expected_audio(network: StepAudio2) -> list[list[Tensor]]:
    with torch.inference_mode():
        whole = [[torch.cat(network.embed_audio(voice(seconds)))] for seconds in SECONDS]
        live = [
            [
                network.embed_window(mel.float(), real=window.real, tokens=window.keep, first=window.first)
                for piece in windows_of(voice(seconds), network.config.audio.n_mels)
                for mel, window in piece
            ]
            for seconds in LIVE_SECONDS
        ]
    return whole + live


@pytest.fixture(scope="module", params=["nano", "nested-sharded-untied", "flat-single-tied"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    kind: str = request.param
    scratch = tmp_path_factory.mktemp(kind)
    if kind == "nano":
        return serve(checkpoint.NANO, scratch)
    folder = scratch / "checkpoint"
    checkpoints.write(folder, flat="flat" in kind, tied="-tied" in kind, sharded="sharded" in kind)
    return serve(folder, scratch, lora="nested" in kind)


def test_audio_embeddings_are_the_same(
    served: Served, record_property: Callable[[str, object], None]
) -> None:
    worst = 0.0
    for mine, theirs in zip(served.audio, served.answer["embeddings"], strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert one.shape == other.shape
            worst = max(worst, float((one - other).norm() / one.norm()))
    record_property("relative_error", worst)
    assert worst <= 1e-3


def test_greedy_tokens_are_the_same(served: Served) -> None:
    assert_same_tokens(served, served.network, served.answer["tokens"])


def test_one_placeholder_becomes_a_piece_for_every_25_seconds(served: Served) -> None:
    prompt = served.prompt
    assert served.answer["ids"][3] == [
        *prompt.human_open(), *prompt.audio(313), *prompt.human_close(), *prompt.assistant_open(True)
    ]  # fmt: skip
    assert served.answer["ids"][4] == [
        *prompt.human_open(), *prompt.audio(313), *prompt.audio(75), *prompt.human_close(),
        *prompt.assistant_open(True),
    ]  # fmt: skip


def test_lora_of_the_decoder_takes_effect(served: Served) -> None:
    answer = served.answer
    if served.adapted is None:  # that engine has no LoRA
        assert not answer["lora_modules"]
        return
    assert {name.rpartition(".")[2] for name in answer["lora_modules"]} == {
        "qkv_proj", "o_proj", "gate_up_proj", "down_proj"
    }  # fmt: skip
    assert answer["adapted"] != answer["tokens"]
    assert_same_tokens(served, served.adapted, answer["adapted"])
