"""What a checkpoint needs and what a machine holds, on paper: no weights are loaded and nothing is measured.

    weights        parameters x bytes each, over the GPUs that share them (tensor parallelism)
    KV of a token  2 (key and value) x layers x KV heads x head dimension x bytes: what vLLM's blocks hold
    KV space       memory x the share that vLLM takes (gpu_memory_utilization) - weights - a reserve
    sessions       KV tokens / max_model_len: what this server lets in (streaming.engine.Places)
    speed          a step reads every decoder weight once, and the KV cache of every sequence in it: it takes
                   at least bytes / bandwidth, and operations / peak (the roofline of Pope et al.,
                   "Efficiently Scaling Transformer Inference", arXiv 2211.05102). An upper bound: nothing
                   else is counted, neither communication nor the encoder.

Knows no engine; the numbers of GPUs are those of their makers' data sheets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import model
from model.config import FRAMES_PER_TOKEN, HOP, SAMPLE_RATE, AudioConfig, StepAudio2Config, TextConfig

NANO = Path(model.__file__).parent / "nano"
GIB = 2**30
UTILISATION = 0.92  # vLLM's own default of gpu_memory_utilization
RESERVE = 2 * GIB  # of a GPU, for activations, CUDA graphs and the library: a guess
SPEECH_TOKENS = SAMPLE_RATE * 60 // (HOP * FRAMES_PER_TOKEN)  # of a minute's audio
REPLY_TOKENS = 200  # of a minute's reply: 150 words of 4/3 tokens
WEIGHT_BYTES = {"float32": 4.0, "bfloat16": 2.0, "fp8": 1.0, "int4": 0.5}


class PlanError(ValueError):
    """The plan makes no sense; one line that says why."""


@dataclass(frozen=True)
class Gpu:
    """Of one: bytes, bytes a second, and dense operations a second in bfloat16."""

    memory: float
    bandwidth: float
    operations: float


GPUS = {  # NVIDIA's data sheets
    "B200": Gpu(180e9, 8.0e12, 2.25e15),
    "H200": Gpu(141e9, 4.8e12, 989e12),
    "H100": Gpu(80e9, 3.35e12, 989e12),
    "A100": Gpu(80e9, 2.039e12, 312e12),
    "L40S": Gpu(48e9, 864e9, 362e12),
    "A10": Gpu(24e9, 600e9, 125e12),
    "L4": Gpu(24e9, 300e9, 121e12),
    "RTX4090": Gpu(24e9, 1008e9, 165e12),
}

# As read from the checkpoints' own papers and code; a local folder's config.json says it for any other.
KNOWN = {
    "Step-Audio-2-mini": StepAudio2Config(
        TextConfig(3584, 18_944, 28, 28, 4, 158_720, 16_384), AudioConfig(llm_dim=3584)
    ),
    "Step-Audio-R1": StepAudio2Config(
        TextConfig(5120, 27_648, 64, 40, 8, 158_720, 65_536), AudioConfig(llm_dim=5120)
    ),
}
KNOWN["Step-Audio-R1.1"] = KNOWN["Step-Audio-R1"]


def shape(name: str) -> StepAudio2Config:
    """Of nano, a known checkpoint by its name, or what a folder's config.json says. Raises PlanError."""
    if (known := KNOWN.get(name.rsplit("/", 1)[-1])) and not Path(name).exists():
        return known
    folder = NANO if name == "nano" else Path(name)
    path = folder / "config.json" if folder.is_dir() else folder
    try:
        return StepAudio2Config.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        names = ", ".join(("nano", *KNOWN))
        raise PlanError(f"{name}: expected {names} or a folder with a config.json ({error})") from error


@dataclass(frozen=True)
class Machine:
    """`tensor` GPUs share one set of weights; `copies` of it are there (data parallelism)."""

    gpu: Gpu
    tensor: int = 1
    copies: int = 1


@dataclass(frozen=True)
class Plan:
    """Bytes, tokens, and tokens a second. Speeds are upper bounds."""

    decoder: int  # parameters
    encoder: int  # parameters, the adaptor included
    weights: float  # of one copy
    token: float  # KV
    speech_minute: float  # KV of a minute that the user speaks
    reply_minute: float  # KV of a minute of reply
    kv_space: float  # of all copies
    kv_tokens: int
    max_model_len: int
    sessions: int  # that are let in
    minutes: float  # of talk until one of them has filled its context
    alone: float  # tokens a second of one thought, nobody else there
    together: float  # of each, when every session thinks at once
    total: float  # of all of them


def decoder_parameters(text: TextConfig) -> int:
    """Qwen2: biases on queries, keys and values only."""
    h, kv = text.hidden_size, text.num_key_value_heads * text.head_dim
    attention = h * h + h + 2 * (h * kv + kv) + h * h
    layer = attention + 3 * h * text.intermediate_size + 2 * h
    embeddings = text.vocab_size * h * (1 if text.tie_word_embeddings else 2)
    return text.num_hidden_layers * layer + embeddings + h


def encoder_parameters(audio: AudioConfig) -> int:
    """Whisper's, where keys have no bias, and the adaptor."""
    s = audio.n_audio_state
    block = 4 * s * s + 3 * s + 4 * s + 8 * s * s + 5 * s
    convolutions = 3 * audio.n_mels * s + s + 3 * s * s + s
    whole = convolutions + audio.n_audio_ctx * s + audio.n_audio_layer * block + 2 * s
    hidden = audio.adapter_hidden
    adaptor = audio.kernel_size * s * s + s + s * hidden + hidden + hidden * audio.llm_dim + audio.llm_dim
    return whole + adaptor


def kv_bytes(text: TextConfig, each: float) -> float:
    """Of one token, `each` bytes a number."""
    return 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim * each


def kv_tokens(space: float, token: float, block: int) -> int:
    """That fit, in whole blocks."""
    return int(space / (token * block)) * block


def plan(
    config: StepAudio2Config,
    machine: Machine,
    *,
    weight_bytes: float = 2.0,
    kv_number: float = 2.0,
    max_model_len: int | None = None,
    block: int = 32,
) -> Plan:
    """Raises PlanError where it does not fit."""
    text, gpu, shared = config.text, machine.gpu, machine.tensor
    if text.num_key_value_heads % shared and shared % text.num_key_value_heads:
        raise PlanError(f"{text.num_key_value_heads} KV heads cannot be shared by {shared} GPUs")
    decoder, encoder = decoder_parameters(text), encoder_parameters(config.audio)
    weights = decoder * weight_bytes + encoder * max(weight_bytes, 2.0)  # the encoder stays unquantised
    token = kv_bytes(text, kv_number) * max(1, shared / text.num_key_value_heads)  # heads are repeated
    space = shared * (gpu.memory * UTILISATION - RESERVE) - weights
    length = max_model_len or text.max_position_embeddings
    if space < token * length:
        least, has = (weights + token * length) / GIB, gpu.memory / GIB
        raise PlanError(
            f"weights and one conversation take {least:.1f} GiB; there are {shared} x {has:.0f} GiB, "
            f"of which vLLM takes {UTILISATION:.0%}: more GPUs (--count), or fewer bytes (--dtype)"
        )
    tokens = kv_tokens(space, token, block)
    sessions = tokens // length
    half = length / 2  # a conversation is half full in the middle of its life

    def rate(batch: int) -> float:
        read = decoder * weight_bytes + batch * half * token
        computed = 2 * decoder * batch
        return 1 / max(read / (gpu.bandwidth * shared), computed / (gpu.operations * shared))

    return Plan(
        decoder,
        encoder,
        weights,
        token,
        SPEECH_TOKENS * token,
        REPLY_TOKENS * token,
        space * machine.copies,
        tokens * machine.copies,
        length,
        sessions * machine.copies,
        length / ((SPEECH_TOKENS + REPLY_TOKENS) / 2),
        rate(1),
        rate(sessions),
        rate(sessions) * sessions * machine.copies,
    )


def as_json(made: Plan) -> dict[str, Any]:
    return asdict(made)


def lines(name: str, where: str, made: Plan) -> Iterator[str]:
    """For people, each figure with where it comes from."""
    yield f"{name} on {where}"
    for what, value, formula in _rows(made):
        yield f"  {what:<30} {value:>16}   {formula}"
    yield "Speeds are upper bounds: weights and KV cache read once a step, at the data sheet's bandwidth"
    yield "(roofline, arXiv 2211.05102); communication, the encoder and prompts are not counted."


def _rows(made: Plan) -> Iterator[tuple[str, str, str]]:
    billions = f"{made.decoder / 1e9:.3f} + {made.encoder / 1e9:.3f} B"
    yield "parameters", billions, "decoder + encoder and adaptor"
    yield "weights", f"{made.weights / GIB:.2f} GiB", "parameters x bytes each"
    yield "KV of a token", _size(made.token), "2 x layers x KV heads x head dimension x bytes"
    yield "KV of a minute of speech", _size(made.speech_minute), f"{SPEECH_TOKENS} tokens: 12.5 a second"
    yield "KV of a minute of reply", _size(made.reply_minute), f"{REPLY_TOKENS} tokens: 150 words"
    space = f"memory x {UTILISATION} - weights - {RESERVE // GIB} GiB a GPU"
    yield "KV space", f"{made.kv_space / GIB:.1f} GiB", space
    yield "KV tokens", f"{made.kv_tokens:,}", "KV space / KV of a token"
    yield "sessions let in", f"{made.sessions:,}", f"KV tokens / max_model_len ({made.max_model_len:,})"
    yield "talk until a context is full", f"{made.minutes:.0f} min", "half of it speech, half of it reply"
    yield (
        "thinking, one alone",
        f"{made.alone:.0f} tokens/s",
        "bandwidth / (decoder weights + half a context)",
    )
    yield (
        "thinking, all at once, each",
        f"{made.together:.1f} tokens/s",
        "the same, with half a context of each",
    )
    yield "thinking, all at once", f"{made.total:,.0f} tokens/s", "the same x sessions"


def _size(size: float) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.1f} KiB"
