from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedConfig

from model.config import (
    PIECE_SAMPLES,
    SAMPLE_RATE,
    ConfigError,
    StepAudio2Config,
    audio_tokens,
    frames,
    pieces,
)
from model.vllm_config import StepAudio2HFConfig, StepAudioQwen2Config, network_config
from tests import checkpoints


def test_nested_and_flat_layouts_describe_the_same_network() -> None:
    described = checkpoints.config()
    assert StepAudio2Config.from_dict(described.to_dict()) == described
    assert StepAudio2Config.from_dict(checkpoints.flat_layout(described)) == described


def test_rope_theta_is_read_where_transformers_5_puts_it() -> None:
    raw = checkpoints.config().to_dict()
    del raw["text_config"]["rope_theta"]
    raw["text_config"]["rope_parameters"] = {"rope_type": "default", "rope_theta": 5e5}
    assert StepAudio2Config.from_dict(raw).text.rope_theta == 5e5


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_vllm_reads_the_same_numbers(flat: bool, tied: bool) -> None:
    described = checkpoints.config(tied)
    raw = checkpoints.flat_layout(described) if flat else described.to_dict()
    kind = StepAudioQwen2Config if flat else StepAudio2HFConfig
    read = kind.from_dict(raw)
    assert network_config(read) == described
    text = read.get_text_config()
    assert isinstance(text, PreTrainedConfig)
    assert text.model_type == "step_audio_2_text"
    assert text.hidden_size == described.text.hidden_size
    assert text.tie_word_embeddings == tied
    assert text.rope_parameters["rope_theta"] == described.text.rope_theta


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "expected a StepAudio2ForCausalLM"),
        ({"audio_encoder_config": None}, "no audio_encoder_config"),
        ({"text_config": {"hidden_size": 128}}, "text_config lacks intermediate_size"),
        ({"audio_encoder_config": {"llm_dim": 64}}, "the adaptor gives 64 features, the decoder takes 128"),
        ({"audio_encoder_config": {"n_audio_head": 7}}, "not a multiple of n_audio_head"),
        ({"audio_encoder_config": {"adapter_stride": 4}}, "stride 4"),
        ({"audio_encoder_config": {"n_mels": -1}}, "n_mels should be a positive number, got -1"),
        ({"audio_encoder_config": {"n_mels": "many"}}, "n_mels should be a positive number, got 'many'"),
    ],
)
def test_what_no_network_can_be_built_from_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StepAudio2Config.from_dict({**checkpoints.config().to_dict(), **change})


@pytest.mark.parametrize(
    ("samples", "tokens"),
    [(0, 0), (320, 0), (321, 1), (6_400, 5), (12_800, 10), (16_000, 13), (32_000, 25), (400_000, 313)],
)
def test_audio_tokens_are_those_of_the_reference(samples: int, tokens: int) -> None:
    assert audio_tokens(samples) == tokens


def test_pieces_cover_the_audio_in_order() -> None:
    assert pieces(PIECE_SAMPLES) == [(0, PIECE_SAMPLES)]
    assert pieces(31 * SAMPLE_RATE) == [(0, PIECE_SAMPLES), (PIECE_SAMPLES, 31 * SAMPLE_RATE)]
    assert pieces(0) == []


def test_a_full_piece_fits_the_positional_table() -> None:
    assert (frames(PIECE_SAMPLES) + 2 + 1) // 2 <= checkpoints.config().audio.n_audio_ctx
