"""The architecture in numbers.

Reads the `config.json` of a Step-Audio 2 family checkpoint, in the nested layout (`text_config`,
`audio_encoder_config`) and in the flat one (text fields at the top level, alias `step_audio_qwen2`),
and writes the nested one. Knows no tensors, no files and no tokenizer: token ids are looked up by
name in the checkpoint's own tokenizer, never assumed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

ARCHITECTURE = "StepAudio2ForCausalLM"
MODEL_TYPES = ("step_audio_2", "step_audio_qwen2")

SAMPLE_RATE = 16_000  # Hz, mono
HOP = 160  # samples a mel frame: 100 Hz
N_FFT = 400  # samples that a mel frame is computed from
REACH = N_FFT // 2  # of them to either side of its centre
FRAMES_PER_TOKEN = 8  # conv2 (2) x average pool (2) x adaptor (2): 12.5 Hz
SAMPLES_PER_TOKEN = HOP * FRAMES_PER_TOKEN  # 1280 = 80 ms
PIECE_SAMPLES = 25 * SAMPLE_RATE  # longer audio is cut into pieces of 25 s


class ConfigError(ValueError):
    """The configuration describes no network that we can build."""


@dataclass(frozen=True)
class AudioConfig:
    """Encoder and adaptor. Defaults are those of Step-Audio-2-mini and R1."""

    n_mels: int = 128
    n_audio_ctx: int = 1500
    n_audio_state: int = 1280
    n_audio_head: int = 20
    n_audio_layer: int = 32
    kernel_size: int = 3
    adapter_stride: int = 2
    llm_dim: int = 5120
    adapter_hidden: int = 2048


@dataclass(frozen=True)
class TextConfig:
    """The Qwen2 decoder."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int
    max_position_embeddings: int = 16_384
    rope_theta: float = 1e6
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


@dataclass(frozen=True)
class StepAudio2Config:
    """The whole network. `eos_token_id` and `pad_token_id` are None where the checkpoint names none."""

    text: TextConfig
    audio: AudioConfig
    eos_token_id: int | None = None
    pad_token_id: int | None = None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> StepAudio2Config:
        """Read a parsed `config.json`, nested or flat.

        Raises ConfigError when it is another architecture, lacks a number, or contradicts itself.
        """
        names = raw.get("architectures") or []
        if ARCHITECTURE not in names and raw.get("model_type") not in MODEL_TYPES:
            raise ConfigError(
                f"expected a {ARCHITECTURE} checkpoint (model_type {' or '.join(MODEL_TYPES)}), "
                f"got architectures={names!r}, model_type={raw.get('model_type')!r}"
            )
        text_raw = raw.get("text_config") or raw
        audio_raw = raw.get("audio_encoder_config")
        if not isinstance(audio_raw, Mapping):
            raise ConfigError("config.json has no audio_encoder_config")
        # transformers 5 moves rope_theta into rope_parameters when it saves a config.
        text_raw = {**text_raw, **(text_raw.get("rope_parameters") or {})}
        if "tie_word_embeddings" in raw:
            text_raw.setdefault("tie_word_embeddings", raw["tie_word_embeddings"])
        text = _read(TextConfig, text_raw, "text_config")
        audio = _read(AudioConfig, {"llm_dim": text.hidden_size, **audio_raw}, "audio_encoder_config")
        config = cls(
            text, audio, raw.get("eos_token_id", text_raw.get("eos_token_id")), raw.get("pad_token_id")
        )
        config._check()
        return config

    def _check(self) -> None:
        text, audio = self.text, self.audio
        if audio.llm_dim != text.hidden_size:
            raise ConfigError(
                f"the adaptor gives {audio.llm_dim} features, the decoder takes {text.hidden_size}"
            )
        if text.hidden_size % text.num_attention_heads or text.num_attention_heads % text.num_key_value_heads:
            raise ConfigError("hidden_size, num_attention_heads and num_key_value_heads do not divide")
        if audio.n_audio_state % audio.n_audio_head:
            raise ConfigError("n_audio_state is not a multiple of n_audio_head")
        if 4 * audio.adapter_stride != FRAMES_PER_TOKEN:
            raise ConfigError(f"expected an adaptor of stride 2 (12.5 Hz), got stride {audio.adapter_stride}")

    def to_dict(self) -> dict[str, Any]:
        """The nested layout, as `config.json` holds it."""
        tied = self.text.tie_word_embeddings
        return {
            "architectures": [ARCHITECTURE],
            "model_type": MODEL_TYPES[0],
            "eos_token_id": self.eos_token_id,
            "pad_token_id": self.pad_token_id,
            "tie_word_embeddings": tied,
            "text_config": {
                "model_type": "step_audio_2_text",
                "hidden_act": "silu",
                "eos_token_id": self.eos_token_id,
                **dataclasses.asdict(self.text),
            },
            "audio_encoder_config": {"model_type": "step_audio_2_encoder", **dataclasses.asdict(self.audio)},
        }


def _read(kind: type[T], raw: Mapping[str, Any], where: str) -> T:
    known = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {name: raw[name] for name in known if raw.get(name) is not None}
    missing = [n for n, f in known.items() if f.default is dataclasses.MISSING and n not in values]
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}")
    for name, value in values.items():
        if not isinstance(value, int | float) or (not isinstance(value, bool) and value <= 0):
            raise ConfigError(f"{where}.{name} should be a positive number, got {value!r}")
    return kind(**values)


def frames(samples: int) -> int:
    """Real mel frames (100 Hz) of so many 16 kHz samples: L = ceil(N / 160)."""
    return -(-samples // HOP)


def audio_tokens(samples: int) -> int:
    """Audio tokens (12.5 Hz) of one piece: (ceil(N/160) + 5) // 8, as the reference code counts."""
    return (frames(samples) + 5) // FRAMES_PER_TOKEN


def pieces(samples: int) -> list[tuple[int, int]]:
    """[start, end) of the pieces that audio of this length is encoded in: 25 s each, the rest last."""
    return [(at, min(at + PIECE_SAMPLES, samples)) for at in range(0, samples, PIECE_SAMPLES)]
