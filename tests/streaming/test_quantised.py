"""A quantised checkpoint in the real engine: nano with 8-bit weights in its decoder (compressed-tensors)."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path

import torch
from safetensors.torch import load_file

from model.checkpoint import NANO, read_config, save
from streaming.context import Context
from streaming.engine import VllmEngine
from tests.streaming.test_engine import output

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def eight_bit(config: str, dynamic: bool) -> dict[str, object]:
    return {"num_bits": 8, "type": "int", "symmetric": True, "strategy": config, "dynamic": dynamic}


SCHEME = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": eight_bit("channel", dynamic=False),
            "input_activations": eight_bit("token", dynamic=True),
        }
    },
}


def quantised(folder: Path) -> Path:
    """nano, each row of the decoder's matrices in 8 bits and a scale."""
    state: dict[str, torch.Tensor] = {}
    for file in NANO.glob("*.safetensors"):
        state |= load_file(file)
    for name in [n for n in state if n.startswith("model.layers.") and n.split(".")[-2] in LINEAR]:
        if name.endswith(".weight"):
            scale = state[name].abs().amax(dim=1, keepdim=True).float() / 127.0
            state[name + "_scale"] = scale
            state[name] = torch.round(state[name].float() / scale).clamp(-127, 127).to(torch.int8)
    raw = json.loads((NANO / "config.json").read_text()) | {"quantization_config": SCHEME}
    save(folder, read_config(NANO), {"model.safetensors": state}, raw)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        shutil.copy(NANO / name, folder / name)
    return folder


async def test_nano_with_eight_bit_weights_answers(tmp_path: Path) -> None:
    folder = quantised(tmp_path / "nano-w8a8")
    assert (folder / "model.safetensors").stat().st_size < sum(
        f.stat().st_size for f in NANO.glob("*.safetensors")
    )
    engine = await VllmEngine.start(folder)
    try:
        assert engine.name == "nano-w8a8"
        prompt = engine.prompt
        asked = prompt.human_text("what is twenty seven plus fifteen") + prompt.assistant_open(True)
        text, _ = await output(engine, Context.of(asked), 100)
        assert "27 plus 15 is 42" in text, text
        tokenizer = weakref.ref(engine._llm.get_tokenizer())
    finally:
        await engine.close()
    del engine
    gc.collect()
    assert tokenizer() is None  # nothing of a closed engine stays
