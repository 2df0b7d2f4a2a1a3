"""Step-Audio 2's config.json as the Hugging Face configurations that vLLM reads.

The nested layout and the flat one both become a `text_config` and an `audio_encoder_config`; what they
mean is for `model.config` to say. Knows no weights.
"""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen2Config

from model.config import MODEL_TYPES, StepAudio2Config

__all__ = ["CONFIGS", "MODEL_TYPES", "network_config"]


class StepAudio2TextConfig(Qwen2Config):
    """The decoder: Qwen2, with this family's defaults."""

    model_type = "step_audio_2_text"
    default_theta = 1e6


class StepAudio2EncoderConfig(PreTrainedConfig):
    """Encoder and adaptor; the fields are those of `model.config.AudioConfig`."""

    model_type = "step_audio_2_encoder"


class StepAudio2HFConfig(PreTrainedConfig):
    """A whole checkpoint, nested or flat."""

    model_type = "step_audio_2"
    sub_configs: ClassVar[dict[str, type[PreTrainedConfig]]] = {
        "text_config": StepAudio2TextConfig,
        "audio_encoder_config": StepAudio2EncoderConfig,
    }
    has_no_defaults_at_init = True

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_encoder_config: dict[str, Any] | PreTrainedConfig | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        text, audio = self.text_config, self.audio_encoder_config
        if text is None:  # the flat layout: the decoder's fields stand beside audio_encoder_config
            text = {name: value for name, value in kwargs.items() if name != "auto_map"}
        if isinstance(text, dict):
            for name in ("tie_word_embeddings", "eos_token_id"):
                if kwargs.get(name) is not None:
                    text.setdefault(name, kwargs[name])
            self.text_config = StepAudio2TextConfig(**_fields(text))
        if isinstance(audio, dict):
            self.audio_encoder_config = StepAudio2EncoderConfig(**_fields(audio))
        super().__post_init__(**kwargs)


class StepAudioQwen2Config(StepAudio2HFConfig):
    """The flat layout under its own name."""

    model_type = "step_audio_qwen2"


CONFIGS: tuple[type[PreTrainedConfig], ...] = (
    StepAudio2HFConfig,
    StepAudioQwen2Config,
    StepAudio2TextConfig,
    StepAudio2EncoderConfig,
)


def network_config(config: PreTrainedConfig) -> StepAudio2Config:
    """The network in numbers. Raises model.config.ConfigError."""
    return StepAudio2Config.from_dict(config.to_dict())


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    # `model_type` belongs to the class; `architectures` would name the whole network.
    return {name: value for name, value in raw.items() if name not in ("model_type", "architectures")}
