"""Small random checkpoints in the layouts of the official ones, for everybody's tests.

Same files, names and quirks as Step-Audio-R1's; the numbers mean nothing. The tokenizer is byte-level,
`<think>` and `</think>` are several ordinary tokens each in it, and `>` merges with a newline.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from model import checkpoint
from model.config import AudioConfig, StepAudio2Config, TextConfig
from model.network import StepAudio2
from model.prompt import SPECIAL

END_OF_TEXT = "<|endoftext|>"
EXTRA = ("<tts_start>", "<tts_end>")
TEXT = """
<think>
The voice is low and slow.
</think>
Hello there, how are you today?
system
human
assistant
<tool_call>function
"""


def tokenizer() -> Tokenizer:
    """Byte-level BPE of some 300 tokens, then the special ones."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=2,
    )
    made.train_from_iterator(TEXT.splitlines(keepends=True) * 4, trainer)
    made.add_special_tokens([AddedToken(name, special=True) for name in (END_OF_TEXT, *SPECIAL, *EXTRA)])
    return made


def config(tied: bool = False, width: int = 128) -> StepAudio2Config:
    """R1's shape in small: 128 mels, heads that two ranks can share, of a size that vLLM has kernels for."""
    text = TextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=512,
        max_position_embeddings=2048,
        rope_theta=20_000.0,  # nobody's default
        tie_word_embeddings=tied,
    )
    audio = AudioConfig(
        n_audio_state=48, n_audio_head=4, n_audio_layer=2, llm_dim=text.hidden_size, adapter_hidden=96
    )
    made = tokenizer()
    return StepAudio2Config(text, audio, made.token_to_id("<|EOT|>"), made.token_to_id(END_OF_TEXT))


def write(
    folder: Path, *, flat: bool = False, tied: bool = False, sharded: bool = False, seed: int = 0
) -> StepAudio2Config:
    """Write a whole checkpoint: nested or flat config.json, one file or two with an index."""
    described = config(tied)
    torch.manual_seed(seed)
    network = StepAudio2(described)
    state = {name: _spread(name, tensor) for name, tensor in network.state_dict().items()}
    if tied:
        state.pop("lm_head.weight")
    names = sorted(state)
    half = len(names) // 2
    cut = (
        {"model-00001-of-00002.safetensors": names[:half], "model-00002-of-00002.safetensors": names[half:]}
        if sharded
        else {checkpoint.SINGLE: names}
    )
    shards = {file: {name: state[name] for name in part} for file, part in cut.items()}
    checkpoint.save(folder, described, shards, raw_config=flat_layout(described) if flat else None)
    write_tokenizer(folder)
    return described


def _spread(name: str, tensor: Tensor) -> Tensor:
    # With the usual small initial values every prompt would have the same likeliest token, and with
    # tied embeddings that would be its last one.
    if name == "model.embed_tokens.weight":
        return tensor * 0.1
    return tensor if tensor.ndim < 2 or name.startswith("encoder.positional") else tensor * 2.0


def flat_layout(described: StepAudio2Config) -> dict[str, Any]:
    """config.json as the 32B checkpoint has it: text fields at the top level, remote code named."""
    raw = described.to_dict()
    text = raw.pop("text_config")
    for name in ("model_type", "hidden_act"):
        text.pop(name)
    return {
        **raw,
        **text,
        "model_type": "step_audio_qwen2",
        "auto_map": {
            "AutoConfig": "configuration_step_audio_2.StepAudio2Config",
            "AutoModelForCausalLM": "modeling_step_audio_2.StepAudio2ForCausalLM",
        },
    }


def write_tokenizer(folder: Path) -> None:
    """tokenizer.json and its configuration, with no chat template."""
    made = tokenizer()
    made.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|EOT|>",
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described, indent=2) + "\n")
