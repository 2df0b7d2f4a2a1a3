from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from model.config import audio_tokens
from model.features import log_mel
from model.network import AudioAdaptor, AudioEncoder, StepAudio2, _AudioAttention
from tests import checkpoints
from tests.model.listening import voice


@pytest.fixture(scope="module")
def network() -> StepAudio2:
    torch.manual_seed(0)
    return StepAudio2(checkpoints.config()).eval().requires_grad_(False)


@pytest.mark.parametrize("seconds", [0.021, 0.1, 0.4, 1.0, 3.3, 25.0])
def test_a_piece_gives_the_tokens_that_the_configuration_counts(network: StepAudio2, seconds: float) -> None:
    (embedded,) = network.embed_audio(voice(seconds))
    assert embedded.shape == (audio_tokens(round(seconds * 16_000)), 128)


def test_longer_audio_comes_in_pieces(network: StepAudio2) -> None:
    assert [e.shape[0] for e in network.embed_audio(voice(31.0))] == [313, 75]


def test_padding_changes_no_real_frame(network: StepAudio2) -> None:
    # Two padded frames at the end are no audio: what stands in them must not be attended to.
    mel = log_mel(voice(1.0), 128)[None]
    other = mel.clone()
    other[..., -1] = 5.0
    one, two = (network.encoder(m, real=mel.shape[-1] - 2) for m in (mel, other))
    torch.testing.assert_close(one[:, :-1], two[:, :-1])


def test_attention_equals_the_reference_written_out(network: StepAudio2) -> None:
    attention = network.encoder.get_submodule("blocks.0.attn")
    assert isinstance(attention, _AudioAttention)
    x = torch.randn(1, 20, 48, generator=torch.Generator().manual_seed(1))
    bias = torch.where(torch.arange(20) < 17, 0.0, -1e10)[None, None, None]
    scale = (48 // attention.heads) ** -0.25

    def heads(y: Tensor) -> Tensor:
        return y.reshape(*y.shape[:2], attention.heads, -1).transpose(1, 2)

    q, k, v = heads(attention.query(x)) * scale, heads(attention.key(x)) * scale, heads(attention.value(x))
    weights = (q @ k.transpose(-1, -2) + bias).float().softmax(dim=-1)
    expected = attention.out((weights @ v).transpose(1, 2).flatten(-2))
    torch.testing.assert_close(attention(x, bias), expected)


def test_a_window_with_all_left_context_and_no_padding_equals_the_whole(network: StepAudio2) -> None:
    mel = log_mel(voice(2.0), 128)
    real = mel.shape[1] - 2
    whole = network.embed_window(mel, real=real, tokens=slice(0, 25))
    part = network.embed_window(mel, real=real, tokens=slice(10, 15))
    torch.testing.assert_close(part, whole[10:15])


def test_a_window_stands_at_its_true_position(network: StepAudio2) -> None:
    mel = log_mel(voice(2.0), 128)[:, :160]
    early, late = (network.embed_window(mel, real=160, tokens=slice(0, 5), first=at) for at in (0, 800))
    assert not torch.allclose(early, late, atol=1e-3)


def test_a_piece_beyond_the_positional_table_is_refused() -> None:
    described = dataclasses.replace(checkpoints.config().audio, n_audio_ctx=50)
    encoder = AudioEncoder(described)
    assert encoder(torch.zeros(1, 128, 98)).shape == (1, 24, 48)
    with pytest.raises(ValueError, match="at most 98"):
        encoder(torch.zeros(1, 128, 101))
    with pytest.raises(ValueError, match="at most 98"):
        encoder(torch.zeros(1, 128, 16), first=96)


def test_the_adaptor_halves_the_rate() -> None:
    adaptor = AudioAdaptor(checkpoints.config().audio)
    assert adaptor(torch.zeros(2, 25, 48)).shape == (2, 13, 128)


def test_the_cache_changes_nothing(network: StepAudio2) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 30, 128, generator=generator)
    whole = network.model(x)
    cache: list[tuple[Tensor, Tensor]] = []
    parts = [network.model(x[:, a:b], cache=cache) for a, b in ((0, 11), (11, 12), (12, 25), (25, 30))]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_greedy_equals_decoding_from_nothing_each_time(network: StepAudio2) -> None:
    prompt = network.model.embed_tokens(torch.arange(20))
    found = network.greedy(prompt, 8, stop=set())
    x, expected = prompt, list[int]()
    for _ in range(8):
        expected.append(int(network.lm_head(network.model(x[None])[:, -1]).argmax()))
        x = torch.cat([x, network.model.embed_tokens(torch.tensor(expected[-1:]))])
    assert found == expected
    assert network.greedy(prompt, 8, stop={found[3]}) == found[: found.index(found[3])]


def test_audio_goes_where_its_tokens_stand(network: StepAudio2) -> None:
    ids = torch.tensor([1, 9, 9, 2])
    audio = torch.randn(2, 128)
    embedded = network.embed(ids, audio, audio_token_id=9)
    torch.testing.assert_close(embedded[1:3], audio)
    torch.testing.assert_close(embedded[[0, 3]], network.model.embed_tokens(ids[[0, 3]]))
    with pytest.raises(ValueError, match="2 audio tokens in the prompt for 1 embeddings"):
        network.embed(ids, audio[:1], audio_token_id=9)
