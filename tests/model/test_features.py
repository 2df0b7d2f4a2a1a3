from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from model.config import frames
from model.features import ORDINARY, LogMelStream, log_mel, mel_filters, normalise
from tests.model.listening import voice


def reference(samples: Tensor, n_mels: int) -> Tensor:
    """The front end as stepfun-ai/Step-Audio-R1's utils.py writes it."""
    bank = mel_filter_bank(201, n_mels, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    padded = torch.nn.functional.pad(samples, (0, 479))
    spectrum = torch.stft(padded, 400, 160, window=torch.hann_window(400), return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    logged = (torch.from_numpy(bank.T.astype(np.float32)) @ power).clamp(min=1e-10).log10()
    return (torch.maximum(logged, logged.max() - 8.0) + 4.0) / 4.0


@pytest.mark.parametrize("n_mels", [80, 128])
def test_filters_are_those_of_librosa(n_mels: int) -> None:
    bank = mel_filter_bank(201, n_mels, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney")
    torch.testing.assert_close(mel_filters(n_mels), torch.from_numpy(bank.T.astype(np.float32)))


@pytest.mark.parametrize("samples", [1, 100, 200, 201, 321, 1_600, 6_400, 16_000, 52_801, 400_000])
def test_a_whole_piece_equals_the_reference(samples: int) -> None:
    audio = voice(samples / 16_000, seed=samples)
    assert audio.numel() == samples
    found = log_mel(audio, 128)
    assert found.shape == (128, (samples + 479) // 160) == (128, frames(samples) + 2)
    # One float32 of an FFT's worth: values are of the order of 1.
    torch.testing.assert_close(found, reference(audio, 128), atol=2e-4, rtol=0)


def test_silence_is_finite() -> None:
    assert torch.isfinite(log_mel(torch.zeros(16_000), 128)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_in_random_cuts_equals_the_whole(seed: int) -> None:
    chance = random.Random(seed)
    audio = voice(3.3, seed)
    stream = LogMelStream(128)
    at = 0
    while at < audio.numel():
        size = chance.choice([1, 7, 160, 199, 201, 320, 1_600, 4_001])
        stream.append(audio[at : at + size])
        at += size
    whole = log_mel(audio, 128)
    ended = stream.ended()
    torch.testing.assert_close(normalise(ended.log_power, ended.loudest), whole)


def test_frames_appear_as_soon_as_their_samples_have_come_and_never_change() -> None:
    audio = voice(1.0)
    whole = LogMelStream(128)
    whole.append(audio)
    stream = LogMelStream(128)
    for heard in range(160, audio.numel() + 1, 160):
        stream.append(audio[heard - 160 : heard])
        assert len(stream) == max(0, (heard - 200) // 160 + 1 if heard > 200 else 0)
        torch.testing.assert_close(stream.log_power, whole.log_power[:, : len(stream)])


def test_an_ended_copy_leaves_the_stream_going() -> None:
    audio = voice(1.0)
    stream = LogMelStream(128)
    stream.append(audio[:8_000])
    first = stream.ended()
    again = stream.ended()
    torch.testing.assert_close(first.log_power, again.log_power)
    with pytest.raises(ValueError, match="finished"):
        first.append(audio[8_000:])
    stream.append(audio[8_000:])
    ended = stream.ended()
    torch.testing.assert_close(normalise(ended.log_power, ended.loudest), log_mel(audio, 128))


def test_louder_speech_is_expected_while_only_a_room_was_heard() -> None:
    stream = LogMelStream(80)
    stream.append(3e-5 * torch.randn(16_000, generator=torch.Generator().manual_seed(0)))
    hiss = stream.log_power
    heard, expected = (normalise(hiss, stream.loudest, complete) for complete in (True, False))
    assert heard.std() > 0.05 and expected.std() < 0.1 * heard.std()  # under the floor it is silence
    torch.testing.assert_close(normalise(hiss, ORDINARY + 1, complete=False), normalise(hiss, ORDINARY + 1))


def test_what_is_no_mono_audio_is_refused() -> None:
    with pytest.raises(ValueError, match="the piece is empty"):
        log_mel(torch.empty(0), 128)
    with pytest.raises(ValueError, match="mono samples"):
        log_mel(torch.zeros(2, 16_000), 128)
